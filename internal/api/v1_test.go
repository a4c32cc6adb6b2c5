package api

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/understudy-dev/understudy"
	"github.com/understudy-dev/understudy/internal/store"
)

// v1 makes a request as a client of version 1 would.
func (h *harness) v1(method, path, body string) *httptest.ResponseRecorder {
	h.t.Helper()
	if strings.HasPrefix(path, "/openai") {
		sep := "?"
		if strings.Contains(path, "?") {
			sep = "&"
		}
		path += sep + "api-version=2024-02-15-preview"
	}
	r := h.request(method, path, strings.NewReader(body))
	r.Header.Set("OpenAI-Beta", "assistants=v1")
	return h.serve(r)
}

func (h *harness) mustV1(method, path, body string) jsonObject {
	h.t.Helper()
	w := h.v1(method, path, body)
	if w.Code != http.StatusOK {
		h.t.Fatalf("v1 %s %s %s: got %d: %s", method, path, body, w.Code, w.Body)
	}
	return decodeObject(h.t, w.Body.Bytes())
}

// TestV1Objects shows every kind of object as version 1 answers its creation,
// and as version 2 shows it.
func TestV1Objects(t *testing.T) {
	forEachDialect(t, func(t *testing.T, prefix string) {
		h := newHarness(t, nil)
		file := h.upload(prefix, "data.csv", "assistants", "a,b")["id"].(string)
		doc := h.upload(prefix, "doc.md", "assistants", "# a")["id"].(string)
		for _, tc := range []struct{ path, body, want, v2 string }{
			{"/assistants", `{"model":"gpt-4-turbo"}`,
				`{"id":"asst","object":"assistant","created_at":1,"name":null,"description":null,"model":"gpt-4-turbo","instructions":null,"top_p":1.0,"temperature":1.0,"metadata":{},"response_format":"auto","tools":[],"file_ids":[]}`,
				`"tools":[],"top_p":1.0,"temperature":1.0,"reasoning_effort":null,"tool_resources":{},"metadata":{}`},
			{"/assistants", `{"model":"m","name":"n","tools":[{"type":"code_interpreter"},{"type":"function","function":{"name":"f","description":"d","parameters":{"type":"object","properties":{}}}}],"file_ids":["DOC","FILE","DOC"],"metadata":{"a":true,"b":false,"c":1,"d":1.50,"e":"x","f":1e20}}`,
				`{"id":"asst","object":"assistant","created_at":1,"name":"n","description":null,"model":"m","instructions":null,"top_p":1.0,"temperature":1.0,"metadata":{"a":"True","b":"False","c":"1","d":"1.5","e":"x","f":"1e+20"},"response_format":"auto","tools":[{"type":"code_interpreter"},{"type":"function","function":{"name":"f","description":"d","parameters":{"type":"object","properties":{}}}}],"file_ids":["DOC","FILE"]}`,
				`"tool_resources":{"code_interpreter":{"file_ids":["DOC","FILE"]}},"metadata":{"a":"True","b":"False","c":"1","d":"1.5","e":"x","f":"1e+20"}`},
			{"/assistants", `{"model":"m","file_ids":["FILE"],"response_format":{"type":"json_object"}}`,
				`{"id":"asst","object":"assistant","created_at":1,"name":null,"description":null,"model":"m","instructions":null,"top_p":1.0,"temperature":1.0,"metadata":{},"response_format":{"type":"json_object"},"tools":[],"file_ids":["FILE"]}`,
				`"tool_resources":{}`},
			{"/threads", `{"messages":[{"role":"user","content":"x","file_ids":["FILE"]}],"metadata":{"a":1}}`,
				`{"id":"thread","object":"thread","created_at":1,"metadata":{"a":"1"}}`,
				`"tool_resources":{"code_interpreter":{"file_ids":["FILE"]}}`},
			{"/threads/THREAD/messages", `{"role":"user","content":"x","file_ids":["FILE","DOC"],"metadata":null}`,
				`{"id":"msg","object":"thread.message","created_at":1,"assistant_id":null,"thread_id":"thread","run_id":null,"status":"completed","incomplete_details":null,"incomplete_at":null,"completed_at":1,"role":"user","content":[{"type":"text","text":{"value":"x","annotations":[]}}],"metadata":{},"file_ids":["FILE","DOC"]}`,
				`"attachments":[{"file_id":"FILE","tools":[{"type":"code_interpreter"}]},{"file_id":"DOC","tools":[{"type":"code_interpreter"}]}],"metadata":{}}`},
			{"/threads/THREAD/runs", `{"assistant_id":"ASST","tools":[{"type":"retrieval"},{"type":"code_interpreter"}],"tool_choice":{"type":"retrieval"},"additional_messages":[{"role":"user","content":"x","file_ids":["FILE"]}],"stream":false}`,
				`{"id":"run","object":"thread.run","created_at":1,"assistant_id":"asst","thread_id":"thread","status":"queued","started_at":null,"expires_at":1,"cancelled_at":null,"failed_at":null,"completed_at":null,"required_action":null,"last_error":null,"model":"m","instructions":null,"metadata":{},"temperature":1.0,"top_p":1.0,"max_completion_tokens":null,"max_prompt_tokens":null,"truncation_strategy":{"type":"auto","last_messages":null},"incomplete_details":null,"response_format":"auto","tools":[{"type":"retrieval"},{"type":"code_interpreter"}],"file_ids":["DOC"],"tool_choice":{"type":"retrieval"},"usage":null}`,
				`"tools":[{"type":"file_search","file_search":{"ranking_options":{"ranker":"default_2024_08_21","score_threshold":0.0,"hybrid_search":null}}},{"type":"code_interpreter"}],"tool_resources":{"code_interpreter":{"file_ids":["DOC"]}}`},
			{"/threads/runs", `{"assistant_id":"ASST"}`, // nothing to answer, which version 1 allows
				`{"id":"run","object":"thread.run","created_at":1,"assistant_id":"asst","thread_id":"thread","status":"queued","started_at":null,"expires_at":1,"cancelled_at":null,"failed_at":null,"completed_at":null,"required_action":null,"last_error":null,"model":"m","instructions":null,"metadata":{},"temperature":1.0,"top_p":1.0,"max_completion_tokens":null,"max_prompt_tokens":null,"truncation_strategy":{"type":"auto","last_messages":null},"incomplete_details":null,"response_format":"auto","tools":[],"file_ids":["DOC"],"tool_choice":"auto","usage":null}`,
				`"tools":[],"tool_resources":{},`},
		} {
			asst := h.mustV1("POST", prefix+"/assistants", `{"model":"m","file_ids":["`+doc+`"]}`)["id"].(string)
			thread := h.mustV1("POST", prefix+"/threads", "")["id"].(string)
			names := strings.NewReplacer("FILE", file, "DOC", doc, "ASST", asst, "THREAD", thread)
			back := strings.NewReplacer(file, "FILE", doc, "DOC")
			w := h.v1("POST", prefix+names.Replace(tc.path), names.Replace(tc.body))
			if w.Code != http.StatusOK {
				t.Errorf("POST %s %s: got %d %s", tc.path, tc.body, w.Code, w.Body)
				continue
			}
			if got := scrub(t, []byte(back.Replace(w.Body.String()))); got != tc.want {
				t.Errorf("POST %s %s:\n got %s\nwant %s", tc.path, tc.body, got, tc.want)
			}
			path := prefix + names.Replace(tc.path) + "/"
			created := decodeObject(t, w.Body.Bytes())
			if tc.path == "/threads/runs" {
				path = prefix + "/threads/" + created["thread_id"].(string) + "/runs/"
			}
			path += created["id"].(string)
			if diff := cmp.Diff(created, h.mustV1("GET", path, "")); diff != "" {
				t.Errorf("read back in version 1 (-created +got):\n%s", diff)
			}
			if got := scrub(t, []byte(back.Replace(h.do("GET", path, "").Body.String()))); !strings.Contains(got, tc.v2) {
				t.Errorf("POST %s %s: version 2 shows\n %s\nwithout %s", tc.path, tc.body, got, tc.v2)
			}
		}
	})
}

