package main

import (
	"net/http"
	"os"
	"path/filepath"
	"testing"

	"github.com/understudy-dev/understudy"
)

// TestServeStopsMidRun stops a server while a run streams and its model says
// nothing more: the stream must be cut after the grace, and the run must go on
// at the next start.
func TestServeStopsMidRun(t *testing.T) {
	dir := t.TempDir()
	script := filepath.Join(dir, "hang.yaml")
	if err := os.WriteFile(script, []byte("scenes: [{when: {user: hang}, then: [{say: I begin, hang: true}]}]\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	args := []string{
		"--model", "rehearsal", "--rehearsal", script, "--data", filepath.Join(dir, "data"), "--shutdown-timeout", "50ms",
	}
	url, stop := start(t, program{getenv: noEnv}, args...)
	c := &client{base: url, key: "any", http: &http.Client{}}
	var assistant understudy.Assistant
	if err := c.call(t.Context(), http.MethodPost, "/assistants", object{"model": "m"}, &assistant); err != nil {
		t.Fatal(err)
	}
	body := object{
		"assistant_id": assistant.ID, "stream": true,
		"thread": object{"messages": []object{{"role": "user", "content": "hang"}}},
	}
	var run understudy.Run
	var cut error
	for event, err := range c.stream(t.Context(), "/threads/runs", body) {
		switch {
		case err != nil:
			cut = err
		case event.Name == understudy.EventRunCreated:
			decode(t, event.Data, &run)
		case event.Name == understudy.EventMessageDelta:
			if code := stop(); code != exitOK {
				t.Errorf("exit code %d, want %d", code, exitOK)
			}
		}
	}
	if cut == nil {
		t.Error("the stream ended as if the run was over")
	}

	url, _ = start(t, program{getenv: noEnv}, args...)
	c = &client{base: url, key: "any", http: &http.Client{}}
	path := "/threads/" + run.ThreadID + "/runs/" + run.ID
	if err := c.call(t.Context(), http.MethodGet, path, nil, &run); err != nil {
		t.Fatal(err)
	}
	if run.Status.Terminal() {
		t.Errorf("the run is %s after the restart", run.Status)
	}
	if err := c.call(t.Context(), http.MethodPost, path+"/cancel", nil, &run); err != nil {
		t.Errorf("the run cannot be cancelled: %v", err)
	}
}
