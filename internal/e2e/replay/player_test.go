package replay

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"mime"
	"mime/multipart"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"
)

// player sends the requests of a recording to the server and compares the
// answers with the recorded ones.
type player struct {
	t          *testing.T
	url        string
	rec        *recording
	ids        map[string]string            // recorded to ours
	walks      map[string]map[string]string // those of lists in no order, by the order that was asked for
	unfinished bool                         // the recorded run was not over at the last look
	report     func(difference)
}

// answer is an answer of ours.
type answer struct {
	status int
	header http.Header
	media  string
	body   any // nil if it is a stream
	events []event
}

// play returns how many answers it compared.
func (p *player) play() (compared int) {
	p.t.Helper()
	all := p.rec.exchanges
	for i := range all {
		x := &all[i]
		if x.runStatus() != "" && i+1 < len(all) && all[i+1].URI == x.URI && all[i+1].Method == x.Method {
			continue // one of several looks at a run: the last counts
		}
		p.provideFiles(x)
		ids := p.known(x)
		p.compare(x, p.poll(x, p.send(x, ids), ids), ids)
		compared++
	}
	return compared
}

// noteRun notes whether the run in a recorded answer is over.
func (p *player) noteRun(v any) {
	switch v := v.(type) {
	case []any:
		for _, e := range v {
			p.noteRun(e)
		}
	case object:
		if v["object"] == "thread.run" {
			p.unfinished = transient(v["status"])
		}
		p.noteRun(v["data"])
	}
}

// poll asks again while ours is still on its way to where the recorded one was.
func (p *player) poll(x *exchange, got answer, ids map[string]string) answer {
	p.t.Helper()
	tick := time.NewTicker(20 * time.Millisecond) // another process: asking is all there is
	defer tick.Stop()
	deadline := time.After(time.Minute)
	// Files of vector stores are waited for in any case: which of them are first is chance.
	wait := x.Method == "GET" && (!anyTransient(x.Body) || strings.HasPrefix(x.path(), "/vector_stores/"))
	for wait && anyTransient(got.body) {
		select {
		case <-tick.C:
			got = p.send(x, ids)
		case <-deadline:
			p.t.Fatalf("%s: after a minute it is still %v", x.URI, got.body)
		}
	}
	return got
}

// anyTransient tells whether an object, or one in a list, will change by itself.
func anyTransient(v any) bool {
	data, _ := dig(v, "data").([]any)
	return transient(dig(v, "status")) || slices.ContainsFunc(data, anyTransient)
}

// known returns the ids that are known to the request. In a list in no order ours
// are other files than the recorded ones, page by page, so that its walk has ids
// of its own for files.
func (p *player) known(x *exchange) map[string]string {
	if !x.unordered() {
		return p.ids
	}
	path, query, _ := strings.Cut(x.path(), "?")
	values, err := url.ParseQuery(query)
	if err != nil {
		p.t.Fatal(err)
	}
	walk := path + " " + values.Get("order")
	if p.walks[walk] == nil || !values.Has("after") && !values.Has("before") {
		ids := maps.Clone(p.ids)
		maps.DeleteFunc(ids, func(id, _ string) bool { return strings.HasPrefix(id, "file-") })
		p.walks[walk] = ids
	}
	return p.walks[walk]
}

func (p *player) compare(x *exchange, got answer, ids map[string]string) {
	p.t.Helper()
	route := x.route()
	report := func(where, kind, detail string) {
		p.report(difference{recording: p.rec.name, where: where, kind: kind, detail: detail})
	}
	if got.status != x.Status {
		report(route, status, fmt.Sprintf("%d instead of %d: %v", got.status, x.Status, got.body))
		return
	}
	p.headers(x, got, report)
	c := &comparison{ids: ids, model: p.rec.model, report: report, exact: x.Method != "GET", account: x.wholeAccount()}
	events, ok, err := x.stream()
	if err != nil {
		p.t.Fatal(err)
	}
	if ok {
		for _, e := range events {
			p.noteRun(e.data)
		}
		c.stream(route, events, got.events)
		return
	}
	p.noteRun(x.Body)
	c.growing = p.unfinished
	c.value(route+" $", x.Body, got.body)
}

// headers compares the names of the headers, and the media type.
func (p *player) headers(x *exchange, got answer, report func(where, kind, detail string)) {
	if media, _, _ := mime.ParseMediaType(x.Headers["Content-Type"]); media != got.media {
		report(x.route()+" header Content-Type", wrongValue, got.media+" instead of "+media)
	}
	for name := range x.Headers {
		switch http.CanonicalHeaderKey(name) {
		case "Date", "Content-Length", "Transfer-Encoding": // HTTP libraries' own
		default:
			if got.header.Get(name) == "" {
				report(x.route()+" header "+name, missingKey, "recorded")
			}
		}
	}
}

