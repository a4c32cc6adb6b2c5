package replay

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestComparison expects every kind of difference to be found: a replay that
// sees nothing passes, too.
func TestComparison(t *testing.T) {
	const (
		asst  = "asst_aaaaaaaaaaaaaaaaaaaaaaaa"
		msgA  = "msg_aaaaaaaaaaaaaaaaaaaaaaaa"
		msgB  = "msg_bbbbbbbbbbbbbbbbbbbbbbbb"
		known = "thread_aaaaaaaaaaaaaaaaaaaaaaaa"
	)
	tests := []struct {
		name      string
		want, got string
		set       func(*comparison)
		found     []string
	}{
		{"equal", `{"id":"` + asst + `","n":[1,null]}`, `{"id":"x","n":[1,null]}`, nil, nil},
		{"extra key", `{}`, `{"a":1}`, nil, []string{"$.a extra key"}},
		{"missing key", `{"a":{"b":1}}`, `{"a":{}}`, nil, []string{"$.a.b missing key"}},
		{"null", `{"a":null}`, `{"a":1}`, nil, []string{"$.a type"}},
		{"type", `{"a":[{"b":1}]}`, `{"a":[{"b":"1"}]}`, nil, []string{"$.a[].b type"}},
		{"text", `{"a":"x"}`, `{"a":"y"}`, nil, []string{"$.a value"}},
		{"number", `{"top_p":1}`, `{"top_p":0.5}`, nil, []string{"$.top_p value"}},
		{"measured", `{"a_at":1,"p_tokens":1,"bytes":1}`, `{"a_at":2,"p_tokens":2,"bytes":2}`, nil, nil},
		{"length", `{"a":[]}`, `{"a":[1]}`, nil, []string{"$.a length"}},
		{"growing", `{"a":[]}`, `{"a":[1]}`, func(c *comparison) { c.growing = true }, nil},
		{"shrunk", `{"a":[1]}`, `{"a":[]}`, func(c *comparison) { c.growing = true }, []string{"$.a length"}},
		{"other id", `{"t":"` + known + `"}`, `{"t":"thread_2"}`, nil, []string{"$.t value"}},
		{"id in a text", `{"t":"No ` + known + `."}`, `{"t":"No thread_1."}`, nil, nil},
		{"learned id", `["` + asst + `","` + asst + `"]`, `["x","y"]`, nil, []string{"$[] value"}},
		{"order", `[{"id":"` + msgA + `"},{"id":"` + msgB + `"}]`, `[{"id":"msg_2"},{"id":"msg_1"}]`, nil, []string{"$[] order"}},
		{"lost", `[{"id":"` + msgA + `"}]`, `[{"id":"msg_2"}]`, nil, []string{"$[] order"}},
		{"later state", `{"status":"queued","started_at":null}`, `{"status":"completed","started_at":1}`, nil, nil},
		{"exact state", `{"status":"queued"}`, `{"status":"completed"}`, func(c *comparison) { c.exact = true }, []string{"$.status value"}},
		{"other state", `{"status":"completed"}`, `{"status":"failed"}`, nil, []string{"$.status value"}},
		{"what others made", `{"data":[{"id":"` + asst + `","a":1},{"id":"` + msgA + `"}],"has_more":true}`, `{"data":[{"id":"msg_1"}],"has_more":false}`,
			func(c *comparison) { c.account = true }, nil},
		{"nothing of others", `{"data":[{"id":"` + msgA + `"}],"has_more":true}`, `{"data":[{"id":"msg_1"}],"has_more":false}`,
			func(c *comparison) { c.account = true }, []string{"$.has_more value"}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			var want, got any
			if err := json.Unmarshal([]byte(test.want), &want); err != nil {
				t.Fatal(err)
			}
			if err := json.Unmarshal([]byte(test.got), &got); err != nil {
				t.Fatal(err)
			}
			c, found := newComparison(map[string]string{known: "thread_1", msgA: "msg_1", msgB: "msg_2"})
			if test.set != nil {
				test.set(c)
			}
			c.value("$", want, got)
			if diff := cmp.Diff(test.found, *found); diff != "" {
				t.Errorf("differences (-want +got):\n%s", diff)
			}
		})
	}
}

func newComparison(ids map[string]string) (_ *comparison, found *[]string) {
	found = new([]string)
	return &comparison{
		ids:    ids,
		model:  func(name string) string { return name },
		report: func(where, kind, _ string) { *found = append(*found, where+" "+kind) },
	}, found
}

