package replay

import (
	"bytes"
	"encoding/json"
	"fmt"
	"image"
	"image/png"
	"io"
	"maps"
	"mime"
	"mime/multipart"
	"net/http"
	"path"
	"regexp"
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
	ids        map[string]string // recorded to ours
	unfinished bool              // the recorded run was not over at the last look
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
		got := p.send(x)
		if s := x.runStatus(); s != "" && !transient(s) {
			got = p.poll(x, got)
		}
		p.compare(x, got)
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

// poll waits for the status that the recorded run has, or another that does not
// change by itself.
func (p *player) poll(x *exchange, got answer) answer {
	p.t.Helper()
	tick := time.NewTicker(20 * time.Millisecond) // another process: asking is all there is
	defer tick.Stop()
	deadline := time.After(time.Minute)
	for transient(dig(got.body, "status")) {
		select {
		case <-tick.C:
			got = p.send(x)
		case <-deadline:
			p.t.Fatalf("%s: still %v after a minute", x.URI, dig(got.body, "status"))
		}
	}
	return got
}

func (p *player) compare(x *exchange, got answer) {
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
	c := &comparison{ids: p.ids, model: p.rec.model, report: report, exact: x.Method != "GET", account: x.wholeAccount()}
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
func (p *player) send(x *exchange) answer {
	p.t.Helper()
	body, contentType := p.body(x)
	req, err := http.NewRequestWithContext(p.t.Context(), x.Method, p.url+"/v1"+replaceIDs(x.path(), p.ids), body)
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
		purpose, _ := dig(x.Body, "purpose").(string)
		filename, _ := dig(x.Body, "filename").(string)
		if message, _ := dig(x.Body, "error", "message").(string); message != "" {
			if quoted := regexp.MustCompile(`'([^']+)' is not one of`).FindStringSubmatch(message); quoted != nil {
				purpose, filename = quoted[1], "file.txt" // recordings do not tell the names of refused files
			}
		}
		return form(p.t, filename, purpose)
	}
	if x.RequestBody == nil {
		return http.NoBody, ""
	}
	recorded, ok := x.RequestBody.(object)
	if !ok {
		p.t.Fatalf("%s %s: a request of %T", x.Method, x.URI, x.RequestBody)
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

// form returns a form that uploads a file, whose content recordings lack.
func form(t *testing.T, filename, purpose string) (_ io.Reader, contentType string) {
	t.Helper()
	var b bytes.Buffer
	w := multipart.NewWriter(&b)
	part, err := w.CreateFormFile("file", filename)
	if err != nil {
		t.Fatal(err)
	}
	content, err := sample(filename)
	if err != nil {
		t.Fatal(err)
	}
	_, _ = part.Write(content)           // to memory
	_ = w.WriteField("purpose", purpose) // to memory
	_ = w.Close()                        // to memory
	return &b, w.FormDataContentType()
}

// sample returns content that suits a name.
func sample(filename string) ([]byte, error) {
	switch {
	case path.Ext(filename) == ".png":
		var b bytes.Buffer
		err := png.Encode(&b, image.NewGray(image.Rect(0, 0, 8, 8)))
		return b.Bytes(), err
	case strings.HasSuffix(filename, "csv"):
		return []byte("x,y\n1,3\n4,9,\n6,13"), nil // the recorded programs expect, and mend, a comma too many
	default:
		return []byte("A file of the replay.\n"), nil
	}
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
		body, contentType := form(p.t, "file.txt", "assistants")
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
