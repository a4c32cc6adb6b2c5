package api

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"iter"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"
	"testing/iotest"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/understudy-dev/understudy"
	"github.com/understudy-dev/understudy/internal/store"
)

// newRun creates an assistant with function f, a thread and a run, and returns
// the path of the run.
func (h *harness) newRun(prefix string) (path, threadID, runID string) {
	h.t.Helper()
	asst := h.must("POST", prefix+"/assistants", `{"model":"m","tools":[{"type":"function","function":{"name":"f"}}]}`)["id"].(string)
	run := h.must("POST", prefix+"/threads/runs", `{"assistant_id":"`+asst+`","thread":{"messages":[{"role":"user","content":"x"}]}}`)
	threadID, runID = run["thread_id"].(string), run["id"].(string)
	return prefix + "/threads/" + threadID + "/runs/" + runID, threadID, runID
}

// execute lets do write to a run as an engine would.
func (h *harness) execute(runID string, do func(*store.RunTx) error) {
	h.t.Helper()
	c, _, err := h.db.ClaimRun(context.Background(), runID, "test", time.Minute)
	if err == nil {
		err = h.db.Commit(context.Background(), c, do)
	}
	if err != nil {
		h.t.Error(err)
	}
}

// demandOutput makes a run wait for the output of call_a of function f.
func demandOutput(x *store.RunTx) error {
	r := x.Run()
	step := &understudy.Step{
		ID: understudy.NewID(understudy.PrefixStep), Object: "thread.run.step", CreatedAt: 1, RunID: r.ID, AssistantID: r.AssistantID, ThreadID: r.ThreadID,
		Type: understudy.StepToolCalls, Status: understudy.StepInProgress, ExpiresAt: r.ExpiresAt,
		StepDetails: understudy.StepDetails{Type: understudy.StepToolCalls, ToolCalls: []understudy.ToolCall{
			{ID: "call_a", Type: understudy.ToolFunction, Function: &understudy.FunctionCall{Name: "f", Arguments: "{"}}}},
	}
	if err := x.AddStep(step); err != nil {
		return err
	}
	return x.Become(understudy.RunRequiresAction, func(r *understudy.Run) {
		r.RequiredAction = &understudy.RequiredAction{Type: "submit_tool_outputs", SubmitToolOutputs: understudy.SubmitToolOutputs{ToolCalls: []understudy.RequiredCall{
			{ID: "call_a", Type: understudy.ToolFunction, Function: understudy.RequiredFunction{Name: "f", Arguments: "{"}}}}}
	})
}

func complete(x *store.RunTx) error { return x.Become(understudy.RunCompleted, nil) }

func TestPollHeader(t *testing.T) {
	h := newHarness(t, nil)
	path, _, id := h.newRun("/v1")
	if got := h.do("GET", path, "").Header().Get("Openai-Poll-After-Ms"); got != pollAfter {
		t.Errorf("queued: got %q, want %q", got, pollAfter)
	}
	h.execute(id, complete)
	if got := h.do("GET", path, "").Header().Get("Openai-Poll-After-Ms"); got != "" {
		t.Errorf("completed: got %q, want none", got)
	}
}

