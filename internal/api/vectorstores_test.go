package api

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/understudy-dev/understudy"
	"github.com/understudy-dev/understudy/internal/blob"
	"github.com/understudy-dev/understudy/internal/store"
)

// searcher ingests files at once, unless it is told to wait, and finds those that
// contain a query.
type searcher struct {
	db    *store.DB
	files *blob.Dir

	mu    sync.Mutex
	wait  bool
	texts map[string]string // by segment
	asked []understudy.SearchRequest
	err   error
}

func (s *searcher) Ingest() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.wait {
		return
	}
	ctx := context.Background()
	for {
		c, _, f, err := s.db.ClaimIngestion(ctx, "test", time.Minute)
		if errors.Is(err, store.ErrNotClaimable) {
			return
		}
		text, err := s.read(f)
		switch {
		case err != nil:
		case strings.HasSuffix(f.Filename, ".png"):
			err = s.db.FailIngestion(ctx, c, understudy.VectorStoreFileError{Code: understudy.VectorStoreFileUnsupported, Message: "No text."})
		default:
			s.texts[c.Segment] = text
			err = s.db.FinishIngestion(ctx, c, int64(len(text))+1024)
		}
		if s.err = err; err != nil {
			return
		}
	}
}

func (s *searcher) read(f *understudy.File) (string, error) {
	r, err := s.files.Open(f.ID)
	if err != nil {
		return "", err
	}
	defer r.Close()
	text, err := io.ReadAll(r)
	return string(text), err
}

func (s *searcher) Search(ctx context.Context, storeIDs []string, q understudy.SearchRequest) ([]understudy.SearchHit, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.asked = append(s.asked, q)
	files, err := s.db.IndexedFiles(ctx, storeIDs...)
	if err != nil {
		return nil, err
	}
	var hits []understudy.SearchHit
	for _, f := range files {
		text := s.texts[f.Segment]
		for _, query := range q.Queries {
			if strings.Contains(text, query) && q.Filter.Match(f.Attributes) && len(hits) < q.MaxResults {
				hits = append(hits, understudy.SearchHit{StoreID: f.StoreID, FileID: f.FileID, Filename: f.Filename, Score: 1, Attributes: f.Attributes, Text: text})
			}
		}
	}
	return hits, nil
}

func (s *searcher) FileText(ctx context.Context, storeID, fileID string) (string, error) {
	f, err := s.db.IndexedFile(ctx, storeID, fileID)
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.texts[f.Segment], err
}

// newSearchHarness is the API with a searcher.
func newSearchHarness(t *testing.T) (*harness, *searcher) {
	t.Helper()
	s := &searcher{texts: make(map[string]string)}
	h := newHarness(t, func(c *Config) {
		s.db, s.files = c.Store, c.Files
		c.Search = s
	})
	t.Cleanup(func() {
		if s.err != nil {
			t.Error("ingestion:", s.err)
		}
	})
	return h, s
}

// exchange is a request, as "METHOD path body", and the answer to it. Capital
// words stand for ids and times.
type exchange struct {
	request string
	status  int
	want    string
}

func (h *harness) exchange(prefix string, words *strings.Replacer, all []exchange) {
	h.t.Helper()
	for _, x := range all {
		method, rest, _ := strings.Cut(x.request, " ")
		path, body, _ := strings.Cut(rest, " ")
		w := h.do(method, prefix+words.Replace(path), words.Replace(body))
		if got, want := compact(h.t, w.Body.Bytes()), words.Replace(x.want); w.Code != x.status || got != want {
			h.t.Errorf("%.200s:\n got %d %s\nwant %d %s", x.request, w.Code, got, x.status, want)
		}
	}
}

func refused(message, param, code string) string {
	quoted := func(s string) string {
		if s == "" {
			return "null"
		}
		return `"` + s + `"`
	}
	return `{"error":{"message":"` + message + `","type":"invalid_request_error","param":` + quoted(param) + `,"code":` + quoted(code) + `}}`
}

