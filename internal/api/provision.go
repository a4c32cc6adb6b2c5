package api

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"mime/multipart"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/understudy-dev/understudy"
	"github.com/understudy-dev/understudy/internal/store"
)

// provision makes the objects that one request of a generated suite takes for
// granted. All but runs are made as clients make them, in the dialect and with
// the key of the request itself: whoever may not make them gets none.
type provision struct {
	*conformance
	r        *http.Request
	prefix   string // of the dialect
	endpoint string
	siblings int               // how many objects a list needs
	made     map[string]string // ids by kind and placeholder
	outputs  int               // how many outputs of functions the body has
	calls    []string          // the calls that the run waits for
	part     string            // the part of the upload
	undo     []func() error    // deletes what was made, last first
}

// path returns the path with real ids. What a placeholder contains is made with
// it; nothing is ever put into an object that a client has made.
func (p *provision) path(path []string, query url.Values) ([]string, error) {
	path = slices.Clone(path)
	if len(path) == 1 {
		return path, p.fill(path[0])
	}
	if !placeholder(path[1]) || path[0] == "threads" && path[1] == "runs" {
		return path, nil
	}
	var err error
	switch path[0] {
	case "assistants":
		err = p.inAssistant(path)
	case "threads":
		err = p.inThread(path, query)
	case "files":
		path[1], err = p.file()
	case "vector_stores":
		err = p.inVectorStore(path)
	case "uploads":
		err = p.inUpload(path)
	}
	return path, err
}

// fill makes the objects that cursors of a list can name.
func (p *provision) fill(collection string) error {
	makers := map[string]func() (string, error){
		"assistants": p.assistant, "threads": p.thread, "files": p.file, "vector_stores": p.vectorStore,
	}
	if p.siblings == 1 || makers[collection] == nil {
		return nil
	}
	return p.repeat(func() error {
		_, err := makers[collection]()
		return err
	})
}

// repeat calls make once for each object that the request's list needs.
func (p *provision) repeat(make func() error) error {
	for range p.siblings {
		if err := make(); err != nil {
			return err
		}
	}
	return nil
}

// place puts id into the place at i of path, if there is one and it is a
// placeholder's.
func place(path []string, i int, id string) {
	if i < len(path) && placeholder(path[i]) {
		path[i] = id
	}
}

func (p *provision) inAssistant(path []string) (err error) {
	if path[1], err = p.assistant(); err != nil || len(path) < 3 || path[2] != "files" || p.r.Method == http.MethodPost {
		return err
	}
	return p.repeat(func() error {
		file, err := p.file()
		if err == nil {
			_, err = p.ask(http.MethodPost, path[:3], nil, map[string]any{"file_id": file})
			place(path, 3, file)
		}
		return err
	})
}

func (p *provision) inThread(path []string, query url.Values) (err error) {
	if path[1], err = p.thread(); err != nil || len(path) < 3 {
		return err
	}
	creates := p.r.Method == http.MethodPost && len(path) == 3
	switch {
	case creates:
	case path[2] == "messages":
		err = p.messages(path)
		if err == nil && placeholder(query.Get("run_id")) {
			var run string
			run, _, err = p.run(path[1], true)
			query.Set("run_id", run)
		}
	case path[2] == "runs":
		err = p.runs(path)
	}
	return err
}

// messages makes messages in the thread of path, with files if it is about
// those of one.
func (p *provision) messages(path []string) error {
	message := map[string]any{"role": "user", "content": "How much is six times seven?"}
	n := p.siblings
	if len(path) > 4 && path[4] == "files" {
		var files []string
		if err := p.repeat(func() error {
			file, err := p.file()
			files = append(files, file)
			place(path, 5, file)
			return err
		}); err != nil {
			return err
		}
		message["file_ids"], n = files, 1
	}
	for range n {
		m, err := p.ask(http.MethodPost, path[:3], nil, message)
		if err != nil {
			return err
		}
		place(path, 3, m["id"].(string))
	}
	return nil
}

