package contract

import (
	"bytes"
	"cmp"
	"encoding/json"
	"fmt"
	"io"
	"mime"
	"mime/multipart"
	"net/http"
	"net/textproto"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"
)

// object is a JSON object.
type object = map[string]any

// list is a JSON array.
type list = []any

// dig returns what is at the end of a path of keys and indexes, or nil.
func dig(v any, path ...any) any {
	for _, p := range path {
		switch p := p.(type) {
		case string:
			o, _ := v.(object)
			v = o[p]
		case int:
			l, _ := v.(list)
			if p >= len(l) {
				return nil
			}
			v = l[p]
		}
	}
	return v
}

// text returns the string at the end of a path, or "".
func text(v any, path ...any) string {
	s, _ := dig(v, path...).(string)
	return s
}

// items returns the list at the end of a path.
func items(v any, path ...any) list {
	l, _ := dig(v, path...).(list)
	return l
}

// client speaks a dialect. The answers to all that it says are checked.
type client struct {
	t       *testing.T
	url     string
	dialect *dialect
	http    *http.Client
}

func newClient(t *testing.T, url string, d *dialect, r *recorder) *client {
	return &client{t: t, url: url + d.prefix, dialect: d, http: &http.Client{Transport: r}}
}

// send sends a request and returns the answer's media type and body.
func (c *client) send(status int, method, path, contentType string, body io.Reader) (media string, answer []byte) {
	c.t.Helper()
	u, err := url.Parse(c.url + path)
	if err != nil {
		c.t.Fatal(err)
	}
	query := u.Query()
	if c.dialect.version != "" {
		query.Set("api-version", c.dialect.version)
	}
	u.RawQuery = query.Encode()
	req, err := http.NewRequestWithContext(c.t.Context(), method, u.String(), body)
	if err != nil {
		c.t.Fatal(err)
	}
	if contentType != "" {
		req.Header.Set("Content-Type", contentType)
	}
	for name, value := range c.dialect.header {
		req.Header.Set(name, value)
	}
	resp, err := c.http.Do(req)
	if err != nil {
		c.t.Fatal(err)
	}
	defer resp.Body.Close()
	answer, err = io.ReadAll(resp.Body)
	if err != nil {
		c.t.Fatalf("%s %s: %v", method, path, err)
	}
	if resp.StatusCode != status {
		c.t.Fatalf("%s %s: %s instead of %d\n%s", method, path, resp.Status, status, answer)
	}
	media, _, _ = mime.ParseMediaType(resp.Header.Get("Content-Type")) // an empty one is as wrong
	return media, answer
}

// call sends body as JSON, unless it is nil, and returns the answer.
func (c *client) call(status int, method, path string, body any) object {
	c.t.Helper()
	var reader io.Reader = http.NoBody
	contentType := ""
	if body != nil {
		b, err := json.Marshal(body)
		if err != nil {
			c.t.Fatal(err)
		}
		reader, contentType = bytes.NewReader(b), "application/json"
	}
	_, answer := c.send(status, method, path, contentType, reader)
	var o object
	if err := json.Unmarshal(answer, &o); err != nil {
		c.t.Fatalf("%s %s: %v\n%s", method, path, err, answer)
	}
	return o
}

func (c *client) get(path string) object { c.t.Helper(); return c.call(200, "GET", path, nil) }
func (c *client) post(path string, body any) object {
	c.t.Helper()
	return c.call(200, "POST", path, body)
}
func (c *client) delete(path string) object { c.t.Helper(); return c.call(200, "DELETE", path, nil) }

// make posts body and returns the new object's id.
func (c *client) make(path string, body any) string {
	c.t.Helper()
	id := text(c.post(path, body), "id")
	if id == "" {
		c.t.Fatalf("POST %s: no id", path)
	}
	return id
}

// form sends a form with a file and other fields.
func (c *client) form(status int, path, field, filename, content string, fields map[string]string) object {
	c.t.Helper()
	var b bytes.Buffer
	w := multipart.NewWriter(&b)
	for name, value := range fields {
		_ = w.WriteField(name, value) // to memory
	}
	part, err := w.CreatePart(textproto.MIMEHeader{
		"Content-Disposition": {fmt.Sprintf(`form-data; name=%q; filename=%q`, field, filename)}, "Content-Type": {"application/octet-stream"}})
	if err != nil {
		c.t.Fatal(err)
	}
	_, _ = io.WriteString(part, content) // to memory
	_ = w.Close()                        // to memory
	_, answer := c.send(status, "POST", path, w.FormDataContentType(), &b)
	var o object
	if err := json.Unmarshal(answer, &o); err != nil {
		c.t.Fatalf("POST %s: %v\n%s", path, err, answer)
	}
	return o
}

// upload uploads a file and returns its id.
func (c *client) upload(filename, purpose, content string) string {
	c.t.Helper()
	return text(c.form(200, "/files", "file", filename, content, map[string]string{"purpose": purpose}), "id")
}

// download returns the content of a file.
func (c *client) download(path string) string {
	c.t.Helper()
	media, content := c.send(200, "GET", path, "", http.NoBody)
	if media == "application/json" {
		c.t.Errorf("GET %s: the media type is that of an object", path)
	}
	return string(content)
}