func TestVectorStoreLife(t *testing.T) {
	forEachDialect(t, func(t *testing.T, prefix string) {
		h, s := newSearchHarness(t)
		file := h.upload(prefix, "a.txt", "assistants", "hello world!")["id"].(string)
		v := h.must("POST", prefix+"/vector_stores", `{}`)
		id := v["id"].(string)
		number := func(o jsonObject, field string) string { return fmt.Sprintf("%.0f", o[field]) }
		words := strings.NewReplacer("STORE", id, "CREATED", number(v, "created_at"), "COUNTS", `{"in_progress":0,"completed":0,"failed":0,"cancelled":0,"total":0}`)
		const empty = `{"id":"STORE","object":"vector_store","created_at":CREATED,"name":null,"description":null,"usage_bytes":0,"file_counts":COUNTS,"status":"completed","expires_after":null,"expires_at":null,"last_active_at":CREATED,"metadata":{}}`
		const named = `{"id":"STORE","object":"vector_store","created_at":CREATED,"name":"n","description":"d","usage_bytes":0,"file_counts":COUNTS,"status":"completed","expires_after":{"anchor":"last_active_at","days":3},"expires_at":EXPIRES,"last_active_at":ACTIVE,"metadata":{"a":"b"}}`
		h.exchange(prefix, words, []exchange{
			{"GET /vector_stores/STORE", 200, empty},
			{"POST /vector_stores/STORE {}", 200, empty},
			{"GET /vector_stores", 200, `{"object":"list","data":[` + empty + `],"first_id":"STORE","last_id":"STORE","has_more":false}`},
		})
		v = h.must("POST", prefix+"/vector_stores/"+id, `{"name":"n","description":"d","expires_after":{"anchor":"last_active_at","days":3},"metadata":{"a":"b"}}`)
		if got := v["expires_at"].(float64) - v["last_active_at"].(float64); got != 3*86400 {
			t.Errorf("expires %v s after its last use, want three days", got)
		}
		words = strings.NewReplacer("STORE", id, "CREATED", number(v, "created_at"), "ACTIVE", number(v, "last_active_at"), "EXPIRES", number(v, "expires_at"),
			"COUNTS", `{"in_progress":0,"completed":0,"failed":0,"cancelled":0,"total":0}`)
		h.exchange(prefix, words, []exchange{
			{"GET /vector_stores/STORE", 200, named},
			{`POST /vector_stores/STORE {"metadata":null}`, 200, named},
		})
		v = h.must("POST", prefix+"/vector_stores/"+id, `{"name":null,"description":null,"expires_after":null,"metadata":{}}`)
		if v["name"] != nil || v["description"] != nil || v["expires_after"] != nil || v["expires_at"] != nil || len(v["metadata"].(jsonObject)) > 0 {
			t.Errorf("null clears: got %v", v)
		}
		h.exchange(prefix, words, []exchange{
			{"GET /vector_stores/STORE/files", 200, `{"object":"list","data":[],"first_id":null,"last_id":null,"has_more":false}`},
		})
		s.wait = true
		f := h.must("POST", prefix+"/vector_stores/"+id+"/files", `{"file_id":"`+file+`","attributes":{"year":2024,"ok":true,"a":"b"}}`)
		words = strings.NewReplacer("STORE", id, "FILE", file, "TIME", number(f, "created_at"),
			"CHUNKS", `{"type":"static","static":{"max_chunk_size_tokens":800,"chunk_overlap_tokens":400}}`)
		const begun = `{"id":"FILE","object":"vector_store.file","usage_bytes":0,"created_at":TIME,"vector_store_id":"STORE","status":"in_progress","last_error":null,"chunking_strategy":CHUNKS,"attributes":{"a":"b","ok":true,"year":2024}}`
		h.exchange(prefix, words, []exchange{
			{"GET /vector_stores/STORE/files/FILE", 200, begun},
			{"GET /vector_stores/STORE/files/FILE/content", 400, refused("File 'FILE' in vector store 'STORE' cannot be read: its status is 'in_progress'.", "", "")},
		})
		if got := h.must("GET", prefix+"/vector_stores/"+id, ""); got["status"] != "in_progress" {
			t.Errorf("store with a file under way: got %v", got)
		}
		s.wait = false
		s.Ingest()
		const done = `{"id":"FILE","object":"vector_store.file","usage_bytes":1036,"created_at":TIME,"vector_store_id":"STORE","status":"completed","last_error":null,"chunking_strategy":CHUNKS,"attributes":{}}`
		h.exchange(prefix, words, []exchange{
			{`POST /vector_stores/STORE/files/FILE {"attributes":{"z":0.5}}`, 200, strings.Replace(done, `"attributes":{}`, `"attributes":{"z":0.5}`, 1)},
			{`POST /vector_stores/STORE/files/FILE {"attributes":null}`, 200, done},
			{"GET /vector_stores/STORE/files/FILE", 200, done},
			{"GET /vector_stores/STORE/files?filter=completed&limit=1", 200, `{"object":"list","data":[` + done + `],"first_id":"FILE","last_id":"FILE","has_more":false}`},
			{"GET /vector_stores/STORE/files?filter=failed", 200, `{"object":"list","data":[],"first_id":null,"last_id":null,"has_more":false}`},
			{"GET /vector_stores/STORE/files/FILE/content", 200, `{"object":"vector_store.file_content.page","data":[{"type":"text","text":"hello world!"}],"has_more":false,"next_page":null}`},
			{"DELETE /vector_stores/STORE/files/FILE", 200, `{"id":"FILE","object":"vector_store.file.deleted","deleted":true}`},
			{"DELETE /vector_stores/STORE/files/FILE", 404, refused("No file found with id 'FILE' in vector store 'STORE'.", "", "")},
		})
		h.must("GET", prefix+"/files/"+file, "") // detached only
		h.must("POST", prefix+"/vector_stores/"+id+"/files", `{"file_id":"`+file+`"}`)
		h.must("DELETE", prefix+"/files/"+file, "")
		h.exchange(prefix, words, []exchange{
			{"GET /vector_stores/STORE/files/FILE", 404, refused("No file found with id 'FILE' in vector store 'STORE'.", "", "")},
			{"DELETE /vector_stores/STORE", 200, `{"id":"STORE","object":"vector_store.deleted","deleted":true}`},
			{"GET /vector_stores/STORE", 404, refused("No vector store found with id 'STORE'.", "", "")},
		})
	})
}