// runs makes runs in the thread of path. The last one waits for the output of a
// function, which is the one state that lasts, has a step, and can be modified,
// cancelled and given outputs; those before it are cancelled.
func (p *provision) runs(path []string) error {
	n := p.siblings
	if len(path) > 3 {
		n = 1 // the list is of steps
	}
	for i := range n {
		run, step, err := p.run(path[1], i == n-1)
		if err != nil {
			return err
		}
		place(path, 3, run)
		place(path, 5, step)
	}
	return nil
}

func (p *provision) inVectorStore(path []string) (err error) {
	if path[1], err = p.vectorStore(); err != nil || len(path) < 3 || p.r.Method == http.MethodPost && len(path) == 3 {
		return err
	}
	var files []string
	if path[2] == "files" || path[2] == "file_batches" {
		if err := p.repeat(func() error {
			file, err := p.file()
			files = append(files, file)
			return err
		}); err != nil {
			return err
		}
	}
	switch path[2] {
	case "files":
		for _, file := range files {
			place(path, 3, file)
			if _, err := p.ask(http.MethodPost, path[:3], nil, map[string]any{"file_id": file}); err != nil {
				return err
			}
		}
		if path[len(path)-1] == "content" {
			return p.ingested(path[:4])
		}
	case "file_batches":
		b, err := p.ask(http.MethodPost, path[:3], nil, map[string]any{"file_ids": files})
		if err != nil {
			return err
		}
		place(path, 3, b["id"].(string))
	}
	return nil
}

// ingested waits until the store's file can be read.
func (p *provision) ingested(path []string) error {
	ctx, cancel := context.WithTimeout(p.r.Context(), time.Minute)
	defer cancel()
	for ctx.Err() == nil {
		select {
		case <-p.stopping: // polls are answered at once now
			return errors.New("the server is shutting down")
		default:
		}
		// A poll is answered when something has changed.
		f, err := p.askWith(ctx, http.MethodGet, path, nil, nil, http.Header{"X-Stainless-Poll-Helper": {"true"}})
		if err != nil || f["status"] != string(understudy.VectorStoreFileInProgress) {
			return err
		}
	}
	return ctx.Err()
}

func (p *provision) inUpload(path []string) error {
	const text = "Example data of one part.\n"
	u, err := p.ask(http.MethodPost, []string{"uploads"}, nil, map[string]any{
		"filename": "conformance.txt", "purpose": "assistants", "mime_type": "text/plain", "bytes": len(text),
	})
	if err != nil {
		return err
	}
	path[1] = u["id"].(string)
	p.undo = append(p.undo, func() error { return p.finally(http.MethodPost, "uploads", path[1], "cancel") })
	if len(path) < 3 || path[2] != "complete" {
		return nil
	}
	part, err := p.ask(http.MethodPost, []string{"uploads", path[1], "parts"}, nil, formBody{"data": text})
	if err == nil {
		p.part = part["id"].(string)
	}
	return err
}

func (p *provision) assistant() (string, error) {
	return p.make("assistants", map[string]any{
		"model": "conformance", "name": "conformance", "instructions": "Answer briefly.",
	})
}

func (p *provision) thread() (string, error) {
	return p.make("threads", map[string]any{"messages": []any{map[string]any{"role": "user", "content": "Hello."}}})
}

func (p *provision) vectorStore() (string, error) {
	return p.make("vector_stores", map[string]any{"name": "conformance"})
}

func (p *provision) file() (string, error) {
	return p.make("files", formBody{"purpose": "assistants", "file": "Example data: six times seven is forty-two.\n"})
}

// make makes an object of a collection, which is deleted in the end.
func (p *provision) make(collection string, body any) (string, error) {
	o, err := p.ask(http.MethodPost, []string{collection}, nil, body)
	if err != nil {
		return "", err
	}
	id := o["id"].(string)
	p.undo = append(p.undo, func() error { return p.finally(http.MethodDelete, collection, id) })
	return id, nil
}

// maxCalls bounds the calls of a run that is made.
const maxCalls = 128