// TestV1Keys holds the names of all fields against the published description of
// April 2024. What is sent beside them was sent by the service, too.
func TestV1Keys(t *testing.T) {
	for _, tc := range []struct {
		shown any
		want  string
	}{
		{showAssistantV1(new(understudy.Assistant{}), nil), "id object created_at name description model instructions tools file_ids metadata temperature top_p response_format"},
		{threadV1{}, "id object created_at metadata"},
		{showMessageV1(new(understudy.Message{}), nil), "id object created_at thread_id status incomplete_details completed_at incomplete_at role content assistant_id run_id file_ids metadata"},
		{showRunV1(new(understudy.Run{}), nil), "id object created_at thread_id assistant_id status required_action last_error expires_at started_at cancelled_at failed_at completed_at incomplete_details model instructions tools file_ids metadata usage temperature top_p max_prompt_tokens max_completion_tokens truncation_strategy tool_choice response_format"},
		{showStepV1(new(understudy.Step{})), "id object created_at assistant_id thread_id run_id type status step_details last_error expired_at cancelled_at failed_at completed_at metadata usage expires_at"},
		{showUsageV1(new(understudy.Usage{})), "completion_tokens prompt_tokens total_tokens"},
		{showToolV1(understudy.Tool{Type: "function", Function: new(understudy.Function{Description: new("")})}).Function, "name description parameters"},
	} {
		b, err := json.Marshal(tc.shown)
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for key := range decodeObject(t, b) {
			got = append(got, key)
		}
		want := strings.Fields(tc.want)
		slices.Sort(got)
		slices.Sort(want)
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%T (-want +got):\n%s", tc.shown, diff)
		}
	}
}

