package api

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/understudy-dev/understudy"
)

// stage is a server with one object of each kind.
type stage struct {
	*harness
	ids map[string]string // by the names of the path's parameters
}

// set makes the objects.
func (s *stage) set() {
	id := func(path, body string) string { return s.must("POST", "/v1"+path, body)["id"].(string) }
	file := s.upload("a.txt")
	assistant := id("/assistants", `{"model":"m","tools":[{"type":"file_search"}]}`)
	thread := id("/threads", `{"metadata":{"a":"b"}}`)
	vectorStore := id("/vector_stores", `{"name":"x"}`)
	s.ids = map[string]string{
		"assistant_id": assistant, "thread_id": thread, "file_id": file, "vector_store_id": vectorStore, "model": "m", "step_id": "step_x",
		"message_id": id("/threads/"+thread+"/messages", `{"role":"user","content":"hi","attachments":[{"file_id":"`+file+`","tools":[{"type":"code_interpreter"}]}]}`),
		"run_id":     id("/threads/"+thread+"/runs", `{"assistant_id":"`+assistant+`"}`),
		"batch_id":   id("/vector_stores/"+vectorStore+"/file_batches", `{"file_ids":["`+file+`"]}`),
	}
}

func (s *stage) upload(name string) string {
	body := "--b\r\nContent-Disposition: form-data; name=\"purpose\"\r\n\r\nassistants\r\n" +
		"--b\r\nContent-Disposition: form-data; name=\"file\"; filename=\"" + name + "\"\r\n\r\ntext\r\n--b--\r\n"
	r := s.request("POST", "/v1/files", strings.NewReader(body))
	r.Header.Set("Content-Type", "multipart/form-data; boundary=b")
	return decodeObject(s.t, s.serve(r).Body.Bytes())["id"].(string)
}

// prefixes are how requests reach each dialect.
var prefixes = []struct{ path, query, beta string }{
	{"/v1", "", "assistants=v2"},
	{"/v1", "", "assistants=v1"},
	{"/v1", "", ""},
	{"/openai", "api-version=2024-07-01-preview", ""},
	{"/openai", "api-version=2024-05-01-preview", ""},
	{"/openai", "api-version=2024-02-15-preview", ""},
	{"/openai", "api-version=2025-03-01-preview", ""},
	{"/openai/v1", "", ""},
}

// FuzzServer sends requests of any kind to every endpoint of every dialect: all
// are answered with JSON or a stream, and none with an internal error.
func FuzzServer(f *testing.F) {
	var patterns []string
	for _, rows := range Routes() {
		patterns = append(patterns, rows...)
	}
	slices.Sort(patterns)
	patterns = slices.Compact(patterns)
	for i := range patterns {
		f.Add(uint16(i), uint8(i%len(prefixes)), "", "limit=2&order=asc", `{"metadata":{"a":"b"}}`)
		f.Add(uint16(i), uint8(i%len(prefixes)), "../../etc\x00", "after=%zz&include[]=x", `{"model":"m","role":"user","content":"x","query":["x"],"stream":true}`)
	}
	s := &stage{harness: newHarness(f, func(c *Config) {
		files := &searcher{texts: make(map[string]string), db: c.Store, files: c.Files}
		c.Search = files
	})}
	s.set()
	f.Fuzz(func(t *testing.T, pattern uint16, dialect uint8, id, query, body string) {
		s.t = t
		method, path, _ := strings.Cut(patterns[int(pattern)%len(patterns)], " ")
		p := prefixes[int(dialect)%len(prefixes)]
		r := s.fill(method, path, id, body)
		r.URL.Path = p.path + r.URL.Path
		r.URL.RawQuery = strings.Trim(p.query+"&"+query, "&")
		r.Header.Set("OpenAI-Beta", p.beta)
		ctx, cancel := context.WithTimeout(r.Context(), 25*time.Millisecond) // streams of runs that nobody executes
		defer cancel()
		w := s.serve(r.WithContext(ctx))
		if w.Code == http.StatusInternalServerError && ctx.Err() == nil {
			t.Fatalf("%s %s %s: %d %s", method, r.URL, body, w.Code, w.Body)
		}
		if strings.HasPrefix(w.Header().Get("Content-Type"), "application/json") && !json.Valid(w.Body.Bytes()) {
			t.Fatalf("%s %s %s: not JSON: %s", method, r.URL, body, w.Body)
		}
		if method == "DELETE" && w.Code == http.StatusOK {
			s.set()
		}
	})
}