// run makes a run that has written messages, and either is cancelled or waits
// for its client to call a function. No model has a hand in it: what one says
// cannot be relied upon.
func (p *provision) run(threadID string, waits bool) (id, stepID string, err error) {
	ctx := p.r.Context()
	assistantID, err := p.assistant()
	if err != nil {
		return "", "", err
	}
	a, err := p.db.Assistant(ctx, assistantID)
	if err != nil {
		return "", "", err
	}
	q := runRequest{Tools: []understudy.Tool{{Type: understudy.ToolFunction, Function: &understudy.Function{
		Name: "multiply", Parameters: json.RawMessage(`{"type":"object","properties":{"a":{"type":"number"},"b":{"type":"number"}}}`)}}}}
	run, err := q.resolve(a, threadID)
	if err != nil {
		return "", "", err
	}
	const name, arguments = "multiply", `{"a":6,"b":7}`
	var calls []understudy.ToolCall
	var required []understudy.RequiredCall
	p.calls = nil
	for range min(max(p.outputs, 1), maxCalls) {
		id := understudy.NewID(understudy.PrefixCall)
		p.calls = append(p.calls, id)
		calls = append(calls, understudy.ToolCall{ID: id, Type: understudy.ToolFunction, Function: &understudy.FunctionCall{Name: name, Arguments: arguments}})
		required = append(required, understudy.RequiredCall{ID: id, Type: understudy.ToolFunction, Function: understudy.RequiredFunction{Name: name, Arguments: arguments}})
	}
	step := &understudy.Step{
		ID: understudy.NewID(understudy.PrefixStep), Object: "thread.run.step", CreatedAt: run.CreatedAt, RunID: run.ID,
		AssistantID: a.ID, ThreadID: threadID, Type: understudy.StepToolCalls, Status: understudy.StepInProgress, Metadata: understudy.Metadata{},
		StepDetails: understudy.StepDetails{Type: understudy.StepToolCalls, ToolCalls: calls},
	}
	// It has its state from the beginning: a queued run would be an engine's to take.
	now := time.Unix(run.CreatedAt, 0)
	if err := errors.Join(run.Become(understudy.RunInProgress, now), run.Become(understudy.RunRequiresAction, now)); err != nil {
		return "", "", err
	}
	run.RequiredAction = &understudy.RequiredAction{Type: "submit_tool_outputs", SubmitToolOutputs: understudy.SubmitToolOutputs{ToolCalls: required}}
	if err := p.db.CreateRun(ctx, store.NewRun{Run: run}); err != nil {
		return "", "", err
	}
	unclaimed := store.Claim{RunID: run.ID, ThreadID: threadID, Fence: 0}
	return run.ID, step.ID, p.db.Commit(ctx, unclaimed, func(tx *store.RunTx) error {
		for range p.siblings {
			if err := writeMessage(tx, run); err != nil {
				return err
			}
		}
		if waits {
			return tx.AddStep(step)
		}
		if err := tx.Become(understudy.RunCancelling, nil); err != nil {
			return err
		}
		return tx.Become(understudy.RunCancelled, nil)
	})
}

// writeMessage adds a finished message of the run, and the step that wrote it.
func writeMessage(tx *store.RunTx, run *understudy.Run) error {
	at := time.Now().Unix()
	m := &understudy.Message{
		ID: understudy.NewID(understudy.PrefixMessage), Object: "thread.message", CreatedAt: at, AssistantID: &run.AssistantID, ThreadID: run.ThreadID,
		RunID: &run.ID, Role: understudy.RoleAssistant, Status: understudy.MessageCompleted, CompletedAt: &at, Attachments: []understudy.Attachment{},
		Content:  []understudy.Content{{Type: understudy.ContentText, Text: &understudy.Text{Value: "Let me see.", Annotations: []understudy.Annotation{}}}},
		Metadata: understudy.Metadata{},
	}
	step := &understudy.Step{
		ID: understudy.NewID(understudy.PrefixStep), Object: "thread.run.step", CreatedAt: at, RunID: run.ID, AssistantID: run.AssistantID, ThreadID: run.ThreadID,
		Type: understudy.StepMessageCreation, Status: understudy.StepInProgress, Metadata: understudy.Metadata{},
		StepDetails: understudy.StepDetails{Type: understudy.StepMessageCreation, MessageCreation: &understudy.MessageCreation{MessageID: m.ID}},
	}
	if err := errors.Join(tx.AddStep(step), tx.AddMessage(m), tx.EndMessage(m)); err != nil {
		return err
	}
	return tx.EndStep(store.OpenStep{Step: step}, understudy.StepCompleted)
}