// TestV1Lists looks for what version 1 does not know in lists of what version 2
// has made.
func TestV1Lists(t *testing.T) {
	h := newHarness(t, nil)
	path, thread, id := h.newRun("/v1")
	h.execute(id, demandOutput)
	for _, list := range []string{"/v1/assistants", "/v1/threads", "/v1/threads/" + thread + "/messages", "/v1/threads/" + thread + "/runs", path + "/steps"} {
		w := h.v1("GET", list, "")
		if got := decodeObject(t, w.Body.Bytes()); w.Code != http.StatusOK || len(got["data"].([]any)) != 1 || got["first_id"] == nil {
			t.Errorf("%s: got %d %s", list, w.Code, w.Body)
		}
		for _, key := range []string{"tool_resources", "attachments", "parallel_tool_calls", "reasoning_effort", "strict"} {
			if strings.Contains(w.Body.String(), `"`+key+`"`) {
				t.Errorf("%s shows %s: %s", list, key, w.Body)
			}
		}
	}
}

// TestV1FileLists follows an assistant's files through both versions.
func TestV1FileLists(t *testing.T) {
	forEachDialect(t, func(t *testing.T, prefix string) {
		h := newHarness(t, nil)
		var files []string
		for i := range 4 {
			files = append(files, h.upload(prefix, fmt.Sprintf("f%d.txt", i), "assistants", "x")["id"].(string))
		}
		asst := prefix + "/assistants/" + h.mustV1("POST", prefix+"/assistants", `{"model":"m","tools":[{"type":"code_interpreter"}],"file_ids":["`+files[0]+`","`+files[1]+`"]}`)["id"].(string)
		list := func(ids ...string) string {
			b, err := json.Marshal(ids)
			if err != nil {
				t.Fatal(err)
			}
			return string(b)
		}
		expect := func(after string, v1, v2 []string) {
			t.Helper()
			if got := h.mustV1("GET", asst, "")["file_ids"]; !cmp.Equal(got, strs(v1)) {
				t.Errorf("%s: version 1 shows %v, want %v", after, got, v1)
			}
			got := []any{}
			if ci, ok := h.must("GET", asst, "")["tool_resources"].(jsonObject)["code_interpreter"].(jsonObject); ok {
				got = ci["file_ids"].([]any)
			}
			if !cmp.Equal(got, strs(v2)) {
				t.Errorf("%s: version 2 shows %v, want %v", after, got, v2)
			}
		}
		expect("creation", files[:2], files[:2])
		h.must("POST", asst, `{"tool_resources":{"code_interpreter":{"file_ids":["`+files[3]+`"]}}}`)
		expect("a change in version 2", files[:2], files[3:])
		h.mustV1("POST", asst, `{"name":"n"}`)
		expect("a change of something else", files[:2], []string{files[3], files[0], files[1]})
		h.mustV1("POST", asst, `{"file_ids":`+list(files[2], files[1])+`}`)
		expect("a new list", []string{files[1], files[2]}, []string{files[3], files[2], files[1]})
		if got := h.mustV1("POST", asst+"/files", `{"file_id":"`+files[0]+`"}`); got["object"] != "assistant.file" || got["id"] != files[0] || asst != prefix+"/assistants/"+got["assistant_id"].(string) {
			t.Errorf("attached file: got %v", got)
		}
		now := []string{files[1], files[2], files[0]}
		h.mustV1("POST", asst+"/files", `{"file_id":"`+files[0]+`"}`) // again
		expect("attaching", now, []string{files[3], files[1], files[2], files[0]})
		for query, want := range map[string][]string{
			"":                                       {now[2], now[1], now[0]},
			"?order=asc":                             now,
			"?order=asc&limit=1":                     now[:1],
			"?order=asc&limit=1&after=" + now[0]:     now[1:2],
			"?limit=1&before=" + now[0]:              now[1:2],
			"?after=" + now[0]:                       {},
			"?after=" + now[2] + "&before=" + now[0]: now[1:2],
		} {
			got := h.mustV1("GET", asst+"/files"+query, "")
			ids := []string{}
			for _, f := range got["data"].([]any) {
				ids = append(ids, f.(jsonObject)["id"].(string))
			}
			if !cmp.Equal(ids, want) || len(want) > 0 && (got["first_id"] != want[0] || got["last_id"] != want[len(want)-1]) {
				t.Errorf("list %q: got %v, want %v", query, got, want)
			}
		}
		if w := h.v1("GET", asst+"/files?after=file-none", ""); w.Code != http.StatusBadRequest {
			t.Errorf("list after no file: got %d %s", w.Code, w.Body)
		}
		h.must("POST", asst, `{"tool_resources":{"code_interpreter":{"file_ids":`+list(files[1])+`}}}`)
		expect("removing in version 2", now, files[1:2])
		if got := h.mustV1("DELETE", asst+"/files/"+files[1], ""); !cmp.Equal(got, jsonObject{"id": files[1], "object": "assistant.file.deleted", "deleted": true}) {
			t.Errorf("detached file: got %v", got)
		}
		expect("detaching", []string{files[2], files[0]}, []string{files[2], files[0]})
		if w := h.v1("DELETE", asst+"/files/"+files[1], ""); w.Code != http.StatusNotFound {
			t.Errorf("detaching twice: got %d %s", w.Code, w.Body)
		}
		h.mustV1("POST", asst, `{"tools":[]}`)
		expect("disabling the tool", []string{files[2], files[0]}, nil)
		h.mustV1("POST", asst, `{"tools":[{"type":"code_interpreter"}]}`)
		h.must("DELETE", prefix+"/files/"+files[2], "")
		expect("deleting the file", files[:1], files[:1])
		h.mustV1("GET", asst+"/files/"+files[0], "")
		if w := h.v1("GET", asst+"/files/"+files[2], ""); w.Code != http.StatusNotFound {
			t.Errorf("deleted file: got %d %s", w.Code, w.Body)
		}
		if w := h.do("GET", asst+"/files", ""); w.Code != http.StatusNotFound {
			t.Errorf("files in version 2: got %d %s", w.Code, w.Body)
		}
		h.mustV1("DELETE", asst, "")
		if w := h.v1("GET", asst+"/files", ""); w.Code != http.StatusNotFound {
			t.Errorf("files of a deleted assistant: got %d %s", w.Code, w.Body)
		}
	})
}

