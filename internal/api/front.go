package api

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"path"
	"runtime/debug"
	"strings"
	"time"

	"github.com/understudy-dev/understudy"
)

// front receives every request, before it is known which dialect it speaks.
type front struct {
	gate    *gate
	health  http.Handler
	metrics func(context.Context) []byte
	servers []*server
	log     *slog.Logger
}

// server speaks one dialect.
type server struct {
	Config
	dialect *dialect
	schemas *schemas
	mux     *http.ServeMux
	log     *slog.Logger
}

// handler answers a request, or returns an error having written nothing.
type handler func(http.ResponseWriter, *http.Request) error

// New returns the handler of the whole API, under /v1 and /openai, and of
// /healthz and /metrics. It never redirects.
func New(c Config) http.Handler {
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	f := &front{gate: newGate(c), log: c.Logger, health: healthHandler(c.Health), metrics: c.Metrics}
	for _, d := range newDialects() {
		s := &server{Config: c, dialect: d, schemas: newSchemas(d), mux: http.NewServeMux(), log: c.Logger}
		s.register()
		f.servers = append(f.servers, s)
	}
	if c.Conformance {
		return &conformance{next: f, db: c.Store, log: c.Logger, stopping: c.Stopping}
	}
	return f
}

// register enters the routes, and answers of the dialect's own for paths and
// methods that have none.
func (s *server) register() {
	paths := make(map[string]bool)
	for pattern, h := range s.table() {
		method, path, _ := strings.Cut(pattern, " ")
		path = strings.TrimSpace(path)
		s.mux.Handle(method+" "+s.dialect.prefix+path, s.wrap(h))
		paths[path] = true
	}
	delete(paths, "/threads/runs") // its other methods are those of the thread "runs"
	for path := range paths {
		s.mux.Handle(s.dialect.prefix+path, s.wrap(func(http.ResponseWriter, *http.Request) error { return errMethod }))
	}
	s.mux.Handle("/", s.wrap(func(http.ResponseWriter, *http.Request) error { return errNoRoute }))
}

// wrap makes an [http.Handler] of a handler; its writer is the front's.
func (s *server) wrap(h handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if err := h(w, r); err != nil {
			s.writeError(w.(*response), r, err)
		}
	})
}

func (f *front) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.ContentLength != 0 {
		// Also for a request that is refused: before the answer goes out, the server reads
		// the body to its end, and a client that withholds it would hold the connection.
		_ = http.NewResponseController(w).SetReadDeadline(time.Now().Add(bodyTimeout)) // not supported by test recorders
	}
	rw := newResponse(w, requestID())
	r, usable := canonical(r)
	s, demand := f.server(r)
	defer f.finish(rw, r, s)
	if err := f.gate.checkHost(r); err != nil {
		s.writeError(rw, r, err)
		return
	}
	if r.URL.Path == "/healthz" {
		f.health.ServeHTTP(rw, r)
		return
	}
	if r.URL.Path == "/metrics" && f.metrics != nil {
		f.serveMetrics(rw, r, s)
		return
	}
	if !usable || !within(r.URL.Path, s.dialect.prefix) {
		s.writeError(rw, r, errNoRoute)
		return
	}
	if err := f.gate.authenticate(s.dialect, rw, r); err != nil {
		s.writeError(rw, r, err)
		return
	}
	if _, err := url.ParseQuery(r.URL.RawQuery); err != nil {
		s.writeError(rw, r, errQuery) // or handlers would miss parameters without a word
		return
	}
	if demand != nil {
		s.writeError(rw, r, demand)
		return
	}
	if show := s.dialect.view; show != nil {
		rw.view = func(v any) (any, error) { return show(r.Context(), s, v) }
	}
	if s.Conformance {
		rw.view = specView(rw.view)
	}
	s.mux.ServeHTTP(rw, r)
}

// serveMetrics answers GET /metrics. A server that is open to its machine has no key
// for the programs there to know.
func (f *front) serveMetrics(w *response, r *http.Request, s *server) {
	if !f.gate.open() {
		if err := f.gate.authenticate(s.dialect, w, r); err != nil {
			s.writeError(w, r, err)
			return
		}
	}
	w.Header().Set("Content-Type", "text/plain; version=0.0.4; charset=utf-8")
	_, _ = w.Write(f.metrics(r.Context())) // fails only for a client that is gone
}

// server returns the one for the request's dialect. If the request speaks none
// it is one with the right prefix, and the error with which to refuse the
// request; the first also answers what has no prefix.
func (f *front) server(r *http.Request) (*server, error) {
	var family *server
	for _, s := range f.servers {
		path, ok := strings.CutPrefix(r.URL.Path, s.dialect.prefix)
		switch {
		case !ok || path != "" && path[0] != '/':
		case s.dialect.speaks(path, r):
			return s, nil
		case family == nil:
			family = s
		}
	}
	if family == nil {
		return f.servers[0], nil
	}
	return family, family.dialect.demand
}

// finish ends a request: it turns a panic into a server error and logs the
// request.
func (f *front) finish(w *response, r *http.Request, s *server) {
	if v := recover(); v != nil {
		if err, ok := v.(error); ok && errors.Is(err, http.ErrAbortHandler) {
			panic(v)
		}
		begun := w.status != 0
		s.writeError(w, r, fmt.Errorf("panic: %v\n%s", v, debug.Stack()))
		if begun {
			panic(http.ErrAbortHandler) // a cut connection is the only way to tell the client
		}
	}
	level := slog.LevelDebug
	if w.status >= http.StatusBadRequest {
		level = slog.LevelInfo
	}
	f.log.LogAttrs(r.Context(), level, "request", slog.String("request_id", w.id), slog.String("method", r.Method),
		slog.String("path", r.URL.Path), slog.Int("status", w.status), slog.Duration("took", time.Since(w.start)))
}

// canonical returns r with a path that [http.ServeMux] accepts as it is, so that
// the mux has no reason to redirect: without trailing and doubled slashes,
// without dot segments, and without a deployment where the resource belongs to
// none. It reports false for paths that cannot be.
func canonical(r *http.Request) (*http.Request, bool) {
	escaped := r.URL.EscapedPath()
	if r.Method == http.MethodConnect || !strings.HasPrefix(escaped, "/") {
		return r, false
	}
	clean := withoutDeployment(path.Clean(escaped))
	if clean == escaped {
		return r, true
	}
	unescaped, err := url.PathUnescape(clean)
	if err != nil {
		return r, false
	}
	copied := new(*r)
	copied.URL = new(*r.URL)
	copied.URL.Path, copied.URL.RawPath = unescaped, clean
	return copied, true
}

// requestID returns a new request id: the prefix and 32 hexadecimal digits.
func requestID() string {
	var b [16]byte
	_, _ = rand.Read(b[:]) // never fails
	return understudy.PrefixRequest + hex.EncodeToString(b[:])
}