// send sends a recorded request with our ids in it.
func (p *player) send(x *exchange, ids map[string]string) answer {
	p.t.Helper()
	body, contentType := p.body(x)
	req, err := http.NewRequestWithContext(p.t.Context(), x.Method, p.url+"/v1"+replaceIDs(x.path(), ids), body)
	if err != nil {
		p.t.Fatal(err)
	}
	for k, v := range x.RequestHeaders {
		req.Header.Set(k, v)
	}
	if contentType != "" {
		req.Header.Set("Content-Type", contentType)
	}
	req.Header.Set("Authorization", "Bearer test")
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		p.t.Fatal(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		p.t.Fatalf("%s %s: %v", x.Method, x.URI, err)
	}
	media, _, _ := mime.ParseMediaType(resp.Header.Get("Content-Type")) // compared later
	got := answer{status: resp.StatusCode, header: resp.Header, media: media}
	switch media {
	case "text/event-stream":
		got.events, err = parseEvents(string(text))
	case "application/json":
		err = json.Unmarshal(text, &got.body)
	}
	if err != nil {
		p.t.Fatalf("%s %s: %v\n%s", x.Method, x.URI, err, text)
	}
	return got
}

// body returns what to send, and its type if it is not the recorded one.
func (p *player) body(x *exchange) (_ io.Reader, contentType string) {
	p.t.Helper()
	if strings.HasPrefix(x.RequestHeaders["Content-Type"], "multipart/form-data") {
		return p.multipart(x)
	}
	recorded, ok := x.RequestBody.(object)
	if x.RequestBody == nil {
		recorded, ok = p.rec.uploadRequest(x), true
	}
	if !ok {
		p.t.Fatalf("%s %s: a request of %T", x.Method, x.URI, x.RequestBody)
	}
	if recorded == nil {
		return http.NoBody, ""
	}
	sent := make(object, len(recorded))
	maps.Copy(sent, recorded)
	if name, ok := sent["model"].(string); ok {
		sent["model"] = p.rec.model(name)
	}
	b, err := json.Marshal(sent)
	if err != nil {
		p.t.Fatal(err)
	}
	return strings.NewReader(replaceIDs(string(b), p.ids)), ""
}

// multipart returns a form with a file, or a part of one, in place of the recorded
// one, which recordings lack.
func (p *player) multipart(x *exchange) (_ io.Reader, contentType string) {
	p.t.Helper()
	if x.route() == "POST /uploads/{id}/parts" {
		return form(p.t, "data", "blob", p.rec.part(x), nil)
	}
	purpose, _ := dig(x.Body, "purpose").(string)
	filename, _ := dig(x.Body, "filename").(string)
	if message, _ := dig(x.Body, "error", "message").(string); message != "" {
		if quoted := regexp.MustCompile(`'([^']+)' is not one of`).FindStringSubmatch(message); quoted != nil {
			purpose, filename = quoted[1], "file.txt" // recordings do not tell the names of refused files
		}
	}
	size, _ := dig(x.Body, "bytes").(float64)
	return form(p.t, "file", filename, p.rec.sample(filename, int(size)), map[string]string{"purpose": purpose})
}

// form returns a form with a file and other fields.
func form(t *testing.T, field, filename string, content []byte, fields map[string]string) (_ io.Reader, contentType string) {
	t.Helper()
	var b bytes.Buffer
	w := multipart.NewWriter(&b)
	part, err := w.CreateFormFile(field, filename)
	if err != nil {
		t.Fatal(err)
	}
	_, _ = part.Write(content) // to memory
	for name, value := range fields {
		_ = w.WriteField(name, value) // to memory
	}
	_ = w.Close() // to memory
	return &b, w.FormDataContentType()
}

// provideFiles uploads a file for every id of one in the request that was
// uploaded before the recording began.
func (p *player) provideFiles(x *exchange) {
	p.t.Helper()
	b, err := json.Marshal(x.RequestBody)
	if err != nil {
		p.t.Fatal(err)
	}
	for _, id := range idPattern.FindAllString(string(b), -1) {
		if _, ok := p.ids[id]; ok || !strings.HasPrefix(id, "file-") {
			continue
		}
		body, contentType := form(p.t, "file", "file.txt", []byte("A file of the replay.\n"), map[string]string{"purpose": "assistants"})
		req, err := http.NewRequestWithContext(p.t.Context(), "POST", p.url+"/v1/files", body)
		if err != nil {
			p.t.Fatal(err)
		}
		req.Header.Set("Authorization", "Bearer test")
		req.Header.Set("Content-Type", contentType)
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			p.t.Fatal(err)
		}
		var file struct{ ID string }
		err = json.NewDecoder(resp.Body).Decode(&file)
		resp.Body.Close()
		if err != nil || file.ID == "" {
			p.t.Fatalf("upload: %s, %v", resp.Status, err)
		}
		p.ids[id] = file.ID
	}
}