// TestV1Retrieval follows files into the vector stores that version 2 shows.
func TestV1Retrieval(t *testing.T) {
	forEachDialect(t, func(t *testing.T, prefix string) {
		h := newHarness(t, nil)
		upload := func(name string) string { return h.upload(prefix, name, "assistants", "x")["id"].(string) }
		md, txt, csv := upload("a.md"), upload("b.txt"), upload("c.csv")
		// indexed returns the files in the vector stores of what path names, in order.
		indexed := func(path string) (files []string, expires bool) {
			t.Helper()
			files = []string{}
			resources := h.must("GET", path, "")["tool_resources"].(jsonObject)
			search, ok := resources["file_search"].(jsonObject)
			if !ok {
				return files, false
			}
			for _, id := range search["vector_store_ids"].([]any) {
				v, err := h.db.VectorStore(t.Context(), id.(string))
				if err != nil {
					t.Fatal(err)
				}
				expires = v.ExpiresAfter != nil
				all, _, err := h.db.ListVectorStoreFiles(t.Context(), v.ID, "", understudy.Page{Limit: 100, Order: understudy.Asc})
				if err != nil {
					t.Fatal(err)
				}
				for _, f := range all {
					files = append(files, f.ID)
				}
			}
			return files, expires
		}
		expect := func(after, path string, want ...string) {
			t.Helper()
			if got, _ := indexed(path); !slices.Equal(got, want) {
				t.Errorf("%s: got files %v, want %v", after, got, want)
			}
		}
		asst := prefix + "/assistants/" + h.mustV1("POST", prefix+"/assistants", `{"model":"m","tools":[{"type":"retrieval"}],"file_ids":["`+md+`"]}`)["id"].(string)
		expect("creation", asst, md)
		h.mustV1("POST", asst+"/files", `{"file_id":"`+txt+`"}`)
		expect("attaching", asst, md, txt)
		if w := h.v1("POST", asst+"/files", `{"file_id":"`+csv+`"}`); !strings.Contains(w.Body.String(), "unsupported_file") {
			t.Errorf("a file that cannot be searched: got %d %s", w.Code, w.Body)
		}
		expect("refusing", asst, md, txt)
		h.mustV1("DELETE", asst+"/files/"+md, "")
		expect("detaching", asst, txt)
		h.mustV1("POST", asst, `{"file_ids":["`+md+`"]}`)
		expect("a new list", asst, md)
		h.must("DELETE", prefix+"/files/"+md, "")
		expect("deleting the file", asst)
		if got := h.mustV1("GET", asst, "")["file_ids"].([]any); len(got) > 0 {
			t.Errorf("deleted file: still in %v", got)
		}
		late := prefix + "/assistants/" + h.mustV1("POST", prefix+"/assistants", `{"model":"m","file_ids":["`+txt+`"]}`)["id"].(string)
		expect("creation without the tool", late)
		h.mustV1("POST", late, `{"tools":[{"type":"retrieval"}]}`)
		expect("giving the tool", late, txt)
		if _, expires := indexed(late); expires {
			t.Error("the store of an assistant expires")
		}

		// What messages attach can be searched once a run can search.
		md = upload("d.md")
		thread := h.mustV1("POST", prefix+"/threads", `{"messages":[{"role":"user","content":"x","file_ids":["`+md+`","`+csv+`"]}]}`)["id"].(string)
		runs := prefix + "/threads/" + thread + "/runs"
		run := func(body string) {
			t.Helper()
			h.execute(h.mustV1("POST", runs, body)["id"].(string), complete)
		}
		plain := h.mustV1("POST", prefix+"/assistants", `{"model":"m","file_ids":["`+txt+`"]}`)["id"].(string)
		run(`{"assistant_id":"` + plain + `"}`)
		expect("a run without the tool", prefix+"/threads/"+thread)
		searching := `{"assistant_id":"` + late[strings.LastIndex(late, "/")+1:] + `"}`
		own := h.mustV1("POST", prefix+"/threads/runs", searching)
		expect("a run's own stores", prefix+"/threads/"+own["thread_id"].(string)+"/runs/"+own["id"].(string), txt)
		run(searching)
		expect("a run with the tool", prefix+"/threads/"+thread, md)
		run(`{"assistant_id":"` + plain + `","tools":[{"type":"retrieval"}],"additional_messages":[{"role":"user","content":"x","file_ids":["` + md + `"]}]}`)
		expect("a run with the tool that its assistant has not", prefix+"/threads/"+thread, md, txt)
		if _, expires := indexed(prefix + "/threads/" + thread); !expires {
			t.Error("the store of a thread does not expire")
		}
	})
}