func TestFileBatches(t *testing.T) {
	forEachDialect(t, func(t *testing.T, prefix string) {
		h, s := newSearchHarness(t)
		var ids []string
		for _, name := range []string{"a.txt", "b.txt", "c.png"} {
			ids = append(ids, h.upload(prefix, name, "assistants", "text of "+name)["id"].(string))
		}
		id := h.must("POST", prefix+"/vector_stores", `{}`)["id"].(string)
		base := prefix + "/vector_stores/" + id + "/file_batches"
		s.wait = true
		b := h.must("POST", base, `{"file_ids":["`+strings.Join(append(ids, ids[0]), `","`)+`"],"attributes":{"n":1},"chunking_strategy":{"type":"static","static":{"max_chunk_size_tokens":1200,"chunk_overlap_tokens":250}}}`)
		batch := b["id"].(string)
		words := strings.NewReplacer("STORE", id, "BATCH", batch, "TIME", fmt.Sprintf("%.0f", b["created_at"]), "FILE0", ids[0], "FILE1", ids[1], "FILE2", ids[2])
		const counted = `{"id":"BATCH","object":"vector_store.file_batch","created_at":TIME,"status":"%s","vector_store_id":"STORE","file_counts":{"in_progress":%d,"completed":%d,"failed":%d,"cancelled":%d,"total":3}}`
		const item = `{"id":"%s","object":"vector_store.file","usage_bytes":0,"created_at":TIME,"vector_store_id":"STORE","status":"in_progress","last_error":null,` +
			`"chunking_strategy":{"type":"static","static":{"max_chunk_size_tokens":1200,"chunk_overlap_tokens":250}},"attributes":{"n":1}}`
		first, second, third := fmt.Sprintf(item, "FILE0"), fmt.Sprintf(item, "FILE1"), fmt.Sprintf(item, "FILE2")
		h.exchange(prefix, words, []exchange{
			{"GET /vector_stores/STORE/file_batches/BATCH", 200, fmt.Sprintf(counted, "in_progress", 3, 0, 0, 0)},
			{"GET /vector_stores/STORE/file_batches/BATCH/files?limit=2", 200, `{"object":"list","data":[` + third + "," + second + `],"first_id":"FILE2","last_id":"FILE1","has_more":true}`},
			{"GET /vector_stores/STORE/file_batches/BATCH/files?limit=2&after=FILE1", 200, `{"object":"list","data":[` + first + `],"first_id":"FILE0","last_id":"FILE0","has_more":false}`},
			{"GET /vector_stores/STORE/file_batches/BATCH/files?order=asc&before=FILE1", 200, `{"object":"list","data":[` + first + `],"first_id":"FILE0","last_id":"FILE0","has_more":false}`},
		})
		s.wait = false
		s.Ingest()
		h.exchange(prefix, words, []exchange{
			{"GET /vector_stores/STORE/file_batches/BATCH", 200, fmt.Sprintf(counted, "completed", 0, 2, 1, 0)},
			{"POST /vector_stores/STORE/file_batches/BATCH/cancel", 200, fmt.Sprintf(counted, "completed", 0, 2, 1, 0)},
		})
		failed := h.must("GET", base+"/"+batch+"/files?filter=failed", "")["data"].([]any)
		if len(failed) != 1 || failed[0].(jsonObject)["id"] != ids[2] || failed[0].(jsonObject)["last_error"].(jsonObject)["message"] != "No text." {
			t.Errorf("failed files: %v", failed)
		}

		s.wait = true
		b = h.must("POST", base, `{"files":[{"file_id":"`+ids[0]+`","attributes":{"x":"y"}},{"file_id":"`+ids[1]+`"},{"file_id":"`+ids[0]+`"}]}`)
		if got := b["file_counts"].(jsonObject)["in_progress"]; got != 2.0 {
			t.Errorf("second batch: got %v", b)
		}
		if got := h.must("GET", base+"/"+batch, "")["file_counts"].(jsonObject)["total"]; got != 1.0 {
			t.Errorf("first batch after files were attached anew: %v in it, want 1", got)
		}
		b = h.must("POST", base+"/"+b["id"].(string)+"/cancel", "")
		if got := b["file_counts"].(jsonObject)["cancelled"]; b["status"] != "cancelled" || got != 2.0 {
			t.Errorf("cancelled batch: got %v", b)
		}
		v := h.must("GET", prefix+"/vector_stores/"+id, "")
		want := jsonObject{"in_progress": 0.0, "completed": 0.0, "failed": 1.0, "cancelled": 2.0, "total": 3.0}
		if diff := cmp.Diff(want, v["file_counts"]); diff != "" || v["status"] != "completed" {
			t.Errorf("store is %v, counts (-want +got):\n%s", v["status"], diff)
		}
	})
}

