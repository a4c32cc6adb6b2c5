// Package modeltest is a chat-completions server for tests and benchmarks: it
// plays replies as raw bytes, good and bad, and keeps the requests it got. It
// knows nothing of the model package, so that any package may test with it.
package modeltest

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
)

// A Reply is what the server sends for one request.
type Reply struct {
	Status int               // 0: 200
	Header map[string]string // Content-Type is text/event-stream unless set
	Body   []string          // pieces, flushed one by one
	Hang   bool              // after Body, keep the connection open until the client leaves
	Abort  bool              // after Body, break the connection
	Wait   <-chan struct{}   // if set, received from once before each piece
}

// Stream returns a reply of the given events, each the JSON of one chunk, and
// the end mark.
func Stream(events ...string) Reply {
	var r Reply
	for _, e := range append(events, "[DONE]") {
		r.Body = append(r.Body, "data: "+e+"\n\n")
	}
	return r
}

// Text returns a stream that says the pieces and stops, with a count of one
// token per piece.
func Text(pieces ...string) Reply {
	var events []string
	for _, p := range pieces {
		events = append(events, Chunk(map[string]any{"content": p}))
	}
	return Stream(append(events, Finish("stop"), UsageChunk(len(pieces), len(pieces)))...)
}

// A Call is a function call for [Calls].
type Call struct{ ID, Name, Arguments string }

// Calls returns a stream that makes the calls as OpenAI's server does: first the
// id and name of one, then its arguments in two pieces, then the next.
func Calls(calls ...Call) Reply {
	var events []string
	for i, c := range calls {
		half := len(c.Arguments) / 2
		events = append(events,
			callChunk(map[string]any{"index": i, "id": c.ID, "type": "function", "function": map[string]any{"name": c.Name, "arguments": ""}}),
			callChunk(map[string]any{"index": i, "function": map[string]any{"arguments": c.Arguments[:half]}}),
			callChunk(map[string]any{"index": i, "function": map[string]any{"arguments": c.Arguments[half:]}}))
	}
	return Stream(append(events, Finish("tool_calls"), UsageChunk(len(calls), len(calls)))...)
}

func callChunk(call map[string]any) string {
	return Chunk(map[string]any{"tool_calls": []any{call}})
}

// Chunk returns the JSON of one chunk with the given delta.
func Chunk(delta map[string]any) string { return chunk(delta, nil) }

// Finish returns the JSON of the chunk that carries the finish reason.
func Finish(reason string) string { return chunk(map[string]any{}, reason) }

func chunk(delta map[string]any, finish any) string {
	return mustJSON(map[string]any{
		"id": "chatcmpl-1", "object": "chat.completion.chunk", "created": 1700000000, "model": "stub",
		"choices": []any{map[string]any{"index": 0, "delta": delta, "finish_reason": finish}},
	})
}

// UsageChunk returns the JSON of the chunk, without choices, that counts tokens.
func UsageChunk(prompt, completion int) string {
	return mustJSON(map[string]any{
		"id": "chatcmpl-1", "object": "chat.completion.chunk", "choices": []any{},
		"usage": map[string]any{"prompt_tokens": prompt, "completion_tokens": completion, "total_tokens": prompt + completion},
	})
}

func mustJSON(v any) string {
	b, err := json.Marshal(v)
	if err != nil {
		panic(err) // only maps of strings and numbers are encoded here
	}
	return string(b)
}

// Fail returns an answer with an error status and a JSON body.
func Fail(status int, body string) Reply {
	return Reply{Status: status, Header: map[string]string{"Content-Type": "application/json"}, Body: []string{body}}
}

// A Request is one that the server got.
type Request struct {
	Method string
	Path   string // with the query
	Header http.Header
	Body   []byte
}

// JSON decodes the body; nil if it is not a JSON object.
func (r *Request) JSON() map[string]any {
	var m map[string]any
	_ = json.Unmarshal(r.Body, &m) // nil says it
	return m
}

// A Handler answers chat completions with replies. Next must be set.
type Handler struct {
	// Next returns the reply to the n-th request, from 0. It may be called
	// from several goroutines.
	Next func(n int, r *Request) Reply
	// Forget leaves the requests unread and unkept, for benchmarks.
	Forget bool

	mu       sync.Mutex
	requests []*Request
	count    int
}

