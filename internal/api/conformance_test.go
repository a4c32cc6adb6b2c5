package api

import (
	"bytes"
	"fmt"
	"mime/multipart"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"github.com/understudy-dev/understudy"
)

// conformanceBodies are the bodies of endpoints that need one, with the
// placeholders that the generated suites send.
var conformanceBodies = map[string]string{
	"POST assistants": `{"model":"gpt-4o","tools":[{"type":"code_interpreter"}],"metadata":{"file_id":"file_id"},
		"tool_resources":{"code_interpreter":{"file_ids":["string"]},"file_search":{"vector_store_ids":["string"],"vector_stores":[{"file_ids":["string"]}]}}}`,
	"POST assistants/{}/files":       `{"file_id":"file_id"}`,
	"POST threads/runs":              `{"assistant_id":"assistant_id","thread":{"messages":[{"role":"user","content":"string"}]}}`,
	"POST threads/{}/messages":       `{"role":"user","content":"string","metadata":{"foo":"string"}}`,
	"POST threads/{}/messages/{}":    `{"metadata":{"foo":"string"}}`,
	"POST threads/{}/runs":           `{"assistant_id":"assistant_id","model":"gpt-4o","max_completion_tokens":256}`,
	"POST vector_stores":             `{"name":"name","file_ids":["string"],"expires_after":{"anchor":"last_active_at","days":1}}`,
	"POST vector_stores/{}/files":    `{"file_id":"file_id","attributes":{"foo":"string"}}`,
	"POST vector_stores/{}/files/{}": `{"attributes":{"foo":"string"}}`,
	"POST vector_stores/{}/search":   `{"query":"string"}`,
	"POST uploads":                   `{"bytes":0,"filename":"filename.txt","mime_type":"mime_type","purpose":"assistants"}`,
	"POST uploads/{}/complete":       `{"part_ids":["string"],"md5":"md5"}`,
	"POST threads/{}/runs/{}":        `{"metadata":{"foo":"string"}}`,
	"POST vector_stores/{}":          `{"name":"name"}`,
	"POST assistants/{}":             `{"tool_resources":{"code_interpreter":{"file_ids":["string"]}}}`,
	"POST vector_stores/{}/file_batches": `{"file_ids":["string"],"attributes":{"foo":"string"},
		"files":[{"file_id":"file_id"}]}`,
	"POST threads/{}/runs/{}/submit_tool_outputs": `{"tool_outputs":[{},{},{"output":"output","tool_call_id":"tool_call_id"}]}`,
}

// conformanceRequest makes a request of a dialect for a row of the route table,
// with placeholders for all ids.
func (h *harness) conformanceRequest(dialect, row string) *http.Request {
	h.t.Helper()
	method, path, _ := strings.Cut(row, " ")
	segments := strings.Split(strings.Trim(strings.TrimSpace(path), "/"), "/")
	for i, s := range segments {
		segments[i] = strings.Trim(s, "{}") // "assistant_id" and so on, as the suites have it
	}
	shape := endpoint(method, segments)
	prefix, version, beta := "/v1", "", "assistants=v2"
	switch dialect {
	case "openai v1":
		beta = "assistants=v1"
	case "azure":
		prefix, version = "/openai", "?api-version=2025-04-01-preview"
	case "azure 2024-05-01":
		prefix, version = "/openai", "?api-version=2024-05-01-preview"
	case "azure v1":
		prefix, version = "/openai", "?api-version=2024-02-15-preview"
	case "azure undated":
		prefix, version = "/openai/v1", "?api-version=preview"
	}
	body, contentType := bytes.NewBufferString(conformanceBodies[shape]), "application/json"
	if strings.HasSuffix(dialect, " v1") && (shape == "POST assistants" || shape == "POST assistants/{}") {
		body = bytes.NewBufferString(`{"model":"gpt-4o","file_ids":["string"],"tools":[{"type":"code_interpreter"}]}`)
	}
	if shape == "POST files" || shape == "POST uploads/{}/parts" {
		w := multipart.NewWriter(body)
		name := "data"
		if shape == "POST files" {
			name = "file"
			if err := w.WriteField("purpose", "assistants"); err != nil {
				h.t.Fatal(err)
			}
		}
		part, err := w.CreateFormFile(name, "upload.txt")
		if err != nil {
			h.t.Fatal(err)
		}
		if _, err := part.Write([]byte("Example data")); err != nil {
			h.t.Fatal(err)
		}
		if err := w.Close(); err != nil {
			h.t.Fatal(err)
		}
		contentType = w.FormDataContentType()
	}
	r := httptest.NewRequest(method, prefix+"/"+strings.Join(segments, "/")+version, body)
	r.Host = "127.0.0.1:8080"
	r.Header.Set("Authorization", "Bearer My API Key")
	r.Header.Set("OpenAI-Beta", beta)
	r.Header.Set("Content-Type", contentType)
	return r
}