func strs(in []string) []any {
	out := []any{}
	for _, s := range in {
		out = append(out, s)
	}
	return out
}

func TestV1MessageFiles(t *testing.T) {
	h := newHarness(t, nil)
	a := h.upload("/v1", "a.txt", "assistants", "x")["id"].(string)
	b := h.upload("/v1", "b.txt", "assistants", "x")["id"].(string)
	thread := "/v1/threads/" + h.mustV1("POST", "/v1/threads", "")["id"].(string)
	m := h.mustV1("POST", thread+"/messages", `{"role":"user","content":"x","file_ids":["`+a+`","`+b+`"]}`)
	files := thread + "/messages/" + m["id"].(string) + "/files"
	want := jsonObject{"id": a, "object": "thread.message.file", "created_at": m["created_at"], "message_id": m["id"]}
	if diff := cmp.Diff(want, h.mustV1("GET", files+"/"+a, "")); diff != "" {
		t.Errorf("file (-want +got):\n%s", diff)
	}
	if got := h.mustV1("GET", files+"?limit=1", ""); got["first_id"] != b || got["has_more"] != true {
		t.Errorf("list: got %v", got)
	}
	h.must("DELETE", "/v1/files/"+a, "")
	if got := h.mustV1("GET", thread+"/messages", "")["data"].([]any)[0].(jsonObject)["file_ids"]; !cmp.Equal(got, strs([]string{b})) {
		t.Errorf("after a file's deletion: got %v", got)
	}
	for method, path := range map[string]string{"GET": files + "/" + a, "DELETE": thread + "/messages/" + m["id"].(string)} {
		if w := h.v1(method, path, ""); w.Code/100 != 4 {
			t.Errorf("%s %s: got %d %s", method, path, w.Code, w.Body)
		}
	}
	// Of messages that version 2 wrote, version 1 lists no attachments, but the files that answers link to.
	v2 := h.must("POST", thread+"/messages", `{"role":"user","content":[{"type":"image_file","image_file":{"file_id":"`+b+`","detail":"low"}}],"attachments":[{"file_id":"`+b+`","tools":[{"type":"code_interpreter"}]}]}`)
	got := h.mustV1("GET", thread+"/messages/"+v2["id"].(string), "")
	if !cmp.Equal(got["file_ids"], any([]any{})) || !cmp.Equal(got["content"], any([]any{jsonObject{"type": "image_file", "image_file": jsonObject{"file_id": b}}})) {
		t.Errorf("message of version 2: got %v", got)
	}
	answer := &understudy.Message{ID: understudy.NewID(understudy.PrefixMessage), ThreadID: m["thread_id"].(string), Role: understudy.RoleAssistant, Content: []understudy.Content{
		{Type: "text", Text: &understudy.Text{Value: "ab", Annotations: []understudy.Annotation{
			{Type: "file_path", Text: "a", FilePath: &understudy.FilePath{FileID: b}},
			{Type: "file_citation", Text: "b", FileCitation: &understudy.FileCitation{FileID: b}}}}},
		{Type: "refusal", Refusal: new("no")}}}
	if err := h.db.CreateMessage(t.Context(), answer); err != nil {
		t.Fatal(err)
	}
	got = h.mustV1("GET", thread+"/messages/"+answer.ID, "")
	wantContent := `[{"text":{"annotations":[{"end_index":0,"file_path":{"file_id":"B"},"start_index":0,"text":"a","type":"file_path"},{"end_index":0,"file_citation":{"file_id":"B","quote":""},"start_index":0,"text":"b","type":"file_citation"}],"value":"ab"},"type":"text"},{"text":{"annotations":[],"value":"no"},"type":"text"}]`
	content, err := json.Marshal(got["content"])
	if err != nil {
		t.Fatal(err)
	}
	if c := strings.ReplaceAll(string(content), b, "B"); c != wantContent || !cmp.Equal(got["file_ids"], strs([]string{b})) {
		t.Errorf("answer: got %s %v\nwant %s", c, got["file_ids"], wantContent)
	}
	if got := h.mustV1("GET", thread+"/messages/"+answer.ID+"/files/"+b, "")["message_id"]; got != answer.ID {
		t.Errorf("file of the answer: got %v", got)
	}
}