// Play returns a handler that sends the replies in order, and the last one to
// every request after them.
func Play(replies ...Reply) *Handler {
	return &Handler{Next: func(n int, _ *Request) Reply { return replies[min(n, len(replies)-1)] }}
}

// Requests returns what the server got so far.
func (h *Handler) Requests() []*Request {
	h.mu.Lock()
	defer h.mu.Unlock()
	return append([]*Request(nil), h.requests...)
}

// ServeHTTP plays the next reply.
func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	req := &Request{Method: r.Method, Path: r.URL.RequestURI(), Header: r.Header}
	if !h.Forget {
		req.Body, _ = io.ReadAll(r.Body) // what came is what is kept
	}
	h.mu.Lock()
	n := h.count
	h.count++
	if !h.Forget {
		h.requests = append(h.requests, req)
	}
	h.mu.Unlock()
	h.Next(n, req).play(w, r)
}

func (reply Reply) play(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", "text/event-stream")
	for k, v := range reply.Header {
		w.Header().Set(k, v)
	}
	if reply.Status != 0 {
		w.WriteHeader(reply.Status)
	}
	flush := http.NewResponseController(w)
	for _, piece := range reply.Body {
		if reply.Wait != nil {
			select {
			case <-reply.Wait:
			case <-r.Context().Done():
				return
			}
		}
		if _, err := io.WriteString(w, piece); err != nil {
			return
		}
		_ = flush.Flush() // a client that left is noticed by the next write
	}
	if reply.Hang {
		_ = flush.Flush()
		<-r.Context().Done()
	}
	if reply.Abort {
		panic(http.ErrAbortHandler)
	}
}

// NewServer starts a server on the loopback interface that lives as long as the
// test, and returns it. Its base URL for an SDK is URL + "/v1".
func NewServer(t testing.TB, h http.Handler) *httptest.Server {
	t.Helper()
	s := httptest.NewServer(h)
	t.Cleanup(s.Close)
	return s
}

// NewPipe serves h on in-memory connections and returns a client for it, whatever
// host the address names. It can be used inside a testing/synctest bubble, and
// lives as long as the test.
func NewPipe(t testing.TB, h http.Handler) *http.Client {
	t.Helper()
	l := &pipeListener{conns: make(chan net.Conn), done: make(chan struct{})}
	s := &http.Server{Handler: h}
	var wg sync.WaitGroup
	wg.Go(func() { _ = s.Serve(l) }) // returns ErrServerClosed
	tr := &http.Transport{DialContext: l.dial}
	t.Cleanup(func() {
		tr.CloseIdleConnections()
		_ = s.Close()
		wg.Wait()
	})
	return &http.Client{Transport: tr}
}

type pipeListener struct {
	conns chan net.Conn
	done  chan struct{}
	once  sync.Once
}

func (l *pipeListener) dial(ctx context.Context, network, addr string) (net.Conn, error) {
	client, server := net.Pipe()
	select {
	case l.conns <- server:
		return client, nil
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	case <-l.done:
		return nil, fmt.Errorf("dial %s %s: %w", network, addr, net.ErrClosed)
	}
}

// Accept returns the server's end of the next connection.
func (l *pipeListener) Accept() (net.Conn, error) {
	select {
	case c := <-l.conns:
		return c, nil
	case <-l.done:
		return nil, net.ErrClosed
	}
}

// Close ends the listener.
func (l *pipeListener) Close() error {
	l.once.Do(func() { close(l.done) })
	return nil
}

// Addr names no real address.
func (l *pipeListener) Addr() net.Addr { return pipeAddr{} }

type pipeAddr struct{}

// Network is the name of the network.
func (pipeAddr) Network() string { return "pipe" }

// String is the name of the address.
func (pipeAddr) String() string { return "pipe" }

// Raw cuts a raw stream into a reply of one piece, for behaviours that the other
// functions cannot write. Lines are those of the text, without the indentation
// of Go source.
func Raw(text string) Reply {
	lines := strings.Split(strings.TrimPrefix(text, "\n"), "\n")
	for i := range lines {
		lines[i] = strings.TrimLeft(lines[i], "\t")
	}
	return Reply{Body: []string{strings.Join(lines, "\n")}}
}