// fill makes a request to path, with id for its last parameter if it is not
// empty, and the ids of the stage for the others.
func (s *stage) fill(method, path, id, body string) *http.Request {
	r := httptest.NewRequest(method, "/", strings.NewReader(body))
	segments := strings.Split(path, "/")
	given := id == ""
	for i, segment := range slices.Backward(segments) {
		name, ok := strings.CutPrefix(segment, "{")
		if !ok {
			continue
		}
		segments[i] = s.ids[strings.TrimRight(name, ".}")]
		if !given {
			segments[i], given = id, true
		}
	}
	r.URL.Path = strings.Join(segments, "/")
	r.Host = "127.0.0.1:8080"
	r.Header.Set("Authorization", "Bearer test")
	r.Header.Set("Content-Type", "application/json")
	return r
}

// FuzzForm uploads forms of any content: what is kept is whole and has a name that
// can be shown, and of what is refused nothing stays.
func FuzzForm(f *testing.F) {
	part := func(disposition, value string) string {
		return "--b\r\nContent-Disposition: form-data; " + disposition + "\r\n\r\n" + value + "\r\n"
	}
	f.Add(part(`name="purpose"`, "assistants") + part(`name="file"; filename="a.csv"`, "1,2") + "--b--\r\n")
	f.Add(part(`name="file"; filename*=utf-8''%E4%BD%A0.txt`, "") + part(`name="purpose"`, "vision") + part(`name="expires_after[seconds]"`, "3600") + "--b--")
	f.Add(part(`name="file"`, "x") + part(`name="file"`, "y") + "--b--\r\n")
	f.Add(part(`name="purpose"`, "assistants") + part(`name="file"; filename="../../a.txt"`, "cut"))
	h := newHarness(f, nil)
	f.Fuzz(func(t *testing.T, body string) {
		h.t = t
		r := h.request("POST", "/v1/files", strings.NewReader(body))
		r.Header.Set("Content-Type", "multipart/form-data; boundary=b")
		w := h.serve(r)
		if w.Code == http.StatusInternalServerError {
			t.Fatalf("%q: %s", body, w.Body)
		}
		var file understudy.File
		if w.Code == http.StatusOK {
			if err := json.Unmarshal(w.Body.Bytes(), &file); err != nil {
				t.Fatal(err)
			}
			if file.Filename == "" || !utf8.ValidString(file.Filename) {
				t.Errorf("%q: got name %q", body, file.Filename)
			}
			content := h.do("GET", "/v1/files/"+file.ID+"/content", "")
			if content.Code != http.StatusOK || int64(content.Body.Len()) != file.Bytes || !strings.Contains(body, content.Body.String()) {
				t.Errorf("%q: got %d bytes of %d", body, content.Body.Len(), file.Bytes)
			}
			h.must("DELETE", "/v1/files/"+file.ID, "")
		}
		left, err := os.ReadDir(h.blobs)
		if err != nil {
			t.Fatal(err)
		}
		for _, entry := range left {
			if info, err := entry.Info(); err == nil && info.Mode().IsRegular() {
				t.Errorf("%q: %s stays", body, entry.Name())
			}
		}
	})
}

// FuzzEventWriter checks that one event is written as one event, whatever is in it.
func FuzzEventWriter(f *testing.F) {
	f.Add("a\nb\r\ndata: c\u2028\x00\xff")
	f.Fuzz(func(t *testing.T, text string) {
		data, err := understudy.Encode(map[string]string{"text": text})
		if err != nil {
			t.Fatal(err)
		}
		var o eventWriter
		o.event("thread.message.delta", data)
		o.fail(fmt.Errorf("internal: %s", text))
		o.fail(understudy.Invalid("%s", text))
		events := strings.SplitAfter(o.buf.String(), "\n\n")
		if len(events) != 4 || events[3] != "" {
			t.Fatalf("%q: three events became %q", text, events)
		}
		for _, e := range events[:3] {
			lines := strings.FieldsFunc(e, func(r rune) bool { return r == '\n' || r == '\r' })
			data, ok := strings.CutPrefix(lines[1], "data: ")
			if len(lines) != 2 || !ok || !json.Valid([]byte(data)) {
				t.Fatalf("%q: got event %q", text, e)
			}
		}
	})
}