// TestConformance sends a request with placeholders to every endpoint there is,
// in every dialect, and lists also with all their parameters.
func TestConformance(t *testing.T) {
	for dialect, rows := range Routes() {
		t.Run(dialect, func(t *testing.T) {
			t.Parallel()
			h := newHarness(t, func(c *Config) {
				c.Conformance = true
				c.Search = &searcher{db: c.Store, files: c.Files, texts: make(map[string]string)}
			})
			slices.Sort(rows)
			for _, row := range rows {
				if strings.Contains(row, "/models") {
					continue // a model is what the configuration says
				}
				w := h.serve(h.conformanceRequest(dialect, row))
				if w.Code != http.StatusOK {
					t.Errorf("%s: got %d: %s", row, w.Code, w.Body)
				}
				if method, path, _ := strings.Cut(row, " "); method != "GET" || strings.HasSuffix(path, "_id}") || strings.HasSuffix(path, "/content") {
					continue
				}
				r := h.conformanceRequest(dialect, row)
				r.URL.RawQuery += "&after=after&before=before&limit=0&order=asc"
				w = h.serve(r)
				if w.Code != http.StatusOK {
					t.Errorf("%s with cursors: got %d: %s", row, w.Code, w.Body)
				} else if data := decodeObject(t, w.Body.Bytes())["data"].([]any); len(data) == 0 {
					t.Errorf("%s with cursors: the list is empty", row)
				}
			}
			h.checkNothingIsLeft(rows)
		})
	}
}

// checkNothingIsLeft checks that there are no more objects than the requests
// have made themselves, which those for single objects have deleted again.
func (h *harness) checkNothingIsLeft(rows []string) {
	h.t.Helper()
	ctx, page := h.t.Context(), understudy.Page{Limit: 100, Order: understudy.Desc}
	assistants, _, err := h.db.ListAssistants(ctx, page)
	if err != nil {
		h.t.Fatal(err)
	}
	threads, _, err := h.db.ListThreads(ctx, nil, page)
	if err != nil {
		h.t.Fatal(err)
	}
	files, _, err := h.db.ListFiles(ctx, "", page)
	if err != nil {
		h.t.Fatal(err)
	}
	made := 0
	for _, path := range []string{"/assistants", "/threads", "/threads/runs", "/files", "/uploads/{upload_id}/complete"} {
		if slices.ContainsFunc(rows, func(row string) bool { return row == "POST "+path }) {
			made++
		}
	}
	if got := len(assistants) + len(threads) + len(files); got != made {
		h.t.Errorf("%d assistants, %d threads and %d files are left, want %d in all", len(assistants), len(threads), len(files), made)
	}
}

func TestPlaceholder(t *testing.T) {
	for id, want := range map[string]bool{
		"assistant_id": true, "string": true, "vs_abc123": true, "file-abc123": true, "after": true, "": false,
		understudy.NewID(understudy.PrefixThread): false, understudy.NewID(understudy.PrefixFileAzure): false,
		"vs_67f3a1b2c3d48191a0b1c2d3e4f50617": false, "file-9zZxK1J2mN3pQ4rS5tU6vW": false,
	} {
		if got := placeholder(id); got != want {
			t.Errorf("%q: got %t, want %t", id, got, want)
		}
	}
}