func TestSubmitToolOutputs(t *testing.T) {
	forEachDialect(t, func(t *testing.T, prefix string) {
		h := newHarness(t, nil)
		path, _, id := h.newRun(prefix)
		h.execute(id, demandOutput)
		run := h.must("GET", path, "")
		action := run["required_action"].(jsonObject)["submit_tool_outputs"].(jsonObject)["tool_calls"].([]any)[0]
		if want := any(jsonObject{"id": "call_a", "type": "function", "function": jsonObject{"name": "f", "arguments": "{"}}); !cmp.Equal(want, action) {
			t.Errorf("required call: got %v, want %v", action, want)
		}
		for body, want := range map[string]string{
			`{}`:                                "Missing required parameter: 'tool_outputs'.",
			`{"tool_outputs":[]}`:               "Expected tool outputs for call_ids ['call_a'], got []",
			`{"tool_outputs":[{"output":"x"}]}`: "Expected tool outputs for call_ids ['call_a'], got ['']",
			`{"tool_outputs":[{"tool_call_id":"call_b"}]}`:             "Expected tool outputs for call_ids ['call_a'], got ['call_b']",
			`{"tool_outputs":[{"tool_call_id":"call_a","output":{}}]}`: "Invalid type for 'tool_outputs[0].output': expected a string, but got an object instead.",
		} {
			w := h.do("POST", path+"/submit_tool_outputs", body)
			if got := decodeObject(t, w.Body.Bytes())["error"].(jsonObject)["message"]; w.Code != http.StatusBadRequest || got != want {
				t.Errorf("%s: got %d %q, want %q", body, w.Code, got, want)
			}
		}
		run = h.must("POST", path+"/submit_tool_outputs", `{"tool_outputs":[{"tool_call_id":"call_a","output":null}],"stream":false}`)
		if run["status"] != "queued" || run["required_action"] != nil || len(h.engine.started) != 2 {
			t.Errorf("after submission: got %v", run)
		}
		steps := h.must("GET", path+"/steps?include[]="+includeResults, "")["data"].([]any)
		step := steps[0].(jsonObject)
		output := step["step_details"].(jsonObject)["tool_calls"].([]any)[0].(jsonObject)["function"].(jsonObject)["output"]
		if len(steps) != 1 || output != "" || step["status"] != "completed" {
			t.Errorf("steps: got %v", steps)
		}
		if got := h.must("GET", path+"/steps/"+step["id"].(string), ""); !cmp.Equal(got, step) {
			t.Errorf("step: got %v, want %v", got, step)
		}
		if list := h.must("GET", strings.TrimSuffix(path, "/"+id), ""); len(list["data"].([]any)) != 1 {
			t.Errorf("runs: got %v", list)
		}
	})
}

func TestCancelTerminalRun(t *testing.T) {
	h := newHarness(t, nil)
	path, _, id := h.newRun("/v1")
	h.execute(id, complete)
	w := h.do("POST", path+"/cancel", "")
	const want = `{"error":{"message":"Cannot cancel run with status 'completed'.","type":"invalid_request_error","param":null,"code":null}}`
	if got := compact(t, w.Body.Bytes()); w.Code != http.StatusBadRequest || got != want {
		t.Errorf("got %d %s, want %s", w.Code, got, want)
	}
}

// eventNames returns the names of the events in a stream, whose framing it
// checks.
func eventNames(t *testing.T, stream string) []string {
	t.Helper()
	rest, terminated := strings.CutSuffix(stream, "\n\n")
	if !terminated {
		t.Fatalf("stream does not end with an empty line: %q", stream)
	}
	var names []string
	for frame := range strings.SplitSeq(rest, "\n\n") {
		lines := strings.Split(frame, "\n")
		if len(lines) != 2 || !strings.HasPrefix(lines[0], "event: ") || !strings.HasPrefix(lines[1], "data: ") {
			t.Fatalf("malformed frame %q", frame)
		}
		names = append(names, strings.TrimPrefix(lines[0], "event: "))
	}
	return names
}

