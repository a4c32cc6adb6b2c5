package main

import (
	"context"
	"errors"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/understudy-dev/understudy"
)

// hanging writes a script of a model that says a few words and then nothing more.
func hanging(t *testing.T, dir string) (script string) {
	t.Helper()
	script = filepath.Join(dir, "hang.yaml")
	if err := os.WriteFile(script, []byte("scenes: [{when: {user: hang}, then: [{say: I begin, hang: true}]}]\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	return script
}

// hangingRun returns the body that creates a run which hangs.
func hangingRun(t *testing.T, c *client) object {
	t.Helper()
	var assistant understudy.Assistant
	if err := c.call(t.Context(), http.MethodPost, "/assistants", object{"model": "m"}, &assistant); err != nil {
		t.Fatal(err)
	}
	return object{"assistant_id": assistant.ID, "thread": object{"messages": []object{{"role": "user", "content": "hang"}}}}
}

// TestServeStopsMidRun stops a server while a run streams and its model says
// nothing more: the stream must end with an error after the grace, and the run
// must go on at the next start.
func TestServeStopsMidRun(t *testing.T) {
	dir := t.TempDir()
	args := []string{
		"--model", "rehearsal", "--rehearsal", hanging(t, dir), "--data", filepath.Join(dir, "data"), "--shutdown-timeout", "50ms",
	}
	url, stop := start(t, program{getenv: noEnv}, args...)
	c := &client{base: url, key: "any", http: &http.Client{}}
	body := hangingRun(t, c)
	body["stream"] = true
	var run understudy.Run
	var cut error
	var last understudy.Event
	for event, err := range c.stream(t.Context(), "/threads/runs", body) {
		if err != nil {
			cut = err
			break
		}
		switch last = event; event.Name {
		case understudy.EventRunCreated:
			decode(t, event.Data, &run)
		case understudy.EventMessageDelta:
			if code := stop(); code != exitOK {
				t.Errorf("exit code %d, want %d", code, exitOK)
			}
		}
	}
	if cut == nil {
		t.Error("the stream ended as if the run was over")
	}
	if last.Name != "error" || !strings.Contains(string(last.Data), "the server is shutting down") {
		t.Errorf("the last event is %s: %s", last.Name, last.Data)
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

// TestServeStopsHeldPoll stops a server while a poll is held: it must be answered
// at once, however long open requests would get.
func TestServeStopsHeldPoll(t *testing.T) {
	dir := t.TempDir()
	cfg, err := load(t, "", nil, "--listen", "127.0.0.1:0", "--model", "rehearsal", "--rehearsal", hanging(t, dir),
		"--data", filepath.Join(dir, "data"), "--no-setup", "--shutdown-timeout", "1h")
	if err != nil {
		t.Fatal(err)
	}
	s, err := program{getenv: noEnv, stderr: io.Discard}.openServer(t.Context(), cfg, io.Discard)
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	answer := s.handler
	s.handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("X-Stainless-Poll-Helper") != "" {
			stop()
		}
		answer.ServeHTTP(w, r)
	})
	served := make(chan error, 1)
	ready := make(chan struct{})
	go func() { served <- s.serve(ctx, func() error { close(ready); return nil }) }()
	<-ready

	c := &client{base: s.url(), key: "any", http: &http.Client{}}
	body := hangingRun(t, c)
	var run understudy.Run
	if err := c.call(t.Context(), http.MethodPost, "/threads/runs", body, &run); err != nil {
		t.Fatal(err)
	}
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, c.base+"/v1/threads/"+run.ThreadID+"/runs/"+run.ID, nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer any")
	req.Header.Set("OpenAI-Beta", "assistants=v2")
	req.Header.Set("X-Stainless-Poll-Helper", "true")
	begun := time.Now()
	resp, err := c.http.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	if took := time.Since(begun); resp.StatusCode != http.StatusOK || took > 10*time.Second {
		t.Errorf("the poll was answered with %s after %v", resp.Status, took)
	}
	if err := errors.Join(<-served, s.close()); err != nil {
		t.Error(err)
	}
}
