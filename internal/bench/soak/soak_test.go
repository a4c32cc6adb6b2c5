package main

import (
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// TestSoak leads a few sessions, to see that the soak still works and finds nothing.
func TestSoak(t *testing.T) {
	dir := t.TempDir()
	s := settings{
		duration: 4 * time.Second, sessions: 20, workers: 3, seed: 2, dir: dir, driver: "zygote", lifetime: 2 * time.Second,
		python: os.Getenv("UNDERSTUDY_TEST_PYTHON"), packages: os.Getenv("UNDERSTUDY_TEST_PACKAGES"),
		report: filepath.Join(dir, "soak.md"),
	}
	if s.python == "" || s.packages == "" {
		if os.Getenv("CI") == "true" {
			t.Fatal("cannot run in CI: UNDERSTUDY_TEST_PYTHON and UNDERSTUDY_TEST_PACKAGES are not set")
		}
		t.Skip("SKIPPED: UNDERSTUDY_TEST_PYTHON and UNDERSTUDY_TEST_PACKAGES are not set")
	}
	r, err := run(t.Context(), s)
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range r.judge() {
		if !f.Good && f.What != "sessions" { // a busy machine leads fewer
			t.Error(f.What, ": ", f.Said, "\n", r.verdict())
		}
	}
	if r.Sessions == 0 {
		t.Error("no session was led")
	}
	if len(r.Samples) == 0 || r.Samples[0].Server <= 0 || r.Samples[0].Maker <= r.Samples[0].Server || r.Before.Groups == 0 && strings.Contains(r.Isolation, "cgroups=v1") {
		t.Errorf("samples are %+v, at rest there was %+v", r.Samples, r.Before)
	}
	if err := r.write(s.report); err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(s.report)
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"| left behind by sessions | nothing | good |", "](soak.svg)", "driver zygote"} {
		if !strings.Contains(string(text), want) {
			t.Errorf("the report lacks %q:\n%s", want, text)
		}
	}
}

func TestGrowth(t *testing.T) {
	var flat, rising []sample
	for i := range 100 {
		noise := float64(i%7) - 3
		flat = append(flat, sample{Seconds: float64(i), Server: 100 + noise + max(0, 50-float64(i))}) // warms up first
		rising = append(rising, sample{Seconds: float64(i), Server: 100 + noise + float64(i)/2})
	}
	server := func(s sample) float64 { return s.Server }
	if got := growth(flat, server); math.Abs(got) > 1 {
		t.Errorf("what is flat grew by %v", got)
	}
	if got, want := growth(rising, server), 24.5; math.Abs(got-want) > 1 {
		t.Errorf("growth is %v, want about %v", got, want)
	}
}

func TestJudge(t *testing.T) {
	leak := &soak{Wanted: 10, Sessions: 10, After: residue{Mounts: 1}}
	for name, s := range map[string]*soak{"fewer sessions": {Wanted: 10, Sessions: 9}, "a leak": leak, "a surprise": {Surprises: []string{"x"}}} {
		if s.good() {
			t.Errorf("%s is taken for good:\n%s", name, s.verdict())
		}
	}
	if s := (&soak{Wanted: 10, Sessions: 11}); !s.good() {
		t.Error(s.verdict())
	}
}

func TestPick(t *testing.T) {
	seen := map[string]int{}
	for n := range uint64(1000) {
		seen[pick(lives, n).name]++
	}
	for _, l := range lives {
		if seen[l.name] < l.weight {
			t.Errorf("%s was led %d times", l.name, seen[l.name])
		}
	}
}