// cleanUp deletes what was made. What the request itself has deleted is gone.
func (p *provision) cleanUp() {
	for _, undo := range slices.Backward(p.undo) {
		if err := undo(); err != nil {
			p.log.DebugContext(p.r.Context(), "conformance: not cleaned up", "err", err)
		}
	}
}

// finally makes a request after the client's, which may have left.
func (p *provision) finally(method string, path ...string) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(p.r.Context()), 10*time.Second)
	defer cancel()
	_, err := p.askWith(ctx, method, path, nil, nil, nil)
	return err
}

// formBody is the body of a multipart request. The fields file and data are files.
type formBody map[string]string

func (f formBody) encode() (body []byte, contentType string, err error) {
	var buf bytes.Buffer
	w := multipart.NewWriter(&buf)
	for name, value := range f {
		var part io.Writer
		if name == "file" || name == "data" {
			part, err = w.CreateFormFile(name, "conformance.txt")
		} else {
			part, err = w.CreateFormField(name)
		}
		if err == nil {
			_, err = io.WriteString(part, value)
		}
		if err != nil {
			return nil, "", err
		}
	}
	err = w.Close()
	return buf.Bytes(), w.FormDataContentType(), err
}

// ask makes a request to the API itself and returns the object it answers.
func (p *provision) ask(method string, path []string, query url.Values, body any) (map[string]any, error) {
	return p.askWith(p.r.Context(), method, path, query, body, nil)
}

// askWith is ask with a context and headers of its own.
func (p *provision) askWith(ctx context.Context, method string, path []string, query url.Values, body any, header http.Header) (map[string]any, error) {
	text, contentType, err := []byte(nil), "application/json", error(nil)
	if f, ok := body.(formBody); ok {
		text, contentType, err = f.encode()
	} else if body != nil {
		text, err = json.Marshal(body)
	}
	if err != nil {
		return nil, err
	}
	u := url.URL{Path: p.prefix + "/" + strings.Join(path, "/")}
	values := url.Values{}
	maps.Copy(values, query)
	if v := p.r.URL.Query().Get("api-version"); v != "" {
		values.Set("api-version", v)
	}
	u.RawQuery = values.Encode()
	q, err := http.NewRequestWithContext(ctx, method, u.String(), bytes.NewReader(text))
	if err != nil {
		return nil, err
	}
	q.Host, q.RemoteAddr = p.r.Host, p.r.RemoteAddr
	for _, name := range []string{"Authorization", "Api-Key", "Openai-Beta", "Origin", "Sec-Fetch-Site"} {
		q.Header[name] = p.r.Header[name]
	}
	maps.Copy(q.Header, header)
	q.Header.Set("Content-Type", contentType)
	answer := &answer{header: make(http.Header)}
	p.next.ServeHTTP(answer, q)
	if answer.status != http.StatusOK {
		return nil, fmt.Errorf("%s %s: %d %s", method, u.Path, answer.status, answer.body.Bytes())
	}
	var o map[string]any
	if err := json.Unmarshal(answer.body.Bytes(), &o); err != nil || o == nil {
		return nil, errors.Join(fmt.Errorf("%s %s: not an object", method, u.Path), err)
	}
	return o, nil
}

// answer keeps what is written to it.
type answer struct {
	header http.Header
	status int
	body   bytes.Buffer
}

func (a *answer) Header() http.Header { return a.header }

func (a *answer) WriteHeader(status int) {
	if a.status == 0 {
		a.status = status
	}
}

func (a *answer) Write(p []byte) (int, error) {
	a.WriteHeader(http.StatusOK)
	return a.body.Write(p)
}
