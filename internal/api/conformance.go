package api

import (
	"bytes"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/understudy-dev/understudy"
	"github.com/understudy-dev/understudy/internal/store"
)

// conformance serves the test suites that are generated with the official SDKs.
// They send ids of objects that nobody made ("assistant_id", "vs_abc123") and
// check whether the answer is of the SDK's type. For such a request, real objects
// are made through the API itself (provision.go), the ids replaced by theirs, and
// the request is handed to the real handler; afterwards they are deleted. No
// answer is made up; how some are shown is specView's to say.
//
// It is not for production: a misspelt id is answered there with 404, not here.
type conformance struct {
	next     http.Handler
	db       *store.DB
	log      *slog.Logger
	stopping <-chan struct{} // Config.Stopping
}

// placeholder reports whether an id cannot be one that a server has made: those
// have at least 16 characters after their prefix.
func placeholder(id string) bool {
	return id != "" && len(id)-1-strings.LastIndexAny(id, "_-") < 16
}

func (c *conformance) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	clean, usable := canonical(r)
	prefix, path, ok := splitPath(clean.URL.Path)
	if _, err := url.ParseQuery(r.URL.RawQuery); err != nil || !usable || !ok {
		c.next.ServeHTTP(w, r)
		return
	}
	if r.ContentLength != 0 {
		_ = http.NewResponseController(w).SetReadDeadline(time.Now().Add(bodyTimeout)) // as the front would
	}
	p := &provision{conformance: c, r: r, prefix: prefix, made: make(map[string]string)}
	defer p.cleanUp()
	q, err := p.rewrite(path)
	if err != nil {
		// What is wrong is wrong with the request itself, a missing key for example:
		// the real handler says so.
		c.log.InfoContext(r.Context(), "conformance: nothing was provisioned", "path", r.URL.Path, "err", err)
		q = r
	}
	c.next.ServeHTTP(w, q)
	_ = http.NewResponseController(w).Flush() // the client need not wait until all is cleaned up
}

// splitPath returns the dialect's prefix of a path and the segments after it.
func splitPath(path string) (prefix string, segments []string, ok bool) {
	for _, prefix := range []string{"/v1", "/openai/v1", "/openai"} {
		if rest, ok := strings.CutPrefix(path, prefix+"/"); ok {
			return prefix, strings.Split(strings.Trim(rest, "/"), "/"), true
		}
	}
	return "", nil, false
}

// endpoint returns the route that path names, with {} for ids.
func endpoint(method string, path []string) string {
	shape := slices.Clone(path)
	for i := 1; i < len(shape); i += 2 {
		if !(i == 1 && shape[0] == "threads" && shape[1] == "runs") {
			shape[i] = "{}"
		}
	}
	return method + " " + strings.Join(shape, "/")
}

// adjustments are placeholders that the contract refuses, so that the suites
// could not pass against the hosted API either. They are changed here and
// nowhere else. body is never nil.
var adjustments = map[string]func(p *provision, body map[string]any){
	"POST assistants":   func(_ *provision, body map[string]any) { oneStore(body) },
	"POST threads":      func(_ *provision, body map[string]any) { oneStore(body) },
	"POST threads/runs": func(_ *provision, body map[string]any) { oneStore(body["thread"]) },
	// An output belongs to a call, and each call has one output; the suites send {},
	// and some the same call thrice.
	"POST threads/{}/runs/{}/submit_tool_outputs": func(p *provision, body map[string]any) {
		outputs, _ := body["tool_outputs"].([]any)
		for i, o := range outputs {
			if o, ok := o.(map[string]any); ok && i < len(p.calls) {
				o["tool_call_id"] = p.calls[i]
			}
		}
	},
	// file_ids and files exclude each other, and one is needed; the suites send both
	// or neither.
	"POST vector_stores/{}/file_batches": func(_ *provision, body map[string]any) {
		switch {
		case body["files"] != nil:
			for _, k := range []string{"file_ids", "attributes", "chunking_strategy"} {
				delete(body, k)
			}
		case body["file_ids"] == nil:
			body["file_ids"] = []any{"file_id"}
		}
	},
	// A checksum has to be the file's; the suites send the word md5.
	"POST uploads/{}/complete": func(_ *provision, body map[string]any) { delete(body, "md5") },
}

// queryAdjustments are the same for queries, from which these values are removed.
var queryAdjustments = map[string]string{
	"limit":   "0",       // a limit is from 1 to 100
	"purpose": "purpose", // no file has this purpose, so that no cursor could be right
}

// oneStore removes vector_stores from the tool resources of an assistant or a
// thread that names vector_store_ids too: they exclude each other, and the suites
// send both.
func oneStore(v any) {
	object, _ := v.(map[string]any)
	resources, _ := object["tool_resources"].(map[string]any)
	if search, _ := resources["file_search"].(map[string]any); search["vector_store_ids"] != nil {
		delete(search, "vector_stores")
	}
}