func TestStreams(t *testing.T) {
	forEachDialect(t, func(t *testing.T, prefix string) {
		h := newHarness(t, nil)
		round := demandOutput
		h.engine.onStart = func(id string) { h.execute(id, round) }
		asst := h.must("POST", prefix+"/assistants", `{"model":"m","tools":[{"type":"function","function":{"name":"f"}}]}`)["id"].(string)
		w := h.do("POST", prefix+"/threads/runs", `{"assistant_id":"`+asst+`","stream":true,"thread":{"messages":[{"role":"user","content":"x"}]}}`)
		for name, want := range map[string]string{"Content-Type": "text/event-stream; charset=utf-8", "X-Accel-Buffering": "no", "Cache-Control": "no-cache"} {
			if got := w.Header().Get(name); got != want {
				t.Errorf("%s: got %q, want %q", name, got, want)
			}
		}
		want := []string{"thread.created", "thread.run.created", "thread.run.queued", "thread.run.in_progress",
			"thread.run.step.created", "thread.run.step.in_progress", "thread.run.requires_action", "done"}
		if diff := cmp.Diff(want, eventNames(t, w.Body.String())); diff != "" {
			t.Errorf("first round (-want +got):\n%s", diff)
		}
		if !strings.HasSuffix(w.Body.String(), "\n\nevent: done\ndata: [DONE]\n\n") {
			t.Errorf("stream ends with %q", w.Body.String()[max(0, w.Body.Len()-60):])
		}
		first, _, _ := strings.Cut(w.Body.String(), "\n\n")
		thread := decodeObject(t, []byte(strings.TrimPrefix(first, "event: thread.created\ndata: ")))["id"].(string)
		id := h.engine.started[0]

		round = complete
		w = h.do("POST", prefix+"/threads/"+thread+"/runs/"+id+"/submit_tool_outputs", `{"tool_outputs":[{"tool_call_id":"call_a","output":"1"}],"stream":true}`)
		want = []string{"thread.run.step.completed", "thread.run.queued", "thread.run.in_progress", "thread.run.completed", "done"}
		if diff := cmp.Diff(want, eventNames(t, w.Body.String())); diff != "" {
			t.Errorf("second round (-want +got):\n%s", diff)
		}

		w = h.do("POST", prefix+"/threads/"+thread+"/runs", `{"assistant_id":"`+asst+`","stream":true}`)
		want = []string{"thread.run.created", "thread.run.queued", "thread.run.in_progress", "thread.run.completed", "done"}
		if diff := cmp.Diff(want, eventNames(t, w.Body.String())); diff != "" {
			t.Errorf("second run (-want +got):\n%s", diff)
		}
	})
}

// TestStreamErrorsBeforeItBegins shows that a run that cannot be created is
// plain JSON also for those who want a stream.
func TestStreamErrorsBeforeItBegins(t *testing.T) {
	h := newHarness(t, nil)
	w := h.do("POST", "/v1/threads/thread_x/runs", `{"assistant_id":"asst_x","stream":true}`)
	if w.Code != http.StatusNotFound || w.Header().Get("Content-Type") != "application/json" {
		t.Errorf("got %d %s %s", w.Code, w.Header().Get("Content-Type"), w.Body)
	}
}

// TestStreamOfDeletedThread shows the end of a stream that cannot go on.
func TestStreamOfDeletedThread(t *testing.T) {
	h := newHarness(t, nil)
	h.engine.onStart = func(id string) {
		c, _, err := h.db.ClaimRun(context.Background(), id, "test", time.Minute)
		if err != nil {
			t.Error(err)
		}
		if err := h.db.DeleteThread(context.Background(), c.ThreadID); err != nil {
			t.Error(err)
		}
	}
	asst := h.must("POST", "/v1/assistants", `{"model":"m","instructions":"i"}`)["id"].(string)
	w := h.do("POST", "/v1/threads/runs", `{"assistant_id":"`+asst+`","stream":true}`)
	names := eventNames(t, w.Body.String())
	if names[len(names)-1] != "error" || !strings.Contains(w.Body.String(), `event: error`+"\n"+`data: {"error":{"message":"The run no longer exists: its thread was deleted."`) {
		t.Errorf("got %s", w.Body)
	}
}

