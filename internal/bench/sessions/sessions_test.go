package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestBench runs the short plan, to see that it still measures all that is here.
// Jupyter kernels are not: installing them takes the network.
func TestBench(t *testing.T) {
	s := settings{
		dir: t.TempDir(), cache: filepath.Join("/dev/null", "no", "kernels"), quick: true, runsc: os.Getenv("UNDERSTUDY_TEST_RUNSC"),
		python: os.Getenv("UNDERSTUDY_TEST_PYTHON"), packages: os.Getenv("UNDERSTUDY_TEST_PACKAGES"),
	}
	if s.python == "" || s.packages == "" {
		unavailable(t, "UNDERSTUDY_TEST_PYTHON and UNDERSTUDY_TEST_PACKAGES are not set")
	}
	s.json = filepath.Join(s.dir, "results.json")
	r, err := run(t.Context(), s)
	if err != nil {
		t.Fatal(err)
	}
	want := []string{zygote, plain}
	if s.runsc == "" {
		unavailableNote(t, "UNDERSTUDY_TEST_RUNSC is not set: gVisor is not measured")
	} else {
		want = []string{zygote, gVisor, plain}
	}
	for _, name := range want {
		for _, what := range []string{
			"start on demand, back to back", "round trip of `x = 1`", "interrupt of an endless loop", "kill", "10th plot",
			"memory of a session, after pandas and a plot: its processes", "start, cell and kill, 8 at once",
		} {
			if s := r.find(what, name); s == nil || s.P50 <= 0 || s.P99 < s.P50 {
				t.Errorf("%s of %s is %+v", what, name, s)
			}
		}
	}
	for _, row := range summary {
		if strings.Contains(row.what, "32 at once") {
			continue // not in the short plan
		}
		if r.find(row.what, zygote) == nil {
			t.Errorf("the row %q of the README is not measured", row.what)
		}
	}
	for _, note := range r.Notes {
		if !strings.HasSuffix(note, wantOfTime) { // a busy machine is no fault
			t.Error("missing: ", note)
		}
	}
	text, err := os.ReadFile(s.json)
	if err != nil {
		t.Fatal(err)
	}
	var read report
	if err := json.Unmarshal(text, &read); err != nil {
		t.Fatal(err)
	}
	if len(read.Series) != len(r.Series) || len(read.Goals) == 0 {
		t.Errorf("%d series and %d goals were written, want %d and some", len(read.Series), len(read.Goals), len(r.Series))
	}
}

func TestTable(t *testing.T) {
	a, b := &column{name: "A"}, &column{name: "B"}
	r := &report{}
	r.product("A", "here")
	r.product("B", "NOT MEASURED: gone")
	r.add("start", a, "ms", slices.Repeat([]float64{1}, 99)...)
	r.add("start", a, "ms", 1234.5)
	r.add("memory", a, "MiB", 12.34)
	r.add("memory", b, "MiB", 0.123)
	r.finish(r.Time)
	var w strings.Builder
	r.write(&w)
	_, got, _ := strings.Cut(w.String(), "\n| p50")
	want := ` / p99 | A | B |
|---|---|---|
| start, ms | 1.00 / 1.00 | – |
| memory, MiB | 12.3 | 0.12 |

- A: here
- B: NOT MEASURED: gone
`
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}

// TestReadme finds every row of the README's table among what is measured.
func TestReadme(t *testing.T) {
	file := filepath.Join(t.TempDir(), "README.md")
	if err := os.WriteFile(file, []byte("before\n"+readmeBegin+"old\n"+readmeEnd+"after\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	r, a := &report{User: "root", Cgroups: "v2"}, &column{name: "A"}
	r.product("A", "a product")
	r.add(summary[0].what, a, "ms", 1, 2)
	r.finish(r.Time)
	if err := r.writeReadme(file); err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"before\n<!--", "| Session on demand | 1.00 / 2.00 ms |\n", "- A: a product.\n", "-->\nafter\n"} {
		if !strings.Contains(string(text), want) {
			t.Errorf("the file lacks %q:\n%s", want, text)
		}
	}
	if strings.Contains(string(text), "old") {
		t.Errorf("the old table is still there:\n%s", text)
	}
}

// unavailable skips a test that this machine cannot run, and fails it in CI.
func unavailable(t *testing.T, why string) {
	t.Helper()
	if os.Getenv("CI") == "true" {
		t.Fatalf("cannot run in CI: %s", why)
	}
	t.Skipf("SKIPPED: %s", why)
}

// unavailableNote says what a test leaves out, which is an error in CI.
func unavailableNote(t *testing.T, why string) {
	t.Helper()
	if os.Getenv("CI") == "true" {
		t.Errorf("cannot run in CI: %s", why)
	}
	t.Log(why)
}