// TestFileErrorCodes shows what Azure's first api-versions call the errors.
func TestFileErrorCodes(t *testing.T) {
	h, s := newSearchHarness(t)
	s.wait = true
	ctx := t.Context()
	id := h.must("POST", "/openai/vector_stores", `{}`)["id"].(string)
	for code, old := range map[string]string{"server_error": "internal_error", "unsupported_file": "unhandled_mime_type", "invalid_file": "parsing_error"} {
		file := h.upload("/openai", "a.txt", "assistants", "x")["id"].(string)
		h.must("POST", "/openai/vector_stores/"+id+"/files", `{"file_id":"`+file+`"}`)
		c, _, _, err := h.db.ClaimIngestion(ctx, "test", time.Minute)
		if err != nil {
			t.Fatal(err)
		}
		if err := h.db.FailIngestion(ctx, c, understudy.VectorStoreFileError{Code: code, Message: "m"}); err != nil {
			t.Fatal(err)
		}
		for version, want := range map[string]string{"2024-05-01-preview": old, "2025-03-01-preview": code} {
			for _, path := range []string{"/files/" + file + "?", "/files?limit=1&"} {
				w := h.do("GET", "/openai/vector_stores/"+id+path+"api-version="+version, "")
				if got := compact(t, w.Body.Bytes()); !strings.Contains(got, `"last_error":{"code":"`+want+`","message":"m"}`) {
					t.Errorf("%s in %s: got %s, want %s", path, version, got, want)
				}
			}
		}
	}
}

func TestVectorStoreSearch(t *testing.T) {
	forEachDialect(t, func(t *testing.T, prefix string) {
		h, s := newSearchHarness(t)
		one := h.upload(prefix, "one.txt", "assistants", "to be or not")["id"].(string)
		two := h.upload(prefix, "two.txt", "assistants", "not to be")["id"].(string)
		id := h.must("POST", prefix+"/vector_stores", `{"file_ids":["`+one+`"]}`)["id"].(string)
		h.must("POST", prefix+"/vector_stores/"+id+"/files", `{"file_id":"`+two+`","attributes":{"act":3}}`)
		words := strings.NewReplacer("STORE", id, "ONE", one, "TWO", two)
		page := func(queries string, results ...string) string {
			return `{"object":"vector_store.search_results.page","search_query":` + queries + `,"data":[` + strings.Join(results, ",") + `],"has_more":false,"next_page":null}`
		}
		const resultOne = `{"file_id":"ONE","filename":"one.txt","score":1.0,"attributes":{},"content":[{"type":"text","text":"to be or not"}]}`
		const resultTwo = `{"file_id":"TWO","filename":"two.txt","score":1.0,"attributes":{"act":3},"content":[{"type":"text","text":"not to be"}]}`
		h.exchange(prefix, words, []exchange{
			{`POST /vector_stores/STORE/search {"query":"to"}`, 200, page(`["to"]`, resultOne, resultTwo)},
			{`POST /vector_stores/STORE/search {"query":["or","<&>"],"rewrite_query":true,"ranking_options":{"ranker":"none","score_threshold":0.5}}`, 200, page(`["or","<&>"]`, resultOne)},
			{`POST /vector_stores/STORE/search {"query":"to","max_num_results":1,"filters":null}`, 200, page(`["to"]`, resultOne)},
			{`POST /vector_stores/STORE/search {"query":"to","filters":{"type":"or","filters":[{"type":"gte","key":"act","value":3},{"type":"in","key":"act","value":["x"]}]}}`, 200, page(`["to"]`, resultTwo)},
			{`POST /vector_stores/STORE/search {"query":"nothing"}`, 200, page(`["nothing"]`)},
		})
		want := understudy.SearchRequest{Queries: []string{"or", "<&>"}, MaxResults: 10, Ranker: "none", ScoreThreshold: 0.5, RewriteQuery: true}
		if diff := cmp.Diff(want, s.asked[1]); diff != "" {
			t.Errorf("what was asked (-want +got):\n%s", diff)
		}
	})
}