func TestStreamComparison(t *testing.T) {
	const recorded = "event: a\ndata: {\"id\":1}\n\n" +
		"event: x.delta\ndata: {\"id\":1,\"v\":\"A\",\"n\":[]}\n\nevent: x.delta\ndata: {\"id\":1,\"v\":\"B\"}\n\n" +
		"event: b\ndata: {\"id\":1}\n\nevent: done\ndata: [DONE]\n\n"
	tests := []struct {
		name, old, new string // replaced once in our stream
		found          []string
	}{
		{"equal", "", "", nil},
		{"cut differently", "\"AB\"", "\"A\"", nil},
		{"more deltas", "event: b", "event: x.delta\ndata: {\"id\":1,\"v\":\"C\"}\n\nevent: b", nil},
		{"a comment", "event: b", ": still here\n\nevent: b", nil},
		{"first delta", ",\"n\":[]", "", []string{"P [x.delta] $.n missing key"}},
		{"later delta", "\"B\"", "\"B\",\"n\":[]", []string{"P [x.delta] $.n extra key"}},
		{"data", "event: b\ndata: {\"id\":1}", "event: b\ndata: {\"id\":1,\"e\":null}", []string{"P [b] $.e extra key"}},
		{"lost event", "event: b\ndata: {\"id\":1}\n\n", "", []string{"P [*] order"}},
		{"no end", "event: done\ndata: [DONE]\n\n", "", []string{"P [*] order"}},
		{"deltas of two", "{\"id\":1,\"v\":\"B\"}", "{\"id\":2,\"v\":\"B\"}", []string{"P [*] order"}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			want, err := parseEvents(recorded)
			if err != nil {
				t.Fatal(err)
			}
			got, err := parseEvents(strings.Replace(recorded, test.old, test.new, 1))
			if err != nil {
				t.Fatal(err)
			}
			c, found := newComparison(map[string]string{})
			c.stream("P", want, got)
			if diff := cmp.Diff(test.found, *found); diff != "" {
				t.Errorf("differences (-want +got):\n%s", diff)
			}
		})
	}
}

// TestTurns expects a script to say and call what was recorded, in its order.
func TestTurns(t *testing.T) {
	const file = "file-aaaaaaaaaaaaaaaaaaaaaa"
	steps := `{"object":"list","data":[
		{"object":"thread.run.step","id":"s3","created_at":3,"step_details":{"message_creation":{"message_id":"m2"}}},
		{"object":"thread.run.step","id":"s2","created_at":2,"step_details":{"tool_calls":[
			{"id":"c1","type":"code_interpreter","code_interpreter":{"input":"open('` + file + `') # {{x}}"}}]}},
		{"object":"thread.run.step","id":"s1","created_at":2,"step_details":{"message_creation":{"message_id":"m1"}}}]}`
	required := `{"object":"thread.run","id":"r","required_action":{"submit_tool_outputs":{"tool_calls":[
		{"id":"c2","type":"function","function":{"name":"f","arguments":"{\"a\":1}"}}]}}}`
	message := `{"object":"thread.message","id":"m2","run_id":"r","created_at":3,"content":[{"type":"text","text":{"value":"Done."}}]}`
	tests := []struct {
		name   string
		bodies []string
		want   []turn
	}{
		{"nothing", nil, []turn{{Say: "The words of turn 1 were not recorded."}}},
		{"steps", []string{steps, message}, []turn{
			{Say: "The words of turn 1 were not recorded.", Call: []call{{Name: "code_interpreter", Args: object{"code": `open('{{.match.file}}') # {{"{{"}}x}}`}}}},
			{Say: "Done."},
		}},
		{"required action", []string{required, required, message}, []turn{{Call: []call{{Name: "f", Raw: `{"a":1}`}}}, {Say: "Done."}}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			r := &recording{name: "r"}
			for _, body := range test.bodies {
				x := exchange{Method: "GET", URI: "https://host/v1/threads/t/runs/r"}
				if err := json.Unmarshal([]byte(body), &x.Body); err != nil {
					t.Fatal(err)
				}
				r.exchanges = append(r.exchanges, x)
			}
			tr, err := r.traces()
			if err != nil {
				t.Fatal(err)
			}
			got, err := tr.turns()
			if diff := cmp.Diff(test.want, got); diff != "" || err != nil {
				t.Errorf("turns: %v (-want +got):\n%s", err, diff)
			}
		})
	}
}