// stream posts body, and returns the names of the events of the answer.
func (c *client) stream(path string, body object) []string {
	c.t.Helper()
	b, err := json.Marshal(body)
	if err != nil {
		c.t.Fatal(err)
	}
	media, answer := c.send(200, "POST", path, "application/json", bytes.NewReader(b))
	if media != "text/event-stream" {
		c.t.Fatalf("POST %s: media type %q", path, media)
	}
	events, err := parseEvents(string(answer))
	if err != nil {
		c.t.Fatal(err)
	}
	var names []string
	for _, e := range events {
		names = append(names, text(e, "event"))
	}
	return names
}

// await asks for the object at path until done says that it is as it has to be.
func (c *client) await(path string, done func(object) bool) object {
	c.t.Helper()
	tick := time.NewTicker(10 * time.Millisecond) // another process: asking is all there is
	defer tick.Stop()
	deadline := time.After(time.Minute)
	for {
		o := c.get(path)
		if done(o) {
			return o
		}
		select {
		case <-tick.C:
		case <-deadline:
			c.t.Fatalf("GET %s: after a minute it is still %v", path, o)
		}
	}
}

// settled tells whether a run's status, a store's, or that of anything in one
// does not change by itself.
func settled(o object) bool {
	switch o["status"] {
	case "queued", "in_progress", "cancelling":
		return false
	}
	return true
}

// has tells whether a list has at least n objects.
func has(n int) func(object) bool {
	return func(o object) bool { return len(items(o, "data")) >= n }
}

// parseEvents returns the events of a stream as the specifications describe
// them: the name in "event", and what is sent in "data".
func parseEvents(text string) ([]object, error) {
	var events []object
	for block := range strings.SplitSeq(text, "\n\n") {
		if strings.TrimSpace(block) == "" || strings.HasPrefix(block, ":") {
			continue
		}
		e := object{}
		for line := range strings.SplitSeq(block, "\n") {
			field, value, _ := strings.Cut(line, ": ")
			switch field {
			case "event":
				e["event"] = value
			case "data":
				var data any
				if err := json.Unmarshal([]byte(value), &data); err != nil {
					data = value
				}
				e["data"] = data
			default:
				return nil, fmt.Errorf("a stream has the line %q", line)
			}
		}
		if e["event"] == nil {
			return nil, fmt.Errorf("an event without a name: %q", block)
		}
		events = append(events, e)
	}
	return events, nil
}

// recorder is a transport that checks every answer.
type recorder struct {
	dialect *dialect
	routes  *http.ServeMux // tells the pattern of a request
	specs   map[string]*spec

	mu       sync.Mutex
	report   func(d difference, route string)
	answered map[string]bool // patterns that were answered with success
	answers  int             // that were checked
	events   int             // that were checked
}

// RoundTrip implements [http.RoundTripper].
func (r *recorder) RoundTrip(req *http.Request) (*http.Response, error) {
	resp, err := http.DefaultTransport.RoundTrip(req)
	if err != nil {
		return nil, err
	}
	body, err := io.ReadAll(resp.Body)
	resp.Body.Close()
	if err != nil {
		return nil, err
	}
	resp.Body = io.NopCloser(bytes.NewReader(body))
	bare := req.Clone(req.Context())
	bare.URL.Path = strings.TrimPrefix(req.URL.Path, r.dialect.prefix)
	_, route := r.routes.Handler(bare)
	r.mu.Lock()
	defer r.mu.Unlock()
	if resp.StatusCode < 300 {
		r.answered[route] = true
	}
	return resp, r.check(route, resp, body)
}

func (r *recorder) check(route string, resp *http.Response, body []byte) error {
	media, _, err := mime.ParseMediaType(resp.Header.Get("Content-Type"))
	if err != nil {
		return fmt.Errorf("%s: %w", route, err)
	}
	switch media {
	case "application/json":
		var v any
		if err := json.Unmarshal(body, &v); err != nil {
			return fmt.Errorf("%s: %w", route, err)
		}
		r.answers++
		for _, group := range r.dialect.specs {
			r.answer(group, route, resp.StatusCode, v)
		}
	case "text/event-stream":
		events, err := parseEvents(string(body))
		if err != nil {
			return err
		}
		r.answers++
		r.events += len(events)
		for _, group := range r.dialect.specs {
			r.stream(group, route, events)
		}
	}
	return nil
}

// answer checks an answer against the first specification of a group that has
// the route.
func (r *recorder) answer(group []string, route string, status int, v any) {
	report := func(d difference) { r.report(d, route) }
	if status >= 400 {
		name := cmp.Or(r.dialect.errors, group[0])
		(&checker{spec: name, report: report}).check(route, r.specs[name].component("ErrorResponse"), v)
		return
	}
	for i, name := range group {
		ref, why := r.specs[name].response(route, status)
		switch {
		case why == "":
			(&checker{spec: name, report: report}).check(route, ref, v)
			return
		case i == len(group)-1:
			report(difference{spec: name, place: route, kind: why, detail: fmt.Sprint(status)})
		}
	}
}

func (r *recorder) stream(group []string, route string, events []object) {
	for _, name := range group {
		ref := r.specs[name].component("AssistantStreamEvent")
		if ref == nil {
			continue
		}
		c := &checker{spec: name, report: func(d difference) { r.report(d, route) }}
		for _, e := range events {
			c.check(route, ref, e)
		}
		return
	}
	r.report(difference{spec: group[0], place: route, kind: noSchema, detail: "a stream"}, route)
}
