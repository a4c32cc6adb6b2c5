package api

import (
	"net/http"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

var (
	anID   = regexp.MustCompile(`"(asst|thread|msg|run|step|file|assistant)[_-][A-Za-z0-9]{24}"`)
	aTime  = regexp.MustCompile(`(_at)":\d{10}`)
	wantID = `"$1"`
)

// scrub makes bodies comparable: ids become their prefix and times 1.
func scrub(t *testing.T, body []byte) string {
	t.Helper()
	return aTime.ReplaceAllString(anID.ReplaceAllString(compact(t, body), wantID), `$1":1`)
}

// TestObjects shows every kind of object as its creation answers.
func TestObjects(t *testing.T) {
	forEachDialect(t, func(t *testing.T, prefix string) {
		h := newHarness(t, nil)
		file := h.upload(prefix, "data.csv", "assistants", "a,b")["id"].(string)
		for _, tc := range []struct{ path, body, want string }{
			{"/assistants", `{"model":"gpt-4o"}`,
				`{"id":"asst","object":"assistant","created_at":1,"name":null,"description":null,"model":"gpt-4o","instructions":null,"tools":[],"top_p":1.0,"temperature":1.0,"reasoning_effort":null,"tool_resources":{},"metadata":{},"response_format":"auto"}`},
			{"/assistants", `{"model":"gpt-4o","name":"n","temperature":0.2,"tools":[{"type":"code_interpreter"},{"type":"retrieval"},{"type":"function","function":{"name":"f"}}],"response_format":{"type":"json_schema","json_schema":{"name":"j","strict":true}}}`,
				`{"id":"asst","object":"assistant","created_at":1,"name":"n","description":null,"model":"gpt-4o","instructions":null,"tools":[{"type":"code_interpreter"},{"type":"file_search","file_search":{"ranking_options":{"ranker":"default_2024_08_21","score_threshold":0.0,"hybrid_search":null}}},{"type":"function","function":{"name":"f","parameters":{"type":"object","properties":{}},"strict":false}}],"top_p":1.0,"temperature":0.2,"reasoning_effort":null,"tool_resources":{"code_interpreter":{"file_ids":[]}},"metadata":{},"response_format":{"type":"json_schema","json_schema":{"name":"j","strict":true}}}`},
			{"/assistants", `{"model":"gpt-4o","file_ids":["file.id","` + file + `"]}`,
				`{"id":"asst","object":"assistant","created_at":1,"name":null,"description":null,"model":"gpt-4o","instructions":null,"tools":[],"top_p":1.0,"temperature":1.0,"reasoning_effort":null,"tool_resources":{"code_interpreter":{"file_ids":["FILE"]}},"metadata":{},"response_format":"auto"}`},
			{"/threads", `{"metadata":{"b":"1","a":"2"},"messages":[{"role":"user","content":"I need to solve the equation","file_ids":["file.id"]}]}`,
				`{"id":"thread","object":"thread","created_at":1,"metadata":{"a":"2","b":"1"},"tool_resources":{}}`},
			{"/threads", `{"messages":[{"role":"user","content":"x","attachments":[{"file_id":"` + file + `","tools":[{"type":"code_interpreter"}]}]}]}`,
				`{"id":"thread","object":"thread","created_at":1,"metadata":{},"tool_resources":{"code_interpreter":{"file_ids":["FILE"]}}}`},
			{"/threads/THREAD/messages", `{"role":"user","content":[{"type":"text","text":"Hi"},{"type":"image_url","image_url":{"url":"https://x/y.png"}},{"type":"image_file","image_file":{"file_id":"` + file + `","detail":"low"}}]}`,
				`{"id":"msg","object":"thread.message","created_at":1,"assistant_id":null,"thread_id":"thread","run_id":null,"status":"completed","incomplete_details":null,"incomplete_at":null,"completed_at":1,"role":"user","content":[{"type":"text","text":{"value":"Hi","annotations":[]}},{"type":"image_url","image_url":{"url":"https://x/y.png","detail":"auto"}},{"type":"image_file","image_file":{"file_id":"FILE","detail":"low"}}],"attachments":[],"metadata":{}}`},
			{"/threads/THREAD/messages", `{"role":"assistant","content":"Hi","attachments":[{"file_id":"` + file + `","tools":[{"type":"retrieval"},{"type":"code_interpreter"}]},{"file_id":"` + file + `"}],"file_ids":["file-none"]}`,
				`{"id":"msg","object":"thread.message","created_at":1,"assistant_id":null,"thread_id":"thread","run_id":null,"status":"completed","incomplete_details":null,"incomplete_at":null,"completed_at":1,"role":"assistant","content":[{"type":"text","text":{"value":"Hi","annotations":[]}}],"attachments":[{"file_id":"FILE","tools":[{"type":"file_search"},{"type":"code_interpreter"}]},{"file_id":"FILE","tools":[]}],"metadata":{}}`},
			{"/threads/THREAD/runs", `{"assistant_id":"ASST","model":"other","instructions":"Do.","additional_instructions":"More.","tool_choice":{"type":"function","function":{"name":"f"}},"tools":[{"type":"function","function":{"name":"f","description":"d","parameters":{"z":1,"a":2},"strict":true}}],"truncation_strategy":{"type":"last_messages","last_messages":3},"parallel_tool_calls":false,"max_prompt_tokens":256,"max_completion_tokens":16,"temperature":0,"metadata":{"k":"v"}}`,
				`{"id":"run","object":"thread.run","created_at":1,"assistant_id":"asst","thread_id":"thread","status":"queued","started_at":null,"expires_at":1,"cancelled_at":null,"failed_at":null,"completed_at":null,"required_action":null,"last_error":null,"model":"other","instructions":"Do.\n\nMore.","tools":[{"type":"function","function":{"name":"f","description":"d","parameters":{"z":1,"a":2},"strict":true}}],"tool_resources":{},"metadata":{"k":"v"},"temperature":0.0,"top_p":1.0,"reasoning_effort":null,"max_completion_tokens":16,"max_prompt_tokens":256,"truncation_strategy":{"type":"last_messages","last_messages":3},"incomplete_details":null,"usage":null,"response_format":"auto","tool_choice":{"type":"function","function":{"name":"f"}},"parallel_tool_calls":false}`},
			{"/threads/runs", `{"assistant_id":"ASST","thread":{"messages":[{"role":"user","content":"x"}]},"additional_messages":[]}`,
				`{"id":"run","object":"thread.run","created_at":1,"assistant_id":"asst","thread_id":"thread","status":"queued","started_at":null,"expires_at":1,"cancelled_at":null,"failed_at":null,"completed_at":null,"required_action":null,"last_error":null,"model":"gpt-4o","instructions":null,"tools":[],"tool_resources":{},"metadata":{},"temperature":1.0,"top_p":1.0,"reasoning_effort":null,"max_completion_tokens":null,"max_prompt_tokens":null,"truncation_strategy":{"type":"auto","last_messages":null},"incomplete_details":null,"usage":null,"response_format":"auto","tool_choice":"auto","parallel_tool_calls":true}`},
		} {
			asst := h.must("POST", prefix+"/assistants", `{"model":"gpt-4o"}`)["id"].(string)
			thread := h.must("POST", prefix+"/threads", `{"messages":[{"role":"user","content":"x"}]}`)["id"].(string)
			w := h.do("POST", prefix+strings.ReplaceAll(tc.path, "THREAD", thread), strings.ReplaceAll(tc.body, "ASST", asst))
			got := scrub(t, []byte(strings.ReplaceAll(w.Body.String(), file, "FILE")))
			if w.Code != http.StatusOK || got != tc.want {
				t.Errorf("POST %s %s: got %d\n got %s\nwant %s", tc.path, tc.body, w.Code, got, tc.want)
			}
		}
	})
}

// TestErrors asks for what does not exist or is not allowed.
func TestErrors(t *testing.T) {
	const notFound = `","type":"invalid_request_error","param":null,"code":null}}`
	badID := func(param, id, prefix string) string {
		return `{"error":{"message":"Invalid '` + param + `': '` + id + `'. Expected an ID that begins with '` + prefix + `'.","type":"invalid_request_error","param":"` + param + `","code":"invalid_value"}}`
	}
	invalid := func(message, param, code string) string {
		quoted := func(s string) string {
			if s == "" {
				return "null"
			}
			return `"` + s + `"`
		}
		return `{"error":{"message":"` + message + `","type":"invalid_request_error","param":` + quoted(param) + `,"code":` + quoted(code) + `}}`
	}
	forEachDialect(t, func(t *testing.T, prefix string) {
		h := newHarness(t, nil)
		asst := h.must("POST", prefix+"/assistants", `{"model":"m"}`)["id"].(string)
		empty := h.must("POST", prefix+"/threads", ``)["id"].(string)
		thread := h.must("POST", prefix+"/threads", `{"messages":[{"role":"user","content":"x"}]}`)["id"].(string)
		run := h.must("POST", prefix+"/threads/"+thread+"/runs", `{"assistant_id":"`+asst+`"}`)["id"].(string)
		fill := strings.NewReplacer("ASST", asst, "EMPTY", empty, "THREAD", thread, "RUN", run)
		for _, tc := range []struct {
			request string // method, path, body
			status  int
			want    string
		}{
			{"GET /assistants/asst_x", 404, `{"error":{"message":"No assistant found with id 'asst_x'.` + notFound},
			{"POST /assistants/asst_x {}", 404, `{"error":{"message":"No assistant found with id 'asst_x'.` + notFound},
			{"DELETE /assistants/asst_x", 404, `{"error":{"message":"No assistant found with id 'asst_x'.` + notFound},
			{"GET /assistants/THREAD", 400, badID("assistant_id", thread, "asst")},
			{"GET /threads/thread_x", 404, `{"error":{"message":"No thread found with id 'thread_x'.` + notFound},
			{"GET /threads/undefined", 400, badID("thread_id", "undefined", "thread")},
			{"DELETE /threads/thread_x", 404, `{"error":{"message":"No thread found with id 'thread_x'.` + notFound},
			{"GET /threads/thread_x/messages", 404, `{"error":{"message":"No thread found with id 'thread_x'.` + notFound},
			{`POST /threads/thread_x/messages {"role":"user","content":"x"}`, 404, `{"error":{"message":"No thread found with id 'thread_x'.` + notFound},
			{"GET /threads/THREAD/messages/msg_x", 404, `{"error":{"message":"No message found with id 'msg_x'.` + notFound},
			{"DELETE /threads/THREAD/messages/msg_x", 404, `{"error":{"message":"No message found with id 'msg_x'.` + notFound},
			{"GET /threads/THREAD/messages/RUN", 400, badID("message_id", run, "msg")},
			{"GET /threads/THREAD/runs/run_x", 404, `{"error":{"message":"No run found with id 'run_x'.` + notFound},
			{"GET /threads/EMPTY/runs/RUN", 404, `{"error":{"message":"No run found with id 'RUN'.` + notFound},
			{"GET /threads/thread_x/runs/RUN", 404, `{"error":{"message":"No thread found with id 'thread_x'.` + notFound},
			{"POST /threads/THREAD/runs/run_x/cancel", 404, `{"error":{"message":"No run found with id 'run_x'.` + notFound},
			{"GET /threads/THREAD/runs/run_x/steps", 404, `{"error":{"message":"No run found with id 'run_x'.` + notFound},
			{"GET /threads/THREAD/runs/RUN/steps/step_x", 404, `{"error":{"message":"No run step found with id 'step_x'.` + notFound},
			{"GET /threads/THREAD/runs/RUN/steps/x", 400, badID("step_id", "x", "step")},
			{`POST /threads/THREAD/messages {"role":"user","content":"x"}`, 400, `{"error":{"message":"Can't add messages to THREAD while a run RUN is active.` + notFound},
			{`POST /threads/THREAD/runs {"assistant_id":"ASST"}`, 400, `{"error":{"message":"Thread THREAD already has an active run RUN.` + notFound},
			{`POST /threads/EMPTY/runs {"assistant_id":"ASST"}`, 400, invalid("Run creation requires a Thread with a user message or an assistant with instructions.", "", "invalid_thread")},
			{`POST /threads/EMPTY/runs {"assistant_id":"asst_x"}`, 404, `{"error":{"message":"No assistant found with id 'asst_x'.` + notFound},
			{`POST /threads/thread_x/runs {"assistant_id":"ASST"}`, 404, `{"error":{"message":"No thread found with id 'thread_x'.` + notFound},
			{`POST /threads/thread_x/runs {}`, 400, invalid("Missing required parameter: 'assistant_id'.", "assistant_id", "missing_required_parameter")},
			{`POST /threads/THREAD/runs/RUN/submit_tool_outputs {"tool_outputs":[{"tool_call_id":"x"}]}`, 400, invalid(`Runs in status \"queued\" do not accept tool outputs.`, "", "")},
			{`POST /threads/THREAD/runs/RUN/submit_tool_outputs {"tool_outputs":[{"tool_call_id":"x","output":"` + strings.Repeat("x", 524_289) + `"}]}`, 400,
				invalid("Invalid 'tool_outputs': outputs too long. Expected outputs with a total of at most 524288 bytes, but got 524289 bytes instead.", "tool_outputs", "string_above_max_length")},
			{`POST /threads/THREAD/runs/RUN {"metadata":{"modified":true}}`, 400, invalid("Invalid type for 'metadata.modified': expected a string, but got a boolean instead.", "metadata.modified", "invalid_type")},
			{`POST /assistants {"model":"m","tool_resources":{"code_interpreter":{"file_ids":["file-x","file-y"]}}}`, 404, `{"error":{"message":"Files [file-x, file-y] were not found` + notFound},
			{`POST /assistants {"model":"m","tool_resources":{"file_search":{"vector_store_ids":["vs_x"]}}}`, 404, `{"error":{"message":"No vector store found with id 'vs_x'.` + notFound},
			{`POST /threads/EMPTY {"tool_resources":{"file_search":{"vector_stores":[{"file_ids":[]}]}}}`, 400, invalid("Unknown parameter: 'tool_resources.file_search.vector_stores'.", "tool_resources.file_search.vector_stores", "unknown_parameter")},
			{`POST /threads {"messages":[{"role":"user","content":[{"type":"image_file","image_file":{"file_id":"file-x"}}]}]}`, 404, `{"error":{"message":"Files [file-x] were not found` + notFound},
			{`POST /threads/EMPTY/messages {"role":"user","content":"x","attachments":[{"file_id":"file-x","tools":[{"type":"file_search"}]}]}`, 404, `{"error":{"message":"Files [file-x] were not found` + notFound},
			{`POST /threads/EMPTY/runs {"assistant_id":"ASST","tool_choice":"required"}`, 400, invalid("Invalid 'tool_choice': 'required' needs at least one tool, but the run has none.", "tool_choice", "invalid_value")},
			{`POST /threads/EMPTY/runs {"assistant_id":"ASST","tool_choice":{"type":"code_interpreter"}}`, 400, invalid("Invalid 'tool_choice': the run has no tool of type 'code_interpreter'.", "tool_choice", "invalid_value")},
			{`POST /threads/EMPTY/runs {"assistant_id":"ASST","tool_choice":{"type":"function","function":{"name":"f"}},"tools":[{"type":"function","function":{"name":"g"}}]}`, 400, invalid("Invalid 'tool_choice': the run has no function named 'f'.", "tool_choice", "invalid_value")},
			{`POST /threads/EMPTY/runs {"assistant_id":"ASST","response_format":{"type":"json_object"},"tools":[{"type":"code_interpreter"}]}`, 400, invalid("Invalid tools: all tools must be of type `function` when `response_format` is of type `json_object`.", "response_format", "invalid_value")},
			{"GET /assistants?limit=101", 400, invalid("Invalid 'limit': integer above maximum value. Expected a value <= 100, but got 101 instead.", "limit", "integer_above_max_value")},
			{"GET /assistants?limit=0", 400, invalid("Invalid 'limit': integer below minimum value. Expected a value >= 1, but got 0 instead.", "limit", "integer_below_min_value")},
			{"GET /assistants?limit=x", 400, invalid("Invalid type for 'limit': expected an integer, but got a string instead.", "limit", "invalid_type")},
			{"GET /assistants?limit=1.5", 400, invalid("Invalid type for 'limit': expected an integer, but got a decimal number instead.", "limit", "invalid_type")},
			{"GET /assistants?order=up", 400, invalid("Invalid value: 'up'. Supported values are: 'asc' and 'desc'.", "order", "invalid_value")},
			{"GET /threads/THREAD/runs/RUN/steps?include[]=x", 400, invalid("Invalid value: 'x'. Supported values are: '"+includeResults+"'.", "include", "invalid_value")},
		} {
			method, rest, _ := strings.Cut(tc.request, " ")
			path, body, _ := strings.Cut(rest, " ")
			w := h.do(method, prefix+fill.Replace(path), fill.Replace(body))
			if got, want := compact(t, w.Body.Bytes()), fill.Replace(tc.want); w.Code != tc.status || got != want {
				t.Errorf("%.200s:\n got %d %s\nwant %d %s", tc.request, w.Code, got, tc.status, want)
			}
		}
	})
}

func TestUnknownParameters(t *testing.T) {
	h := newHarness(t, nil)
	const body = `{"model":"m","surprise":{"a":[1]}}`
	if got := h.do("POST", "/v1/assistants", body); got.Code != http.StatusBadRequest || !strings.Contains(got.Body.String(), "Unknown parameter: 'surprise'.") {
		t.Errorf("OpenAI dialect: got %d %s", got.Code, got.Body)
	}
	h.must("POST", "/openai/assistants", body)
}

func TestModify(t *testing.T) {
	h := newHarness(t, nil)
	created := h.must("POST", "/v1/assistants", `{"model":"m","name":"n","instructions":"i","tools":[{"type":"code_interpreter"}],"metadata":{"a":"1","b":"2"},"temperature":0.5}`)
	path := "/v1/assistants/" + created["id"].(string)
	got := h.must("POST", path, `{"name":"new","tools":[],"metadata":{"c":"3"},"instructions":null,"tool_resources":null}`)
	want := created
	want["name"], want["tools"], want["metadata"] = "new", []any{}, map[string]any{"c": "3"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("modified assistant (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(want, h.must("GET", path, "")); diff != "" {
		t.Errorf("assistant read back (-want +got):\n%s", diff)
	}
	if w := h.do("POST", path, `{"response_format":{"type":"json_object"},"tools":[{"type":"file_search"}]}`); w.Code != http.StatusBadRequest {
		t.Errorf("JSON mode with file_search: got %d %s", w.Code, w.Body)
	}

	thread := "/v1/threads/" + h.must("POST", "/v1/threads", `{"metadata":{"a":"1"}}`)["id"].(string)
	if got := h.must("POST", thread, `{"metadata":{},"tool_resources":{"file_search":{"vector_store_ids":[]}}}`); len(got["metadata"].(jsonObject)) != 0 {
		t.Errorf("modified thread: got %v", got)
	}
	message := thread + "/messages/" + h.must("POST", thread+"/messages", `{"role":"user","content":"x"}`)["id"].(string)
	h.must("POST", message, `{"metadata":{"a":"b"}}`)
	if got := h.must("GET", message, "")["metadata"]; !cmp.Equal(got, any(jsonObject{"a": "b"})) {
		t.Errorf("metadata of the message: got %v", got)
	}
}

func TestDelete(t *testing.T) {
	var gone []string
	h := newHarness(t, func(c *Config) { c.OnThreadDeleted = func(id string) { gone = append(gone, id) } })
	asst := h.must("POST", "/v1/assistants", `{"model":"m"}`)["id"].(string)
	thread := h.must("POST", "/v1/threads", ``)["id"].(string)
	message := h.must("POST", "/v1/threads/"+thread+"/messages", `{"role":"user","content":"x"}`)["id"].(string)
	for _, tc := range []struct{ path, want string }{
		{"/v1/assistants/" + asst, `{"id":"` + asst + `","object":"assistant.deleted","deleted":true}`},
		{"/v1/threads/" + thread + "/messages/" + message, `{"id":"` + message + `","object":"thread.message.deleted","deleted":true}`},
		{"/v1/threads/" + thread, `{"id":"` + thread + `","object":"thread.deleted","deleted":true}`},
	} {
		if got := compact(t, h.do("DELETE", tc.path, "").Body.Bytes()); got != tc.want {
			t.Errorf("DELETE %s: got %s, want %s", tc.path, got, tc.want)
		}
		if got := h.do("GET", tc.path, "").Code; got != http.StatusNotFound {
			t.Errorf("GET %s after its deletion: got %d", tc.path, got)
		}
	}
	if diff := cmp.Diff([]string{thread}, gone); diff != "" {
		t.Errorf("threads told to be deleted (-want +got):\n%s", diff)
	}
}

func TestLists(t *testing.T) {
	h := newHarness(t, nil)
	var ids []string
	for range 5 {
		ids = append(ids, h.must("POST", "/v1/assistants", `{"model":"m"}`)["id"].(string))
	}
	for query, want := range map[string][]string{
		"":                               {ids[4], ids[3], ids[2], ids[1], ids[0]},
		"?order=asc&limit=2":             {ids[0], ids[1]},
		"?limit=2&after=" + ids[3]:       {ids[2], ids[1]},
		"?limit=2&before=" + ids[1]:      {ids[3], ids[2]},
		"?order=asc&after=" + ids[4]:     {},
		"?order=asc&limit=&after=&order": {ids[0], ids[1], ids[2], ids[3], ids[4]},
	} {
		list := h.must("GET", "/v1/assistants"+query, "")
		got := []string{}
		for _, v := range list["data"].([]any) {
			got = append(got, v.(jsonObject)["id"].(string))
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%q (-want +got):\n%s", query, diff)
		}
		if len(want) > 0 && (list["first_id"] != want[0] || list["last_id"] != want[len(want)-1]) || len(want) == 0 && list["first_id"] != nil {
			t.Errorf("%q: first_id %v, last_id %v", query, list["first_id"], list["last_id"])
		}
	}
}

func FuzzQuery(f *testing.F) {
	f.Add("limit=5&order=asc&after=asst_x&include[]=x")
	f.Add("limit=1e5;order=%zz&&=&include=" + includeResults)
	f.Fuzz(func(t *testing.T, raw string) {
		r, err := http.NewRequest("GET", "/", nil)
		if err != nil {
			t.Fatal(err)
		}
		r.URL.RawQuery = raw
		q := r.URL.Query()
		if p, err := page(q); err == nil && (p.Limit < 1 || p.Limit > maxPage || p.Order != "asc" && p.Order != "desc") {
			t.Errorf("%q: got page %+v", raw, p)
		}
		_, _ = includes(q)
		_ = apiVersion("2024-03-02", "2024-07-31")("", r)
	})
}