func TestSearchIsUse(t *testing.T) {
	h, _ := newSearchHarness(t)
	v := understudy.NewVectorStore(time.Now().AddDate(0, 0, -5), 7)
	if err := h.db.CreateVectorStore(t.Context(), store.NewVectorStore{Store: v}); err != nil {
		t.Fatal(err)
	}
	h.must("POST", "/v1/vector_stores/"+v.ID+"/search", `{"query":"x"}`)
	got, err := h.db.VectorStore(t.Context(), v.ID)
	if err != nil || got.LastActiveAt == v.LastActiveAt || *got.ExpiresAt == *v.ExpiresAt {
		t.Errorf("got %+v, %v, want the search to postpone the expiry", got, err)
	}

	v = understudy.NewVectorStore(time.Now().AddDate(0, 0, -8), 7)
	if err := h.db.CreateVectorStore(t.Context(), store.NewVectorStore{Store: v}); err != nil {
		t.Fatal(err)
	}
	if got := h.must("GET", "/v1/vector_stores/"+v.ID, ""); got["status"] != "expired" {
		t.Errorf("got %v, want it expired", got)
	}
	h.exchange("/v1", strings.NewReplacer("STORE", v.ID), []exchange{
		{`POST /vector_stores/STORE/search {"query":"x"}`, 400, refused("Vector store 'STORE' has expired", "", "")},
	})
}

func TestNoSearch(t *testing.T) {
	h := newHarness(t, nil)
	id := h.must("POST", "/v1/vector_stores", `{}`)["id"].(string)
	for _, request := range []*http.Request{
		h.request("POST", "/v1/vector_stores/"+id+"/search", strings.NewReader(`{"query":"x"}`)),
		h.request("GET", "/v1/vector_stores/"+id+"/files/file-x/content", nil),
	} {
		if w := h.serve(request); w.Code != http.StatusServiceUnavailable {
			t.Errorf("got %d %s", w.Code, w.Body)
		}
	}
}

// TestVectorStoresNeedNoBeta shows that the resource has left the beta.
func TestVectorStoresNeedNoBeta(t *testing.T) {
	h := newHarness(t, nil)
	r := h.request("GET", "/v1/vector_stores", nil)
	r.Header.Del("OpenAI-Beta")
	if w := h.serve(r); w.Code != http.StatusOK {
		t.Errorf("got %d %s", w.Code, w.Body)
	}
}

func TestStoresMadeWithOthers(t *testing.T) {
	forEachDialect(t, func(t *testing.T, prefix string) {
		h, _ := newSearchHarness(t)
		file := h.upload(prefix, "a.txt", "assistants", "hello")["id"].(string)
		resources := `"tool_resources":{"file_search":{"vector_stores":[{"file_ids":["` + file + `"],"metadata":{"a":"b"}}]}}`
		storeOf := func(o jsonObject) jsonObject {
			t.Helper()
			ids := o["tool_resources"].(jsonObject)["file_search"].(jsonObject)["vector_store_ids"].([]any)
			if len(ids) != 1 {
				t.Fatalf("stores: got %v, want one", ids)
			}
			v := h.must("GET", prefix+"/vector_stores/"+ids[0].(string), "")
			if got := v["file_counts"].(jsonObject)["completed"]; got != 1.0 {
				t.Errorf("its files: got %v", v["file_counts"])
			}
			return v
		}
		a := h.must("POST", prefix+"/assistants", `{"model":"m","tools":[{"type":"file_search"}],`+resources+`}`)
		if v := storeOf(a); v["expires_after"] != nil || !cmp.Equal(v["metadata"], any(jsonObject{"a": "b"})) {
			t.Errorf("an assistant's store: got %v", v)
		}
		week := any(jsonObject{"anchor": "last_active_at", "days": 7.0})
		if v := storeOf(h.must("POST", prefix+"/threads", `{`+resources+`}`)); !cmp.Equal(v["expires_after"], week) {
			t.Errorf("a thread's store: got %v", v)
		}
		attach := `{"role":"user","content":"x","attachments":[{"file_id":"` + file + `","tools":[{"type":"file_search"}]}]}`
		th := h.must("POST", prefix+"/threads", `{"messages":[`+attach+`]}`)
		if v := storeOf(th); !cmp.Equal(v["expires_after"], week) {
			t.Errorf("the store of an attachment: got %v", v)
		}
		th = h.must("POST", prefix+"/threads", ``)
		h.must("POST", prefix+"/threads/"+th["id"].(string)+"/messages", attach)
		storeOf(h.must("GET", prefix+"/threads/"+th["id"].(string), ""))
		run := h.must("POST", prefix+"/threads/runs", `{"assistant_id":"`+a["id"].(string)+`","thread":{"messages":[`+attach+`],`+resources+`}}`)
		storeOf(h.must("GET", prefix+"/threads/"+run["thread_id"].(string), ""))
		run = h.must("POST", prefix+"/threads/runs", `{"assistant_id":"`+a["id"].(string)+`","thread":{"messages":[{"role":"user","content":"x"}]},"additional_messages":[`+attach+`]}`)
		storeOf(h.must("GET", prefix+"/threads/"+run["thread_id"].(string), ""))
	})
}