// TestConformanceLeavesOthersAlone checks that nothing is made for requests
// without placeholders, without a key, or about objects that a client has made.
func TestConformanceLeavesOthersAlone(t *testing.T) {
	h := newHarness(t, func(c *Config) { c.Conformance, c.Keys = true, []string{"sk-right"} })
	do := func(method, path, key, body string) (int, string) {
		r := h.request(method, path, strings.NewReader(body))
		r.Header.Set("Authorization", "Bearer "+key)
		w := h.serve(r)
		return w.Code, w.Body.String()
	}
	_, text := do("POST", "/v1/threads", "sk-right", "{}")
	thread := decodeObject(t, []byte(text))["id"].(string)
	for _, tc := range []struct {
		method, path, key, body string
		status                  int
	}{
		{"GET", "/v1/assistants/assistant_id", "sk-wrong", "", 401},
		{"GET", "/v1/assistants/" + understudy.NewID(understudy.PrefixAssistant), "sk-right", "", 404},
		{"GET", "/v1/threads/" + thread + "/messages/" + understudy.NewID(understudy.PrefixMessage), "sk-right", "", 404},
		{"GET", "/v1/threads/" + thread + "/messages/msg_1", "sk-right", "", 404},
		{"GET", "/v1/threads/" + thread, "sk-right", "", 200},
		{"GET", "/v1/nothing/at/all", "sk-right", "", 404},
		{"GET", "/v1", "sk-right", "", 404},
		{"GET", "/v1/", "sk-right", "", 404},
		{"GET", "/v1/vector_stores/x/files/content", "sk-right", "", 200}, // "content" is the file's placeholder
		{"GET", "/v1/vector_stores/x/files/y/content/z", "sk-right", "", 404},
		{"GET", "/v1/threads/x/messages/y/z/w", "sk-right", "", 404},
		{"GET", "/v1/threads/runs/x?after=x&before=y", "sk-right", "", 404},
		{"POST", "/v1/uploads/x/y/z", "sk-right", "{}", 404},
		{"POST", "/v1/files", "sk-right", `{"file_id":"x"}`, 400},
		{"DELETE", "/v1/files?after=x", "sk-right", "", 405},
		{"GET", "/healthz", "", "", 200},
		{"GET", "/v1/files?limit=%zz", "sk-right", "", 400},
		{"PUT", "/v1/threads/thread_id", "sk-right", "", 405},
		{"POST", "/v1/threads/thread_id", "sk-right", "{", 400},
		{"POST", "/v1/threads/thread_id", "sk-right", "[]", 400},
		{"POST", "/v1/threads/thread_id", "sk-right", `{"metadata":7}`, 400},
		{"POST", "/v1/threads/thread_id", "sk-right", strings.Repeat("[", 10_000), 400},
		{"POST", "/v1/threads/thread_id", "sk-right", `{"metadata":{"a":"` + strings.Repeat("x", maxBody) + `"}}`, 413},
	} {
		if status, text := do(tc.method, tc.path, tc.key, tc.body); status != tc.status {
			t.Errorf("%s %s %.40s: got %d, want %d: %s", tc.method, tc.path, tc.body, status, tc.status, text)
		}
	}
	messages, _, err := h.db.ListMessages(t.Context(), thread, "", understudy.Page{Limit: 10, Order: understudy.Desc})
	if err != nil || len(messages) != 0 {
		t.Errorf("the client's thread has messages %v, error %v", messages, err)
	}
	// And off it is off.
	if w := newHarness(t, nil).do("GET", "/v1/files/file_id", ""); w.Code != 404 {
		t.Errorf("without the mode: got %d, want 404", w.Code)
	}
}

// TestSpecLiterals checks what is shown as the published description has it, in
// this mode only.
func TestSpecLiterals(t *testing.T) {
	for mode, want := range map[bool][2]string{
		false: {"vector_store.file_batch", "<nil>"},
		true:  {"vector_store.files_batch", ""},
	} {
		h := newHarness(t, func(c *Config) { c.Conformance = mode })
		s := h.must("POST", "/v1/vector_stores", "{}")
		f := h.upload("/v1", "a.txt", "assistants", "text")["id"]
		b := h.must("POST", fmt.Sprintf("/v1/vector_stores/%s/file_batches", s["id"]), fmt.Sprintf(`{"file_ids":[%q]}`, f))
		list := h.must("GET", "/v1/vector_stores", "")["data"].([]any)[0].(jsonObject)
		for _, name := range []any{s["name"], list["name"]} {
			if got := [2]string{b["object"].(string), fmt.Sprint(name)}; got != want {
				t.Errorf("conformance %t: got %q, want %q", mode, got, want)
			}
		}
	}
}