func TestV1Errors(t *testing.T) {
	h := newHarness(t, nil)
	csv := h.upload("/v1", "data.CSV", "assistants", "a,b")["id"].(string)
	pdf := h.upload("/v1", "doc.pdf", "assistants", "x")["id"].(string)
	asst := h.mustV1("POST", "/v1/assistants", `{"model":"m","tools":[{"type":"code_interpreter"}],"file_ids":["`+csv+`"]}`)["id"].(string)
	thread := h.mustV1("POST", "/v1/threads", "")["id"].(string)
	for _, tc := range []struct{ path, body, message, param, code string }{
		{"/assistants", `{"model":"m","tool_resources":{}}`, "Unknown parameter: 'tool_resources'.", "tool_resources", "unknown_parameter"},
		{"/assistants", `{"model":"m","reasoning_effort":"low"}`, "Unknown parameter: 'reasoning_effort'.", "reasoning_effort", "unknown_parameter"},
		{"/assistants", `{"model":"m","tools":[{"type":"file_search"}]}`, "Invalid value: 'file_search'. Supported values are: 'code_interpreter', 'retrieval', and 'function'.", "tools[0].type", "invalid_value"},
		{"/assistants", `{"model":"m","metadata":{"a":{}}}`, "Invalid type for 'metadata.a': expected a string, but got an object instead.", "metadata.a", "invalid_type"},
		{"/assistants", `{"model":"m","file_ids":` + repeat(21, `"file-x"`) + `}`, "Invalid 'file_ids': array too long. Expected an array with maximum length 20, but got an array with length 21 instead.", "file_ids", "array_above_max_length"},
		{"/assistants", `{"model":"m","file_ids":["file-x"]}`, "Files [file-x] were not found", "", ""},
		{"/assistants", `{"model":"m","tools":[{"type":"retrieval"}],"file_ids":["` + pdf + `","` + csv + `"]}`, "Files with extensions [.csv] are not supported for retrieval. See https://platform.openai.com/docs/assistants/tools/file-search/supported-files", "file_ids", "unsupported_file"},
		{"/assistants/" + asst, `{"tools":[{"type":"retrieval"}]}`, "Files with extensions [.csv] are not supported for retrieval. See https://platform.openai.com/docs/assistants/tools/file-search/supported-files", "file_ids", "unsupported_file"},
		{"/assistants/" + asst + "/files", `{}`, "Missing required parameter: 'file_id'.", "file_id", "missing_required_parameter"},
		{"/assistants/" + asst + "/files", `{"file_id":"file-x"}`, "Files [file-x] were not found", "", ""},
		{"/assistants/asst_x/files", `{"file_id":"file-x"}`, "No assistant found with id 'asst_x'.", "", ""},
		{"/threads", `{"tool_resources":{}}`, "Unknown parameter: 'tool_resources'.", "tool_resources", "unknown_parameter"},
		{"/threads/THREAD/messages", `{"role":"user","content":"x","attachments":[]}`, "Unknown parameter: 'attachments'.", "attachments", "unknown_parameter"},
		{"/threads/THREAD/messages", `{"role":"user","content":[{"type":"text","text":"x"}]}`, "Invalid type for 'content': expected a string, but got an array instead.", "content", "invalid_type"},
		{"/threads/THREAD/messages", `{"role":"user","content":"x","file_ids":` + repeat(11, `"file-x"`) + `}`, "Invalid 'file_ids': array too long. Expected an array with maximum length 10, but got an array with length 11 instead.", "file_ids", "array_above_max_length"},
		{"/threads/THREAD/messages", `{"role":"user","content":"x","file_ids":["file-x"]}`, "Files [file-x] were not found", "", ""},
		{"/threads/THREAD/runs", `{"assistant_id":"` + asst + `","parallel_tool_calls":true}`, "Unknown parameter: 'parallel_tool_calls'.", "parallel_tool_calls", "unknown_parameter"},
		{"/threads/runs", `{"assistant_id":"` + asst + `","tool_resources":{}}`, "Unknown parameter: 'tool_resources'.", "tool_resources", "unknown_parameter"},
	} {
		w := h.v1("POST", "/v1"+strings.ReplaceAll(tc.path, "THREAD", thread), tc.body)
		got := decodeObject(t, w.Body.Bytes())
		want := jsonObject{"message": tc.message, "type": "invalid_request_error", "param": nullable(tc.param), "code": nullable(tc.code)}
		if diff := cmp.Diff(jsonObject{"error": want}, got); diff != "" {
			t.Errorf("%s %.100s: %d (-want +got):\n%s", tc.path, tc.body, w.Code, diff)
		}
	}
	if got := h.mustV1("GET", "/v1/assistants", ""); len(got["data"].([]any)) != 1 || len(h.mustV1("GET", "/v1/assistants/"+asst, "")["file_ids"].([]any)) != 1 {
		t.Errorf("something was stored: %v", got)
	}
	for range 19 {
		id := h.upload("/v1", "x.txt", "assistants", "x")["id"].(string)
		h.mustV1("POST", "/v1/assistants/"+asst+"/files", `{"file_id":"`+id+`"}`)
	}
	if w := h.v1("POST", "/v1/assistants/"+asst+"/files", `{"file_id":"`+pdf+`"}`); !strings.Contains(w.Body.String(), "with length 21 instead") {
		t.Errorf("file 21: got %d %s", w.Code, w.Body)
	}
}

