package main

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"
)

// TestBench runs a short benchmark of the built program, to see that it still
// measures.
func TestBench(t *testing.T) {
	dir := t.TempDir()
	server := filepath.Join(dir, "understudy")
	if out, err := exec.CommandContext(t.Context(), "go", "build", "-o", server, "../../cmd/understudy").CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	s := settings{
		server: server, dir: dir, json: filepath.Join(dir, "results.json"),
		clients: 2, load: 200 * time.Millisecond, runs: 10, streams: 3, tokens: 3,
	}
	if err := run(t.Context(), s); err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(s.json)
	if err != nil {
		t.Fatal(err)
	}
	var r report
	if err := json.Unmarshal(text, &r); err != nil {
		t.Fatal(err)
	}
	if r.Machine.Processors == 0 || r.Machine.FsyncMS <= 0 {
		t.Errorf("machine is %+v", r.Machine)
	}
	if want := 15; len(r.Results) < want {
		t.Errorf("%d results, want %d or more", len(r.Results), want)
	}
	for _, line := range r.Results {
		if line.Value <= 0 {
			t.Errorf("%s is %v %s", line.What, line.Value, line.Unit)
		}
	}
}