// rewrite returns the request with real ids in its path, query and body, and
// leaves the request itself as it is.
func (p *provision) rewrite(path []string) (*http.Request, error) {
	body, isJSON, err := p.readBody()
	if err != nil {
		return nil, err
	}
	query := p.r.URL.Query()
	p.endpoint, p.siblings = endpoint(p.r.Method, path), 1
	if outputs, ok := body["tool_outputs"].([]any); ok {
		p.outputs = len(outputs)
	}
	if placeholder(query.Get("after")) || placeholder(query.Get("before")) {
		p.siblings = 3 // one before, one after, and one to be listed
	}
	path, err = p.path(path, query)
	if err != nil {
		return nil, err
	}
	if err := p.query(path, query); err != nil {
		return nil, err
	}
	q := p.r.Clone(p.r.Context())
	q.URL.Path, q.URL.RawPath, q.URL.RawQuery = p.prefix+"/"+strings.Join(path, "/"), "", query.Encode()
	if isJSON {
		if adjust, ok := adjustments[p.endpoint]; ok {
			adjust(p, body)
		}
		v, err := p.value("", body)
		if err != nil {
			return nil, err
		}
		text, err := json.Marshal(v)
		if err != nil {
			return nil, err
		}
		q.Body, q.ContentLength = io.NopCloser(bytes.NewReader(text)), int64(len(text))
	}
	return q, nil
}

// readBody reads a body that is one JSON object, or empty. The request's body
// can be read again.
func (p *provision) readBody() (body map[string]any, isJSON bool, err error) {
	if p.r.Method != http.MethodPost || strings.HasPrefix(p.r.Header.Get("Content-Type"), "multipart/") {
		return nil, false, nil
	}
	text, err := io.ReadAll(io.LimitReader(p.r.Body, maxBody+1))
	rest := p.r.Body
	p.r.Body = struct {
		io.Reader
		io.Closer
	}{io.MultiReader(bytes.NewReader(text), rest), rest}
	switch {
	case err != nil:
		return nil, false, err
	case len(bytes.TrimSpace(text)) == 0:
		return map[string]any{}, true, nil
	}
	dec := json.NewDecoder(bytes.NewReader(text))
	dec.UseNumber()
	if len(text) > maxBody || tooDeep(text) || dec.Decode(&body) != nil || body == nil || dec.More() {
		return nil, false, nil // the handler says what is wrong with it
	}
	return body, true, nil
}

// query replaces cursors and what else the contract refuses in a query.
func (p *provision) query(path []string, query url.Values) error {
	for name, sent := range queryAdjustments {
		if query.Get(name) == sent {
			query.Del(name)
		}
	}
	after, before := placeholder(query.Get("after")), placeholder(query.Get("before"))
	if !after && !before {
		return nil
	}
	look := url.Values{"limit": {"3"}}
	for _, name := range []string{"order", "run_id"} {
		if v := query.Get(name); v != "" {
			look.Set(name, v)
		}
	}
	list, err := p.ask(http.MethodGet, path, look, nil)
	if err != nil {
		return err
	}
	items, _ := list["data"].([]any)
	cursor := func(name string, replace bool, i int) {
		if !replace {
			return
		}
		query.Del(name)
		item, _ := items[i].(map[string]any)
		if id, ok := item["id"].(string); ok {
			query.Set(name, id)
		}
	}
	if len(items) > 0 {
		cursor("after", after, 0)
		cursor("before", before && (!after || len(items) > 1), len(items)-1)
	}
	return nil
}

// opaque are the fields of bodies in which nothing is an id.
var opaque = []string{"metadata", "attributes", "parameters", "schema", "filters"}

// value returns v, the value of the field key, with real ids.
func (p *provision) value(key string, v any) (any, error) {
	var err error
	switch v := v.(type) {
	case map[string]any:
		for k, inner := range v {
			if slices.Contains(opaque, k) {
				continue
			}
			if v[k], err = p.value(k, inner); err != nil {
				return nil, err
			}
		}
	case []any:
		for i, inner := range v {
			if v[i], err = p.value(key, inner); err != nil {
				return nil, err
			}
		}
	case string:
		if placeholder(v) {
			return p.id(key, v)
		}
	}
	return v, nil
}

// id returns the id of a real object for a placeholder in the field key. The
// same placeholder is the same object throughout a request.
func (p *provision) id(key, name string) (string, error) {
	var provide func() (string, error)
	switch key {
	case "assistant_id":
		provide = p.assistant
	case "file_id", "file_ids":
		provide = p.file
	case "vector_store_ids":
		provide = p.vectorStore
	case "part_ids":
		return p.part, nil
	default:
		return name, nil
	}
	kind := strings.TrimSuffix(key, "s")
	if id, ok := p.made[kind+name]; ok {
		return id, nil
	}
	id, err := provide()
	p.made[kind+name] = id
	return id, err
}

// specView returns a view that shows objects first as the published description
// has them, where the wire is otherwise: the SDKs' types are made of the former.
// show, which may be nil, is the dialect's own.
func specView(show func(any) (any, error)) func(any) (any, error) {
	return func(v any) (any, error) {
		switch o := v.(type) {
		case *understudy.FileBatch:
			b := *o
			b.Object = "vector_store.files_batch" // on the wire: vector_store.file_batch
			v = &b
		case *understudy.VectorStore:
			v = named(o)
		case understudy.List[*understudy.VectorStore]:
			o.Data = each(o.Data, named)
			v = o
		}
		if show == nil {
			return v, nil
		}
		return show(v)
	}
}

// named returns a vector store with a name, which can be null on the wire.
func named(v *understudy.VectorStore) *understudy.VectorStore {
	s := *v
	if s.Name == nil {
		s.Name = new("")
	}
	return &s
}