// TestClientLeavesStream shows that a client that goes away ends the stream and
// not the run.
func TestClientLeavesStream(t *testing.T) {
	h := newHarness(t, nil)
	ended := make(chan struct{})
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		defer close(ended)
		h.handler.ServeHTTP(w, r)
	}))
	defer srv.Close()
	asst := h.must("POST", "/v1/assistants", `{"model":"m","instructions":"i"}`)["id"].(string)
	ctx, leave := context.WithCancel(t.Context())
	defer leave()
	r, err := http.NewRequestWithContext(ctx, "POST", srv.URL+"/v1/threads/runs", strings.NewReader(`{"assistant_id":"`+asst+`","stream":true}`))
	if err != nil {
		t.Fatal(err)
	}
	r.Header = h.request("POST", "/v1/threads/runs", nil).Header
	res, err := srv.Client().Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	line, err := bufio.NewReader(res.Body).ReadString('\n')
	if err != nil || line != "event: thread.created\n" {
		t.Fatalf("first line: got %q, %v", line, err)
	}
	leave()
	<-ended
	id := h.engine.started[0]
	h.execute(id, complete)
}

// events makes a log of plain events that ends with err, waiting for a signal
// on pause before each event, if there is one.
func events(n int, pause <-chan struct{}, err error) iter.Seq2[understudy.Event, error] {
	return func(yield func(understudy.Event, error) bool) {
		for range n {
			if pause != nil {
				<-pause
			}
			if !yield(understudy.Event{Name: "thread.x", Data: []byte(`{}`)}, nil) {
				return
			}
		}
		if err != nil {
			yield(understudy.Event{}, err)
		}
	}
}

// flushCounter is a writer of streams that knows how often it was flushed.
type flushCounter struct {
	bytes.Buffer
	header  http.Header
	flushes int
	fail    error
}

func (f *flushCounter) Header() http.Header { return f.header }
func (f *flushCounter) WriteHeader(int)     {}
func (f *flushCounter) FlushError() error   { f.flushes++; return f.fail }
func (f *flushCounter) Flush()              { f.flushes++ }

func copyEvents(t *testing.T, w *flushCounter, log iter.Seq2[understudy.Event, error]) error {
	t.Helper()
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	out := &eventWriter{w: w, rc: http.NewResponseController(w), requestID: "req_x"}
	return out.copy(ctx, stop, log)
}

func TestEventsAreCoalesced(t *testing.T) {
	w := new(flushCounter)
	const n = 10_000
	if err := copyEvents(t, w, events(n, nil, nil)); err != nil {
		t.Fatal(err)
	}
	if got := strings.Count(w.String(), "event: thread.x\ndata: {}\n\n"); got != n {
		t.Errorf("events: got %d, want %d", got, n)
	}
	if w.flushes > n/2 {
		t.Errorf("flushes: got %d for %d events that were there at once", w.flushes, n)
	}
}

func TestStreamStopsWhenWritesFail(t *testing.T) {
	w := &flushCounter{fail: errors.New("broken pipe")}
	if err := copyEvents(t, w, events(1_000_000, nil, nil)); !errors.Is(err, w.fail) {
		t.Errorf("got %v, want %v", err, w.fail)
	}
}