func nullable(s string) any {
	if s == "" {
		return nil
	}
	return s
}

// TestV1Azure sends what only version 2 knows to Azure's version 1, which takes no
// notice of it.
func TestV1Azure(t *testing.T) {
	h := newHarness(t, nil)
	a := h.mustV1("POST", "/openai/assistants", `{"model":"m","tool_resources":{"code_interpreter":{"file_ids":["file-x"]}},"tools":[{"type":"function","function":{"name":"f","strict":7}}],"reasoning_effort":[]}`)
	if got := h.must("GET", "/openai/assistants/"+a["id"].(string), ""); len(got["tool_resources"].(jsonObject)) != 0 {
		t.Errorf("tool resources: got %v", got["tool_resources"])
	}
	th := h.mustV1("POST", "/openai/threads", `{"messages":[{"role":"user","content":"x","attachments":[{"file_id":"file-x"}]}]}`)
	base := "/openai/threads/" + th["id"].(string)
	run := h.mustV1("POST", base+"/runs", `{"assistant_id":"`+a["id"].(string)+`","parallel_tool_calls":false,"thread":{"messages":[{"content":[{"type":"image_file"}]}]}}`)
	if got := h.must("GET", base+"/runs/"+run["id"].(string), ""); got["parallel_tool_calls"] != true {
		t.Errorf("parallel_tool_calls: got %v", got["parallel_tool_calls"])
	}
}

// TestUncheckedParts sends what a request does not have to Azure, which takes no
// notice of it, whatever it is.
func TestUncheckedParts(t *testing.T) {
	h := newHarness(t, nil)
	a := h.must("POST", "/openai/assistants", `{"model":"m","instructions":"i"}`)["id"].(string)
	for _, unknown := range []string{`"thread":{"messages":[{"content":[{"type":"image_file"},{"type":"image_url","image_url":7}]}]}`, `"tool_resources":3`, `"Thre\u0061d":{}`} {
		th := h.must("POST", "/openai/threads", "")["id"].(string)
		h.must("POST", "/openai/threads/"+th+"/runs", `{"assistant_id":"`+a+`",`+unknown+`}`)
		if got := h.must("GET", "/openai/threads/"+th+"/messages", "")["data"].([]any); len(got) > 0 {
			t.Errorf("%s: got messages %v", unknown, got)
		}
	}
}

func TestV1ModifyRun(t *testing.T) {
	h := newHarness(t, nil)
	path, _, id := h.newRun("/v1")
	if got := h.mustV1("POST", path, `{"metadata":{"modified":true}}`)["metadata"]; !cmp.Equal(got, any(jsonObject{"modified": "True"})) {
		t.Errorf("queued: got %v", got)
	}
	ctx := t.Context()
	c, _, err := h.db.ClaimRun(ctx, id, "test", time.Minute)
	if err != nil {
		t.Fatal(err)
	}
	if w := h.v1("POST", path, `{"metadata":{}}`); w.Code != http.StatusBadRequest || !strings.Contains(w.Body.String(), `"Cannot update run with status 'in_progress'."`) {
		t.Errorf("in progress: got %d %s", w.Code, w.Body)
	}
	h.must("POST", path, `{"metadata":{"a":"b"}}`) // in version 2
	if err := h.db.Commit(ctx, c, complete); err != nil {
		t.Fatal(err)
	}
	if got := h.mustV1("POST", path, `{"metadata":{"modified":1.0}}`)["metadata"]; !cmp.Equal(got, any(jsonObject{"modified": "1.0"})) {
		t.Errorf("completed: got %v", got)
	}
}

