package api

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/understudy-dev/understudy/internal/blob"
	"github.com/understudy-dev/understudy/internal/store"
)

// idleEngine executes nothing and remembers what it was told.
type idleEngine struct {
	mu                 sync.Mutex
	started, cancelled []string
	onStart            func(runID string)
}

func (e *idleEngine) Start(runID string) {
	e.mu.Lock()
	e.started = append(e.started, runID)
	e.mu.Unlock()
	if e.onStart != nil {
		e.onStart(runID)
	}
}

func (e *idleEngine) Cancel(runID string) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.cancelled = append(e.cancelled, runID)
}

// harness is the API over a real store and a real folder.
type harness struct {
	t       testing.TB
	handler http.Handler
	db      *store.DB
	blobs   string // the folder of files
	engine  *idleEngine
}

func newHarness(t testing.TB, change func(*Config)) *harness {
	t.Helper()
	dir := t.TempDir()
	db, err := store.Open(context.Background(), store.Config{Path: filepath.Join(dir, "test.db")})
	if err != nil {
		t.Fatal(err)
	}
	files, err := blob.Open(filepath.Join(dir, "files"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := db.Close(); err != nil {
			t.Error(err)
		}
		if err := files.Close(); err != nil {
			t.Error(err)
		}
	})
	h := &harness{t: t, db: db, blobs: filepath.Join(dir, "files"), engine: new(idleEngine)}
	c := Config{Store: db, Files: files, Engine: h.engine, DownloadInputs: true}
	if change != nil {
		change(&c)
	}
	h.handler = New(c)
	return h
}

// request makes a request as the SDKs would: path begins with the dialect's
// prefix, and what the dialect demands is added.
func (h *harness) request(method, path string, body io.Reader) *http.Request {
	h.t.Helper()
	if strings.HasPrefix(path, "/openai") && !strings.Contains(path, "api-version") {
		sep := "?"
		if strings.Contains(path, "?") {
			sep = "&"
		}
		path += sep + "api-version=2025-03-01-preview"
	}
	r := httptest.NewRequest(method, path, body)
	r.Host = "127.0.0.1:8080"
	r.Header.Set("Authorization", "Bearer test")
	if strings.HasPrefix(path, "/v1") {
		r.Header.Set("OpenAI-Beta", "assistants=v2")
	}
	return r
}

func (h *harness) do(method, path, body string) *httptest.ResponseRecorder {
	h.t.Helper()
	return h.serve(h.request(method, path, strings.NewReader(body)))
}

func (h *harness) serve(r *http.Request) *httptest.ResponseRecorder {
	h.t.Helper()
	w := httptest.NewRecorder()
	h.handler.ServeHTTP(w, r)
	return w
}

// jsonObject is a decoded JSON object.
type jsonObject = map[string]any

// must makes a request that has to succeed and returns the answer.
func (h *harness) must(method, path, body string) jsonObject {
	h.t.Helper()
	w := h.do(method, path, body)
	if w.Code != http.StatusOK {
		h.t.Fatalf("%s %s %s: got %d: %s", method, path, body, w.Code, w.Body)
	}
	return decodeObject(h.t, w.Body.Bytes())
}

func decodeObject(t testing.TB, b []byte) jsonObject {
	t.Helper()
	var o jsonObject
	if err := json.Unmarshal(b, &o); err != nil {
		t.Fatalf("not a JSON object: %v: %s", err, b)
	}
	return o
}

// compact returns JSON without white space.
func compact(t testing.TB, b []byte) string {
	t.Helper()
	var out bytes.Buffer
	if err := json.Compact(&out, b); err != nil {
		t.Fatalf("not JSON: %v: %s", err, b)
	}
	return out.String()
}

// dialects are the prefixes of the paths of each.
var dialects = map[string]string{"openai": "/v1", "azure": "/openai"}

// forEachDialect runs a test once per dialect.
func forEachDialect(t *testing.T, test func(t *testing.T, prefix string)) {
	for name, prefix := range dialects {
		t.Run(name, func(t *testing.T) { test(t, prefix) })
	}
}

func TestSession(t *testing.T) {
	forEachDialect(t, func(t *testing.T, prefix string) {
		h := newHarness(t, nil)
		a := h.must("POST", prefix+"/assistants", `{"model":"m","tools":[{"type":"code_interpreter"},{"type":"function","function":{"name":"f"}},{"type":"retrieval"}],"metadata":{"a":"<b>"}}`)
		th := h.must("POST", prefix+"/threads", ``)
		base := prefix + "/threads/" + th["id"].(string)
		h.must("POST", base+"/messages", `{"role":"user","content":"hi"}`)
		run := h.must("POST", base+"/runs", `{"assistant_id":"`+a["id"].(string)+`","additional_instructions":"Be brief.","stream":null}`)
		if run["status"] != "queued" || run["instructions"] != "Be brief." || len(h.engine.started) != 1 {
			t.Errorf("run: got %v, started %v", run, h.engine.started)
		}
		h.must("GET", base+"/runs/"+run["id"].(string)+"/", ``)
		got := h.must("POST", base+"/runs/"+run["id"].(string)+"/cancel", ``)
		if got["status"] != "cancelling" || len(h.engine.cancelled) != 1 {
			t.Errorf("cancelled run: got %v, told to cancel %v", got, h.engine.cancelled)
		}
	})
}