func TestStreamTellsErrors(t *testing.T) {
	w := new(flushCounter)
	lost := understudy.Invalid("The log is lost.")
	if err := copyEvents(t, w, events(1, nil, lost)); !errors.Is(err, lost) {
		t.Errorf("got %v, want %v", err, lost)
	}
	const want = "event: thread.x\ndata: {}\n\n" +
		`event: error` + "\n" + `data: {"error":{"message":"The log is lost.","type":"invalid_request_error","param":null,"code":null}}` + "\n\n"
	if diff := cmp.Diff(want, w.String()); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// TestCancelledStream shows that a stream cut short, as the server's shutdown
// does it, never looks complete.
func TestCancelledStream(t *testing.T) {
	for range 100 {
		ctx, stop := context.WithCancel(t.Context())
		w := new(flushCounter)
		out := &eventWriter{w: w, rc: http.NewResponseController(w), requestID: "req_x"}
		err := out.copy(ctx, stop, func(yield func(understudy.Event, error) bool) {
			if yield(understudy.Event{Name: "thread.x", Data: []byte(`{}`)}, nil) {
				stop()
				yield(understudy.Event{}, context.Cause(ctx))
			}
		})
		if !errors.Is(err, context.Canceled) || !strings.Contains(w.String(), "event: error\n") || strings.Contains(w.String(), "[DONE]") {
			t.Fatalf("got %v and %q", err, w)
		}
	}
}

func TestHeartbeat(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := new(flushCounter)
		pause := make(chan struct{})
		time.AfterFunc(2*heartbeat+time.Second, func() { close(pause) })
		if err := copyEvents(t, w, events(1, pause, nil)); err != nil {
			t.Fatal(err)
		}
		const want = ": keep-alive\n\n: keep-alive\n\nevent: thread.x\ndata: {}\n\nevent: done\ndata: [DONE]\n\n"
		if diff := cmp.Diff(want, w.String()); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
	})
}

// endless yields the same byte for ever.
type endless struct{}

func (endless) Read(p []byte) (int, error) {
	for i := range p {
		p[i] = 'x'
	}
	return len(p), nil
}

// TestHostileConnections talks to a real server over real connections.
func TestHostileConnections(t *testing.T) {
	h := newHarness(t, nil)
	srv := httptest.NewServer(h.handler)
	defer srv.Close()
	send := func(path, contentType string, length int64, body io.Reader) (*http.Response, error) {
		r, err := http.NewRequestWithContext(t.Context(), "POST", srv.URL+path, body)
		if err != nil {
			t.Fatal(err)
		}
		r.Header = h.request("POST", path, nil).Header
		r.Header.Set("Content-Type", contentType)
		r.ContentLength = length
		return srv.Client().Do(r)
	}
	for name, length := range map[string]int64{"announced": 20 << 20, "chunked": -1} {
		res, err := send("/v1/threads", "application/json", length, io.LimitReader(endless{}, 20<<20))
		if err != nil {
			t.Errorf("20 MB, %s: %v", name, err)
			continue
		}
		body, _ := io.ReadAll(res.Body)
		res.Body.Close()
		if res.StatusCode != http.StatusRequestEntityTooLarge || !strings.Contains(string(body), "larger than the limit") {
			t.Errorf("20 MB, %s: got %d %s", name, res.StatusCode, body)
		}
	}
	res, err := send("/v1/files", "multipart/form-data; boundary=b", 600<<20, io.LimitReader(endless{}, 600<<20))
	if err == nil {
		res.Body.Close()
		if res.StatusCode != http.StatusRequestEntityTooLarge {
			t.Errorf("announced 600 MB: got %d", res.StatusCode)
		}
	}

	conn, err := net.Dial("tcp", srv.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	_, err = io.WriteString(conn, "POST /v1/files HTTP/1.1\r\nHost: localhost\r\nApi-Key: x\r\nContent-Length: 100000\r\nContent-Type: multipart/form-data; boundary=b\r\n\r\n"+
		"--b\r\nContent-Disposition: form-data; name=\"purpose\"\r\n\r\nassistants\r\n--b\r\nContent-Disposition: form-data; name=\"file\"; filename=\"a.csv\"\r\n\r\nhalf of it")
	if err != nil {
		t.Fatal(err)
	}
	if err := conn.(*net.TCPConn).CloseWrite(); err != nil { // the upload breaks off; the answer can still be seen
		t.Fatal(err)
	}
	answer, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		t.Fatal(err)
	}
	answer.Body.Close()
	conn.Close()
	if answer.StatusCode != http.StatusBadRequest {
		t.Errorf("broken upload: got %d", answer.StatusCode)
	}
	if got := h.stored(); got != 0 {
		t.Errorf("the broken upload left %d files behind", got)
	}
	if list := h.must("GET", "/v1/files", ""); len(list["data"].([]any)) != 0 {
		t.Errorf("files: got %v", list)
	}
}