// TestV1Stream compares the events of one run in both versions.
func TestV1Stream(t *testing.T) {
	h := newHarness(t, nil)
	file := h.upload("/v1", "a.md", "assistants", "x")["id"].(string)
	asst := h.mustV1("POST", "/v1/assistants", `{"model":"m","tools":[{"type":"retrieval"}],"file_ids":["`+file+`"]}`)["id"].(string)
	h.engine.onStart = func(id string) {
		go h.execute(id, func(x *store.RunTx) error {
			r := x.Run()
			call := understudy.ToolCall{ID: "call_a", Type: understudy.ToolFileSearch, FileSearch: &understudy.FileSearchCall{Results: []understudy.FileSearchResult{}}}
			step := &understudy.Step{ID: understudy.NewID(understudy.PrefixStep), Object: "thread.run.step", RunID: r.ID, AssistantID: r.AssistantID, ThreadID: r.ThreadID,
				Type: understudy.StepToolCalls, Status: understudy.StepInProgress, StepDetails: understudy.StepDetails{Type: understudy.StepToolCalls, ToolCalls: []understudy.ToolCall{call}}}
			if err := x.AddStep(step); err != nil {
				return err
			}
			delta, err := understudy.NewEvent(understudy.EventStepDelta, understudy.NewStepDelta(step.ID, understudy.ToolCallDelta{Index: 0, ID: "call_a", Type: understudy.ToolFileSearch, FileSearch: call.FileSearch}))
			if err == nil {
				err = h.db.Publish(r.ID, delta)
			}
			if err != nil {
				return err
			}
			return x.Become(understudy.RunIncomplete, func(r *understudy.Run) {
				r.Usage = &understudy.Usage{PromptTokens: 1, CompletionTokens: 2, TotalTokens: 3}
				r.IncompleteDetails = &understudy.IncompleteDetails{Reason: "max_completion_tokens"}
			})
		})
	}
	w := h.v1("POST", "/v1/threads/runs", `{"assistant_id":"`+asst+`","stream":true,"thread":{"messages":[{"role":"user","content":"x"}]}}`)
	events := map[string]string{}
	var names []string
	for frame := range strings.SplitSeq(strings.TrimSpace(w.Body.String()), "\n\n") {
		name, data, _ := strings.Cut(strings.TrimPrefix(frame, "event: "), "\ndata: ")
		names = append(names, name)
		events[name] = strings.ReplaceAll(data, file, "FILE")
	}
	for name, want := range map[string][]string{
		"thread.created":          {`"object":"thread"`, "-tool_resources"},
		"thread.run.queued":       {`"tools":[{"type":"retrieval"}]`, `"file_ids":["FILE"]`, "-tool_resources", "-parallel_tool_calls"},
		"thread.run.step.created": {`"step_details":{"type":"tool_calls","tool_calls":[{"id":"call_a","type":"retrieval","retrieval":{}}]}`, "-file_search"},
		"thread.run.step.delta":   {`"delta":{"step_details":{"type":"tool_calls","tool_calls":[{"index":0,"id":"call_a","type":"retrieval","retrieval":{}}]}}`, "-file_search"},
		"thread.run.completed":    {`"status":"incomplete"`, `"incomplete_details":{"reason":"max_completion_tokens"}`, `"usage":{"prompt_tokens":1,"completion_tokens":2,"total_tokens":3}`},
		"done":                    {"[DONE]"},
	} {
		for _, part := range want {
			unwanted, not := strings.CutPrefix(part, "-")
			if events[name] == "" || strings.Contains(events[name], unwanted) == not {
				t.Errorf("%s: got %s, want %s", name, events[name], part)
			}
		}
	}
	if slices.Contains(names, "thread.run.incomplete") {
		t.Errorf("events of version 2: %v", names)
	}
}

// TestMay2024 shows citations and searches as Azure's first versions with
// vector stores describe them.
func TestMay2024(t *testing.T) {
	h := newHarness(t, nil)
	path, thread, id := h.newRun("/openai")
	step := understudy.NewID(understudy.PrefixStep)
	h.execute(id, func(x *store.RunTx) error {
		r := x.Run()
		err := x.AddStep(&understudy.Step{ID: step, RunID: r.ID, ThreadID: r.ThreadID, Type: understudy.StepToolCalls, Status: understudy.StepInProgress,
			StepDetails: understudy.StepDetails{Type: understudy.StepToolCalls, ToolCalls: []understudy.ToolCall{{ID: "call_a", Type: understudy.ToolFileSearch, FileSearch: &understudy.FileSearchCall{Results: []understudy.FileSearchResult{}}}}}})
		if err != nil {
			return err
		}
		return complete(x)
	})
	m := &understudy.Message{ID: understudy.NewID(understudy.PrefixMessage), ThreadID: thread, Content: []understudy.Content{{Type: "text", Text: &understudy.Text{Annotations: []understudy.Annotation{
		{Type: "file_citation", FileCitation: &understudy.FileCitation{FileID: "file-x"}}}}}}}
	if err := h.db.CreateMessage(t.Context(), m); err != nil {
		t.Fatal(err)
	}
	for version, want := range map[string][2]string{
		"2024-05-01-preview": {`"quote":""`, `"file_search":{}`},
		"2025-03-01-preview": {`"file_citation":{"file_id":"file-x"}`, `"results":[]`},
	} {
		for _, list := range []bool{false, true} {
			paths := [2]string{"/openai/threads/" + thread + "/messages", path + "/steps"}
			if !list {
				paths[0] += "/" + m.ID
				paths[1] += "/" + step
			}
			for i, p := range paths {
				if got := compact(t, h.do("GET", p+"?api-version="+version, "").Body.Bytes()); !strings.Contains(got, want[i]) {
					t.Errorf("%s %s: got %s, want %s", version, p, got, want[i])
				}
			}
		}
	}
}
