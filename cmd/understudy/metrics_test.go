package main

import (
	"bufio"
	"io"
	"net/http"
	"os"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/understudy-dev/understudy"
	"github.com/understudy-dev/understudy/internal/sandbox"
)

// TestMetrics has a server run code and reads its metrics. The assistant asks for
// more than the server has, which its user is told.
func TestMetrics(t *testing.T) {
	url, _ := start(t, program{getenv: noEnv}, append([]string{"--model", "rehearsal"}, realPython(t)...)...)
	before := scrape(t, url)
	c := &client{base: url, key: "any", http: &http.Client{}}
	var assistant understudy.Assistant
	body := object{"model": "m", "tools": []object{codeInterpreter()}, "metadata": object{"code_interpreter.memory_limit": "64g"}}
	if err := c.call(t.Context(), http.MethodPost, "/assistants", body, &assistant); err != nil {
		t.Fatal(err)
	}
	var told strings.Builder
	for event, err := range c.stream(t.Context(), "/threads/runs", object{
		"assistant_id": assistant.ID, "stream": true,
		"thread": object{"messages": []object{{"role": "user", "content": "Please solve 3x + 11 = 14."}}},
	}) {
		if err != nil {
			t.Fatal(err)
		}
		told.Write(event.Data)
	}
	if !strings.Contains(told.String(), "It allows: at most 1024 MiB of memory.") {
		t.Error("nobody told the user that there is no such memory")
	}
	after := scrape(t, url)
	tick := time.NewTicker(10 * time.Millisecond) // the engine counts a run after its last event
	defer tick.Stop()
	for ; after["understudy_runs_executing"] > 0; after = scrape(t, url) {
		select {
		case <-tick.C:
		case <-t.Context().Done():
			t.Fatal("the run does not end")
		}
	}
	for _, c := range []struct {
		series string
		change float64
	}{
		{`understudy_runs_total{status="completed"}`, 1},
		{`understudy_sandbox_sessions{state="live"}`, 1},
		{`understudy_sandbox_sessions_started_total`, 1},
		{`understudy_sandbox_cells_total{status="ok"}`, 1},
		{`understudy_sandbox_cell_seconds_count`, 1},
		{`understudy_sandbox_cell_seconds_bucket{le="+Inf"}`, 1},
		{`understudy_sandbox_cell_seconds_bucket{le="600"}`, 1},
		{`understudy_sandbox_restarts_total`, 0},
	} {
		if got := after[c.series] - before[c.series]; got != c.change {
			t.Errorf("%s changed by %v, want %v", c.series, got, c.change)
		}
	}
	handed := after[`understudy_sandbox_handover_seconds_count{source="pool"}`] + after[`understudy_sandbox_handover_seconds_count{source="demand"}`]
	if sum, most := after["understudy_sandbox_memory_bytes"], after["understudy_sandbox_memory_max_bytes"]; handed != 1 || most <= 0 || sum < most {
		t.Errorf("%v sessions handed over; memory %v, of one %v", handed, sum, most)
	}
}

// TestMetricsAreDocumented checks that every family is in the documentation.
func TestMetricsAreDocumented(t *testing.T) {
	doc, err := os.ReadFile("../../docs/configuration.md")
	if err != nil {
		t.Fatal(err)
	}
	var w metricsWriter
	w.sandbox(sandbox.Stats{}, sandbox.Usage{})
	families := regexp.MustCompile(`(?m)^# TYPE ([a-z_]+) `).FindAllStringSubmatch(w.String(), -1)
	if len(families) == 0 {
		t.Fatal("there are none")
	}
	for _, f := range families {
		if !regexp.MustCompile("`" + f[1] + "[`{]").Match(doc) {
			t.Errorf("%s is not documented", f[1])
		}
	}
}

// scrape reads the metrics as Prometheus does: every sample follows the type of its
// family, and none is there twice.
func scrape(t *testing.T, url string) map[string]float64 {
	t.Helper()
	resp, err := http.Get(url + "/metrics")
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil || resp.StatusCode != http.StatusOK || !strings.HasPrefix(resp.Header.Get("Content-Type"), "text/plain; version=0.0.4") {
		t.Fatalf("%s, %v: %s", resp.Status, err, text)
	}
	comment := regexp.MustCompile(`^# (HELP ([a-z_]+) .+|TYPE ([a-z_]+) (counter|gauge|histogram))$`)
	sample := regexp.MustCompile(`^(([a-z_]+?)(?:_bucket|_sum|_count)?(?:\{[a-z_]+="[^"]*"(?:,[a-z_]+="[^"]*")*\})?) ([0-9.]+)$`)
	series, family := map[string]float64{}, ""
	for lines := bufio.NewScanner(strings.NewReader(string(text))); lines.Scan(); {
		if m := comment.FindStringSubmatch(lines.Text()); m != nil {
			family = m[2] + m[3]
			continue
		}
		m := sample.FindStringSubmatch(lines.Text())
		if m == nil || m[2] != family {
			t.Fatalf("not a sample of %s: %q", family, lines.Text())
		}
		if _, twice := series[m[1]]; twice {
			t.Errorf("%s is there twice", m[1])
		}
		if series[m[1]], err = strconv.ParseFloat(m[3], 64); err != nil {
			t.Error(err)
		}
	}
	return series
}