// TestUnreadableBody shows the answers to bodies that do not arrive whole.
func TestUnreadableBody(t *testing.T) {
	for err, want := range map[error]int{
		os.ErrDeadlineExceeded: http.StatusRequestTimeout,
		io.ErrUnexpectedEOF:    http.StatusBadRequest,
	} {
		h := newHarness(t, nil)
		body := io.MultiReader(strings.NewReader(`{"model":`), iotest.ErrReader(err))
		if w := h.serve(h.request("POST", "/v1/assistants", body)); w.Code != want {
			t.Errorf("%v: got %d %s, want %d", err, w.Code, w.Body, want)
		}
	}
}

func TestModifyRun(t *testing.T) {
	h := newHarness(t, nil)
	path, _, id := h.newRun("/v1")
	got := h.must("POST", path, `{"metadata":{"a":"b"}}`)
	if want := any(jsonObject{"a": "b"}); !cmp.Equal(got["metadata"], want) || got["status"] != "queued" {
		t.Errorf("modified run: got %v", got)
	}
	h.execute(id, complete)
	if got := h.must("POST", path, `{"metadata":null}`); !cmp.Equal(got["metadata"], any(jsonObject{"a": "b"})) || got["status"] != "completed" {
		t.Errorf("run modified by nothing: got %v", got)
	}
}

// TestIncluded shows that the content of search results, and what outputs of the code
// interpreter show, are only for those who ask.
func TestIncluded(t *testing.T) {
	h := newHarness(t, nil)
	path, _, id := h.newRun("/v1")
	h.execute(id, func(x *store.RunTx) error {
		r := x.Run()
		return x.AddStep(&understudy.Step{
			ID: "step_a", Object: "thread.run.step", RunID: r.ID, ThreadID: r.ThreadID, Type: understudy.StepToolCalls, Status: understudy.StepInProgress,
			StepDetails: understudy.StepDetails{Type: understudy.StepToolCalls, ToolCalls: []understudy.ToolCall{
				{ID: "call_a", Type: understudy.ToolFileSearch,
					FileSearch: &understudy.FileSearchCall{Results: []understudy.FileSearchResult{{Content: []understudy.FileSearchContent{{Type: "text", Text: "found"}}}}}},
				{ID: "call_b", Type: understudy.ToolCodeInterpreter, CodeInterpreter: &understudy.CodeInterpreterRun{
					Outputs: []understudy.CodeOutput{}, Data: []understudy.CodeData{{Type: "table", Table: json.RawMessage(`{"rows":1}`)}}}},
			}},
		})
	})
	shows := func(text string) included {
		return included{results: strings.Contains(text, "found"), data: strings.Contains(text, "rows")}
	}
	for query, want := range map[string]included{
		"":                             {},
		"?include[]=" + includeResults: {results: true},
		"?include=" + includeResults:   {results: true},
		"?include[]=" + includeData:    {data: true},
		"?include[]=" + includeData + "&include[]=" + includeResults: {results: true, data: true},
	} {
		for _, target := range []string{"/steps", "/steps/step_a"} {
			w := h.do("GET", path+target+query, "")
			if got := shows(w.Body.String()); w.Code != http.StatusOK || got != want {
				t.Errorf("%s%s: got %d, shown %+v, want %+v", target, query, w.Code, got, want)
			}
		}
	}
	for _, wanted := range []included{{}, {results: true}, {data: true}} {
		var shown strings.Builder
		for e, err := range trimEvents(h.db.Follow(t.Context(), id, 0), wanted) {
			if err != nil {
				t.Fatal(err)
			}
			shown.Write(e.Data)
			if e.Name == understudy.EventStepInProgress {
				break
			}
		}
		if got := shows(shown.String()); got != wanted {
			t.Errorf("stream: shown %+v, want %+v", got, wanted)
		}
	}
}