func TestVectorStoreErrors(t *testing.T) {
	long := func(n int) string { return strings.Repeat("x", n) }
	repeat := func(item string, n int) string {
		return "[" + strings.TrimSuffix(strings.Repeat(item+",", n), ",") + "]"
	}
	tooMany := func(param string, limit int) string {
		return refused(fmt.Sprintf("Invalid '%s': array too long. Expected an array with maximum length %d, but got an array with length %d instead.", param, limit, limit+1), param, "array_above_max_length")
	}
	tooLong := func(param string, limit int) string {
		return refused(fmt.Sprintf("Invalid '%s': string too long. Expected a string with maximum length %d, but got a string with length %d instead.", param, limit, limit+1), param, "string_above_max_length")
	}
	outside := func(param string, side, sign, limit, got string) string {
		return refused(fmt.Sprintf("Invalid '%s': integer %s value. Expected a value %s %s, but got %s instead.", param, side, sign, limit, got), param,
			"integer_"+strings.ReplaceAll(strings.Replace(side, "imum", "", 1), " ", "_")+"_value")
	}
	missing := func(param string) string {
		return refused("Missing required parameter: '"+param+"'.", param, "missing_required_parameter")
	}
	forEachDialect(t, func(t *testing.T, prefix string) {
		h, _ := newSearchHarness(t)
		file := h.upload(prefix, "a.txt", "assistants", "x")["id"].(string)
		id := h.must("POST", prefix+"/vector_stores", `{}`)["id"].(string)
		words := strings.NewReplacer("STORE", id, "FILE", file)
		const noStore = "No vector store found with id 'vs_x'."
		h.exchange(prefix, words, []exchange{
			{"GET /vector_stores/undefined", 400, refused("Invalid 'vector_store_id': 'undefined'. Expected an ID that begins with 'vs'.", "vector_store_id", "invalid_value")},
			{"GET /vector_stores/vs_x", 404, refused(noStore, "", "")},
			{"POST /vector_stores/vs_x {}", 404, refused(noStore, "", "")},
			{"DELETE /vector_stores/vs_x", 404, refused(noStore, "", "")},
			{"GET /vector_stores/vs_x/files", 404, refused(noStore, "", "")},
			{`POST /vector_stores/vs_x/files {"file_id":"FILE"}`, 404, refused(noStore, "", "")},
			{"GET /vector_stores/vs_x/files/FILE", 404, refused(noStore, "", "")},
			{"DELETE /vector_stores/vs_x/files/FILE", 404, refused(noStore, "", "")},
			{`POST /vector_stores/vs_x/files/FILE {"attributes":{}}`, 404, refused(noStore, "", "")},
			{"GET /vector_stores/vs_x/files/FILE/content", 404, refused(noStore, "", "")},
			{`POST /vector_stores/vs_x/search {"query":"x"}`, 404, refused(noStore, "", "")},
			{`POST /vector_stores/vs_x/file_batches {"file_ids":["FILE"]}`, 404, refused(noStore, "", "")},
			{"GET /vector_stores/vs_x/file_batches/vsfb_x", 404, refused(noStore, "", "")},
			{"GET /vector_stores/STORE/files/FILE", 404, refused("No file found with id 'FILE' in vector store 'STORE'.", "", "")},
			{"GET /vector_stores/STORE/files/FILE/content", 404, refused("No file found with id 'FILE' in vector store 'STORE'.", "", "")},
			{"GET /vector_stores/STORE/files/" + long(300), 404, refused("No file found with id '"+long(100)+"…' in vector store 'STORE'.", "", "")},
			{"GET /vector_stores/STORE/file_batches/vsfb_x", 404, refused("No file batch found with id 'vsfb_x'.", "", "")},
			{"GET /vector_stores/STORE/file_batches/vsfb_x/files", 404, refused("No file batch found with id 'vsfb_x'.", "", "")},
			{"POST /vector_stores/STORE/file_batches/vsfb_x/cancel", 404, refused("No file batch found with id 'vsfb_x'.", "", "")},
			{"GET /vector_stores/STORE/file_batches/STORE", 400, refused("Invalid 'batch_id': 'STORE'. Expected an ID that begins with 'vsfb'.", "batch_id", "invalid_value")},
			{"GET /vector_stores/STORE/files?filter=done", 400, refused("Invalid value: 'done'. Supported values are: 'in_progress', 'completed', 'failed', and 'cancelled'.", "filter", "invalid_value")},
			{"GET /vector_stores/STORE/files?after=FILE", 400, refused("Invalid 'after': no object with id 'FILE' in this list.", "after", "invalid_value")},
			{"GET /vector_stores?limit=101", 400, refused("Invalid 'limit': integer above maximum value. Expected a value <= 100, but got 101 instead.", "limit", "integer_above_max_value")},

			{`POST /vector_stores {"file_ids":["file-x","FILE","file-y"]}`, 404, refused("Files [file-x, file-y] were not found", "", "")},
			{`POST /vector_stores {"file_ids":` + repeat(`"a"`, 501) + `}`, 400, tooMany("file_ids", 500)},
			{`POST /vector_stores {"name":"` + long(257) + `"}`, 400, tooLong("name", 256)},
			{`POST /vector_stores {"description":"` + long(513) + `"}`, 400, tooLong("description", 512)},
			{`POST /vector_stores {"name":1}`, 400, refused("Invalid type for 'name': expected a string, but got an integer instead.", "name", "invalid_type")},
			{`POST /vector_stores {"expires_after":{"anchor":"created_at","days":1}}`, 400, refused("Invalid value: 'created_at'. Supported values are: 'last_active_at'.", "expires_after.anchor", "invalid_value")},
			{`POST /vector_stores {"expires_after":{"anchor":"last_active_at"}}`, 400, missing("expires_after.days")},
			{`POST /vector_stores {"expires_after":{"anchor":"last_active_at","days":366}}`, 400, outside("expires_after.days", "above maximum", "<=", "365", "366")},
			{`POST /vector_stores {"expires_after":{"anchor":"last_active_at","days":0}}`, 400, outside("expires_after.days", "below minimum", ">=", "1", "0")},
			{`POST /vector_stores {"chunking_strategy":{"type":"other"}}`, 400, refused("Invalid value: 'other'. Supported values are: 'auto' and 'static'.", "chunking_strategy.type", "invalid_value")},
			{`POST /vector_stores {"chunking_strategy":{"type":"static"}}`, 400, missing("chunking_strategy.static")},
			{`POST /vector_stores {"chunking_strategy":{"type":"static","static":{"max_chunk_size_tokens":99,"chunk_overlap_tokens":0}}}`, 400, outside("chunking_strategy.static.max_chunk_size_tokens", "below minimum", ">=", "100", "99")},
			{`POST /vector_stores {"chunking_strategy":{"type":"static","static":{"max_chunk_size_tokens":4097,"chunk_overlap_tokens":0}}}`, 400, outside("chunking_strategy.static.max_chunk_size_tokens", "above maximum", "<=", "4096", "4097")},
			{`POST /vector_stores {"chunking_strategy":{"type":"static","static":{"max_chunk_size_tokens":101,"chunk_overlap_tokens":51}}}`, 400,
				refused("Invalid 'chunking_strategy.static.chunk_overlap_tokens': the overlap must not exceed half of 'max_chunk_size_tokens'.", "chunking_strategy.static.chunk_overlap_tokens", "invalid_value")},

			{`POST /vector_stores/STORE/files {}`, 400, missing("file_id")},
			{`POST /vector_stores/STORE/files {"file_id":"file-x"}`, 404, refused("Files [file-x] were not found", "", "")},
			{`POST /vector_stores/STORE/files {"file_id":"FILE","attributes":{"a":null}}`, 400, refused("Invalid type for 'attributes.a': expected one of a string, number, or boolean, but got null instead.", "attributes.a", "invalid_type")},
			{`POST /vector_stores/STORE/files {"file_id":"FILE","attributes":{"a":"` + long(513) + `"}}`, 400, tooLong("attributes.a", 512)},
			{`POST /vector_stores/STORE/files {"file_id":"FILE","attributes":{"` + long(65) + `":1}}`, 400,
				refused("Invalid 'attributes': key too long. Expected a key with maximum length 64, but got a key with length 65 instead.", "attributes", "string_above_max_length")},
			{`POST /vector_stores/STORE/files/FILE {}`, 400, missing("attributes")},

			{`POST /vector_stores/STORE/file_batches {}`, 400, missing("file_ids")},
			{`POST /vector_stores/STORE/file_batches {"file_ids":[]}`, 400, refused("Invalid 'file_ids': empty array. Expected an array with minimum length 1, but got an empty array instead.", "file_ids", "empty_array")},
			{`POST /vector_stores/STORE/file_batches {"file_ids":["FILE"],"files":[{"file_id":"FILE"}]}`, 400,
				refused("Mutually exclusive parameters: 'files'. Ensure you are only providing one of: 'file_ids' or 'files'.", "files", "mutually_exclusive_parameters")},
			{`POST /vector_stores/STORE/file_batches {"files":[{"file_id":"FILE"},{"attributes":{}}]}`, 400, missing("files[1].file_id")},
			{`POST /vector_stores/STORE/file_batches {"file_ids":` + repeat(`"a"`, 2001) + `}`, 400, tooMany("file_ids", 2000)},
			{`POST /vector_stores/STORE/file_batches {"file_ids":["FILE","file-x"]}`, 404, refused("Files [file-x] were not found", "", "")},

			{`POST /vector_stores/STORE/search {}`, 400, missing("query")},
			{`POST /vector_stores/STORE/search {"query":[]}`, 400, refused("Invalid 'query': empty array. Expected an array with minimum length 1, but got an empty array instead.", "query", "empty_array")},
			{`POST /vector_stores/STORE/search {"query":["x",""]}`, 400, refused("Invalid 'query[1]': empty string. Expected a string with minimum length 1, but got an empty string instead.", "query[1]", "empty_string")},
			{`POST /vector_stores/STORE/search {"query":"x","max_num_results":51}`, 400, outside("max_num_results", "above maximum", "<=", "50", "51")},
			{`POST /vector_stores/STORE/search {"query":"x","filters":{"type":"like","key":"a","value":1}}`, 400,
				refused("Invalid value: 'like'. Supported values are: 'eq', 'ne', 'gt', 'gte', 'lt', 'lte', 'in', 'nin', 'and', and 'or'.", "filters.type", "invalid_value")},
			{`POST /vector_stores/STORE/search {"query":"x","filters":{"type":"and","filters":[{"type":"eq","key":"a"}]}}`, 400, missing("filters.filters[0].value")},
			{`POST /vector_stores/STORE/search {"query":"x","filters":[]}`, 400, refused("Invalid type for 'filters': expected an object, but got an array instead.", "filters", "invalid_type")},
			{`POST /vector_stores/STORE/search {"query":"x","ranking_options":{"ranker":"best"}}`, 400, refused("Invalid value: 'best'. Supported values are: 'none', 'auto', and 'default-2024-11-15'.", "ranking_options.ranker", "invalid_value")},

			{`POST /threads {"tool_resources":{"file_search":{"vector_store_ids":["STORE"],"vector_stores":[{}]}}}`, 400,
				refused("Mutually exclusive parameters: 'tool_resources.file_search.vector_stores'. Ensure you are only providing one of: 'tool_resources.file_search.vector_store_ids' or 'tool_resources.file_search.vector_stores'.",
					"tool_resources.file_search.vector_stores", "mutually_exclusive_parameters")},
			{`POST /threads {"tool_resources":{"file_search":{"vector_stores":[{},{}]}}}`, 400, tooMany("tool_resources.file_search.vector_stores", 1)},
			{`POST /threads {"tool_resources":{"file_search":{"vector_store_ids":["STORE","STORE"]}}}`, 400, tooMany("tool_resources.file_search.vector_store_ids", 1)},
			{`POST /threads {"tool_resources":{"file_search":{"vector_stores":[{"file_ids":["file-x"]}]}}}`, 404, refused("Files [file-x] were not found", "", "")},
			{`POST /threads/runs {"assistant_id":"asst_x","thread":{"tool_resources":{"file_search":{"vector_stores":[{"file_ids":7}]}}}}`, 400,
				refused("Invalid type for 'thread.tool_resources.file_search.vector_stores[0].file_ids': expected an array of strings, but got an integer instead.", "thread.tool_resources.file_search.vector_stores[0].file_ids", "invalid_type")},
		})
		if got := h.must("GET", prefix+"/vector_stores", "")["data"].([]any); len(got) != 1 {
			t.Errorf("refused requests have left %d stores", len(got)-1)
		}
	})
}

func TestVectorStoreUnknownParameters(t *testing.T) {
	h := newHarness(t, nil)
	id := h.must("POST", "/v1/vector_stores", `{}`)["id"].(string)
	h.exchange("/v1", strings.NewReplacer("STORE", id), []exchange{
		{`POST /vector_stores/STORE {"file_ids":[]}`, 400, refused("Unknown parameter: 'file_ids'.", "file_ids", "unknown_parameter")},
		{`POST /threads {"tool_resources":{"file_search":{"vector_stores":[{"name":"x"}]}}}`, 400,
			refused("Unknown parameter: 'tool_resources.file_search.vector_stores[0].name'.", "tool_resources.file_search.vector_stores[0].name", "unknown_parameter")},
	})
	h.must("POST", "/openai/vector_stores/"+id, `{"file_ids":[]}`)
}
