// Package crash kills the server while runs are under way, and looks for runs
// that are lost or stuck, and files of code sessions that are lost or torn
// afterwards.
package crash

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/understudy-dev/understudy"
	"github.com/understudy-dev/understudy/internal/model/modeltest"
)

// runs is how many runs are under way when the server is killed.
const runs = 12

// upstream answers each conversation's first turn with a few words or a call,
// and then hangs until it is told to go on.
type upstream struct {
	begun atomic.Int32
	open  chan struct{} // closed: answer at once
}

func (u *upstream) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if strings.HasSuffix(r.URL.Path, "/models") {
		fmt.Fprint(w, `{"object":"list","data":[]}`)
		return
	}
	_, _ = io.Copy(io.Discard, r.Body) // the question does not matter
	reply := modeltest.Text("The ", "answer ", "is ", "42.")
	w.Header().Set("Content-Type", "text/event-stream")
	for i, piece := range reply.Body {
		if i == 2 {
			u.begun.Add(1)
			select {
			case <-u.open:
			case <-r.Context().Done():
				return
			}
		}
		fmt.Fprint(w, piece)
		w.(http.Flusher).Flush()
	}
}

// server is a running server process.
type server struct {
	t    testing.TB
	url  string
	kill func()
}

func build(t testing.TB) string {
	t.Helper()
	program := filepath.Join(t.TempDir(), "understudy")
	out, err := exec.Command("go", "build", "-o", program, "github.com/understudy-dev/understudy/cmd/understudy").CombinedOutput()
	if err != nil {
		t.Fatalf("build: %v\n%s", err, out)
	}
	return program
}

func start(t testing.TB, program, data, upstreamURL string, flags ...string) *server {
	t.Helper()
	ready := filepath.Join(t.TempDir(), "ready")
	cmd := exec.CommandContext(t.Context(), program, append([]string{
		"serve", "--listen", "127.0.0.1:0", "--data", data, "--ready-file", ready, "--no-setup",
	}, flags...)...)
	cmd.Env = append(os.Environ(), "OPENAI_BASE_URL="+upstreamURL+"/v1", "OPENAI_API_KEY=none")
	var log bytes.Buffer
	cmd.Stderr = &log
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	s := &server{t: t, kill: func() {
		_ = cmd.Process.Kill() // it may be gone
		_ = cmd.Wait()         // its exit status is "killed"
	}}
	t.Cleanup(func() {
		s.kill()
		if t.Failed() {
			t.Logf("server log:\n%s", log.String())
		}
	})
	waitFor(t, "the server", func() bool {
		b, err := os.ReadFile(ready)
		s.url = strings.TrimSpace(string(b))
		return err == nil && s.url != ""
	})
	return s
}

// waitFor polls, because what is waited for happens in other processes.
func waitFor(t testing.TB, what string, done func() bool) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for !done() {
		select {
		case <-tick.C:
		case <-ctx.Done():
			t.Fatalf("%s: not within 30 s", what)
		}
	}
}

// call does one request and decodes the answer.
func (s *server) call(method, path string, body, answer any) {
	s.t.Helper()
	var b bytes.Buffer
	if body != nil {
		if err := json.NewEncoder(&b).Encode(body); err != nil {
			s.t.Fatal(err)
		}
	}
	req, err := http.NewRequestWithContext(s.t.Context(), method, s.url+"/v1"+path, &b)
	if err != nil {
		s.t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer test")
	req.Header.Set("OpenAI-Beta", "assistants=v2")
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		s.t.Fatal(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil || resp.StatusCode != http.StatusOK {
		s.t.Fatalf("%s %s: %s, %v\n%s", method, path, resp.Status, err, text)
	}
	if err := json.Unmarshal(text, answer); err != nil {
		s.t.Fatalf("%s %s: %v\n%s", method, path, err, text)
	}
}

// TestKilledServerLosesNothing kills the server while its runs stream, starts it
// again on the same folder, and expects every run to be completed with one
// whole answer, and every thread to be free.
func TestKilledServerLosesNothing(t *testing.T) {
	u := &upstream{open: make(chan struct{})}
	model := httptest.NewServer(u)
	defer model.Close()
	program, data := build(t), t.TempDir()

	s := start(t, program, data, model.URL)
	var assistant understudy.Assistant
	s.call("POST", "/assistants", map[string]any{"model": "gpt-4o", "instructions": "Answer."}, &assistant)
	all := make([]understudy.Run, runs)
	for i := range all {
		s.call("POST", "/threads/runs", map[string]any{"assistant_id": assistant.ID,
			"thread": map[string]any{"messages": []any{map[string]any{"role": "user", "content": "question"}}}}, &all[i])
	}
	waitFor(t, "all runs to stream", func() bool { return u.begun.Load() == runs })
	var queued understudy.Run // nobody may have begun with this one
	s.call("POST", "/threads/runs", map[string]any{"assistant_id": assistant.ID}, &queued)
	all = append(all, queued)
	s.kill()
	close(u.open)

	s = start(t, program, data, model.URL)
	for _, r := range all {
		waitFor(t, "run "+r.ID, func() bool {
			s.call("GET", "/threads/"+r.ThreadID+"/runs/"+r.ID, nil, &r)
			return r.Status.Terminal()
		})
		if r.Status != understudy.RunCompleted {
			t.Errorf("run %s is %s (%v), want completed", r.ID, r.Status, r.LastError)
		}
		var messages understudy.List[understudy.Message]
		s.call("GET", "/threads/"+r.ThreadID+"/messages?run_id="+r.ID, nil, &messages)
		if len(messages.Data) != 1 || messages.Data[0].Content[0].Text.Value != "The answer is 42." {
			t.Errorf("run %s wrote %+v, want one whole answer", r.ID, messages.Data)
		}
		var again understudy.Message
		s.call("POST", "/threads/"+r.ThreadID+"/messages", map[string]any{"role": "user", "content": "thanks"}, &again)
	}
}
