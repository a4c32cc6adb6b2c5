package api

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"testing"
	"testing/synctest"
	"time"

	"github.com/understudy-dev/understudy"
)

// pollRequest is the GET of a run that an SDK's poll helper makes.
func (h *harness) pollRequest(path string, headers ...string) *http.Request {
	h.t.Helper()
	r := h.request("GET", path, nil)
	r.Header.Set("X-Stainless-Poll-Helper", "true")
	for i := 0; i < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	return r
}

// TestHeldPoll has something happen to a run 3 seconds after a poll began, and
// says when the poll is answered, with which status, and whether it is to be
// repeated.
func TestHeldPoll(t *testing.T) {
	const prompt, end, timeout = 0, 3 * time.Second, maxHold
	for name, tc := range map[string]struct {
		header []string // in place of the helper's, if the first is "-"
		before func(h *harness, path, id string)
		then   func(h *harness, path, id string, stop func())
		after  time.Duration
		status string
		again  bool
	}{
		"completes":       {then: func(h *harness, _, id string, _ func()) { h.execute(id, complete) }, after: end, status: "completed"},
		"requires action": {then: func(h *harness, _, id string, _ func()) { h.execute(id, demandOutput) }, after: end, status: "requires_action"},
		"only begins": {then: func(h *harness, _, id string, _ func()) {
			if _, _, err := h.db.ClaimRun(context.Background(), id, "test", time.Hour); err != nil {
				h.t.Error(err)
			}
		}, after: timeout, status: "in_progress", again: true},
		"is to be cancelled": {then: func(h *harness, path, _ string, _ func()) { h.do("POST", path+"/cancel", "") }, after: timeout, status: "cancelling", again: true},
		"nothing happens":    {after: timeout, status: "queued", again: true},
		"impatient client":   {header: []string{"X-Stainless-Read-Timeout", "2.0"}, after: 1500 * time.Millisecond, status: "queued", again: true},
		"impatient Node.js":  {header: []string{"X-Stainless-Timeout", "4"}, after: 3 * time.Second, status: "queued", again: true},
		"patient client":     {header: []string{"X-Stainless-Read-Timeout", "600"}, after: timeout, status: "queued", again: true},
		"odd timeout":        {header: []string{"X-Stainless-Read-Timeout", "None"}, after: timeout, status: "queued", again: true},
		"no time at all":     {header: []string{"X-Stainless-Timeout", "0"}, after: prompt, status: "queued", again: true},
		"the server stops":   {then: func(_ *harness, _, _ string, stop func()) { stop() }, after: end, status: "queued", again: true},
		"no poll helper":     {header: []string{"X-Stainless-Poll-Helper", ""}, after: prompt, status: "queued", again: true},
		"over before":        {before: func(h *harness, _, id string) { h.execute(id, complete) }, after: prompt, status: "completed"},
		"another round": {
			before: func(h *harness, path, id string) {
				h.execute(id, demandOutput)
				h.must("POST", path+"/submit_tool_outputs", `{"tool_outputs":[{"tool_call_id":"call_a","output":"x"}]}`)
			},
			then: func(h *harness, _, id string, _ func()) { h.execute(id, complete) }, after: end, status: "completed",
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				stopping := make(chan struct{})
				h := newHarness(t, func(c *Config) { c.Stopping = stopping })
				path, _, id := h.newRun("/v1")
				if tc.before != nil {
					tc.before(h, path, id)
				}
				if tc.then != nil {
					time.AfterFunc(end, func() { tc.then(h, path, id, func() { close(stopping) }) })
				}
				start := time.Now()
				w := h.serve(h.pollRequest(path, tc.header...))
				if got := time.Since(start); got != tc.after {
					t.Errorf("answered after %v, want %v", got, tc.after)
				}
				if got := decodeObject(t, w.Body.Bytes())["status"]; got != tc.status {
					t.Errorf("status: got %v, want %s", got, tc.status)
				}
				if again := w.Header().Get("Openai-Poll-After-Ms") != ""; again != tc.again {
					t.Errorf("poll again: got %t, want %t", again, tc.again)
				}
			})
		})
	}
}

// TestHeldPollOfDeletedThread shows that a poll does not wait for what is no more.
func TestHeldPollOfDeletedThread(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHarness(t, nil)
		path, thread, _ := h.newRun("/v1")
		time.AfterFunc(time.Second, func() { h.must("DELETE", "/v1/threads/"+thread, "") })
		start := time.Now()
		w := h.serve(h.pollRequest(path))
		if took := time.Since(start); w.Code != http.StatusNotFound || took != time.Second {
			t.Errorf("got %d after %v: %s", w.Code, took, w.Body)
		}
	})
}

// TestClientLeavesPoll shows that a client that goes away ends its poll.
func TestClientLeavesPoll(t *testing.T) {
	h := newHarness(t, nil)
	path, _, _ := h.newRun("/v1")
	began, ended := make(chan struct{}), make(chan struct{})
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		defer close(ended)
		close(began)
		h.handler.ServeHTTP(w, r)
	}))
	defer srv.Close()
	ctx, leave := context.WithCancel(t.Context())
	defer leave()
	r, err := http.NewRequestWithContext(ctx, "GET", srv.URL+path, nil)
	if err != nil {
		t.Fatal(err)
	}
	r.Header = h.pollRequest(path).Header
	go func() {
		<-began
		leave()
	}()
	if res, err := srv.Client().Do(r); err == nil {
		t.Errorf("the poll was answered: %s", res.Status)
		res.Body.Close()
	}
	<-ended
}

// TestHeldPollOfVectorStore shows that polls of a store, a batch and a file of it
// last until the engine is through with what they ask for.
func TestHeldPollOfVectorStore(t *testing.T) {
	for _, what := range []string{"", "/file_batches/%[2]s", "/files/%[1]s"} {
		synctest.Test(t, func(t *testing.T) {
			h := newHarness(t, nil)
			ctx := t.Context()
			ids := make([]string, 2)
			for i := range ids {
				f := &understudy.File{ID: understudy.NewID(understudy.PrefixFile), Object: "file", Filename: "a.txt"}
				if err := h.db.CreateFile(ctx, f); err != nil {
					t.Fatal(err)
				}
				ids[i] = f.ID
			}
			store := "/v1/vector_stores/" + h.must("POST", "/v1/vector_stores", "{}")["id"].(string)
			batch := h.must("POST", store+"/file_batches", `{"file_ids":["`+ids[0]+`","`+ids[1]+`"]}`)["id"].(string)
			for i := range ids {
				time.AfterFunc(time.Duration(i+1)*time.Second, func() {
					c, _, _, err := h.db.ClaimIngestion(ctx, "test", time.Minute)
					if err == nil {
						err = h.db.FinishIngestion(ctx, c, 1)
					}
					if err != nil {
						t.Error(err)
					}
				})
			}
			start := time.Now()
			w := h.serve(h.pollRequest(store + fmt.Sprintf(what+"%.0[1]s%.0[2]s", ids[1], batch)))
			if took := time.Since(start); took != 2*time.Second || decodeObject(t, w.Body.Bytes())["status"] != "completed" || w.Header().Get("Openai-Poll-After-Ms") != "" {
				t.Errorf("%s: answered after %v with %d %s", what, took, w.Code, w.Body)
			}
		})
	}
}
