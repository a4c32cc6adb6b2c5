package model_test

import (
	"context"
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/understudy-dev/understudy/internal/model"
)

func parse(t testing.TB, yaml string) *model.Script {
	t.Helper()
	s, err := model.ParseScript("test", strings.NewReader(yaml))
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func demo(t testing.TB) *model.Rehearsal {
	t.Helper()
	s, err := model.Demo()
	if err != nil {
		t.Fatal(err)
	}
	return model.NewRehearsal(s)
}

// offer returns tools of the given names. getCurrentWeather and its like take a location.
func offer(names ...string) []model.Tool {
	var tools []model.Tool
	for _, n := range names {
		tools = append(tools, model.Tool{Name: n, Parameters: json.RawMessage(`{"type":"object","properties":{"location":{"type":"string"},"unit":{"enum":["c","f"]}},"required":["location"]}`)})
	}
	return tools
}

// A dialog plays a run: it answers every round of calls with what reply says,
// until the model has no more calls.
func dialog(t *testing.T, m model.Model, req *model.Request, reply func(model.ToolCall) string) (calls [][]model.ToolCall, said string) {
	t.Helper()
	for range 10 {
		a, err := collect(t, m.Stream(t.Context(), req))
		if err != nil {
			t.Fatal(err)
		}
		if len(a.Calls) == 0 {
			return calls, a.Text
		}
		calls = append(calls, a.Calls)
		req.Messages = append(req.Messages, model.Message{Role: "assistant", ToolCalls: a.Calls})
		for _, c := range a.Calls {
			req.Messages = append(req.Messages, model.ToolOutput(c.ID, reply(c)))
		}
	}
	t.Fatal("the model calls for ever")
	return nil, ""
}

const conditionsYAML = `
scenes:
  - {name: a, when: {user: Hello, model: {equals: gpt-x}}, then: [{say: model}]}
  - {name: b, when: {user: {contains: [hello, world]}, instructions: pirate}, then: [{say: arr}]}
  - {name: c, when: {user: {contains: hello, not_contains: [bad, worse]}, tool: [f, g]}, then: [{say: both}]}
  - {name: d, when: {user: {matches: 'number (?P<n>\d+)'}}, then: [{say: '{{.match.n}}!'}, {say: 'again {{.match.n}} {{.turn}}'}]}
  - {name: e, when: {output: {matches: '^e=(?P<v>.)'}, turn: 2}, then: [{say: 'got {{.match.v}} of {{len .outputs}}'}]}
  - {name: f, when: {forced: true}, then: [{say: forced}]}
  - {name: g, when: {json: true}, then: [{say: '{{json .user}}'}]}
  - {name: h, when: {mentions_tool: true}, then: [{say: 'about {{.mentioned}}'}]}
  - {name: i, when: {user: for ever}, then: [{say: one}, {say: more}], repeat: true}
`

func TestConditions(t *testing.T) {
	t.Parallel()
	m := model.NewRehearsal(parse(t, conditionsYAML))
	after := func(outputs ...string) []model.Message {
		msg := model.Message{Role: "assistant"}
		var list []model.Message
		for i, o := range outputs {
			id := string(rune('a' + i))
			msg.ToolCalls = append(msg.ToolCalls, model.ToolCall{ID: id, Name: "f", Arguments: "{}"})
			list = append(list, model.ToolOutput(id, o))
		}
		return append([]model.Message{msg}, list...)
	}
	tests := []struct {
		name   string
		change func(*model.Request)
		user   string
		want   string
	}{
		{"model", func(r *model.Request) { r.Model = "gpt-x" }, "HELLO", "model"},
		{"model differs in case", func(r *model.Request) { r.Model = "GPT-X" }, "hello", model.Unscripted},
		{"instructions", func(r *model.Request) { r.Messages = slices.Insert(r.Messages, 0, model.System("You are a Pirate.")) }, "hello world", "arr"},
		{"instructions, half of the text", func(r *model.Request) { r.Messages = slices.Insert(r.Messages, 0, model.System("You are a Pirate.")) }, "hello", model.Unscripted},
		{"tools", func(r *model.Request) { r.Tools = offer("f", "g") }, "hello", "both"},
		{"tools, forbidden text", func(r *model.Request) { r.Tools = offer("f", "g") }, "hello Worse", model.Unscripted},
		{"one tool of two", func(r *model.Request) { r.Tools = offer("f") }, "hello", model.Unscripted},
		{"tools not to be used", func(r *model.Request) {
			r.Tools = offer("f", "g")
			r.ToolChoice.Mode = model.ToolsNone
		}, "hello", model.Unscripted},
		{"group", nil, "number 42", "42!"},
		{"second turn", func(r *model.Request) { r.Messages = append(r.Messages, after("x")...) }, "number 42", "again 42 2"},
		{"turns begin with the last user message", func(r *model.Request) { r.Messages = append(append(r.Messages, after("x")...), model.User("number 7")) }, "number 42", "7!"},
		{"output", func(r *model.Request) { r.Messages = append(r.Messages, after("x", "e=5")...) }, "?", "got 5 of 2"},
		{"output of an earlier run", func(r *model.Request) { r.Messages = append(append(r.Messages, after("e=5")...), model.User("?")) }, "?", model.Unscripted},
		{"forced", func(r *model.Request) {
			r.Tools = offer("f")
			r.ToolChoice.Mode = model.ToolsRequired
		}, "?", "forced"},
		{"json", func(r *model.Request) { r.ResponseFormat = json.RawMessage(`{"type":"json_object"}`) }, "<?>", `"<?>"`},
		{"mentioned", func(r *model.Request) { r.Tools = offer("f", "doIt") }, "please doIt", "about doIt"},
		{"repeated", func(r *model.Request) {
			for range 5 {
				r.Messages = append(r.Messages, after("x")...)
			}
		}, "for ever", "more"},
		{"nothing", nil, "?", model.Unscripted},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			req := ask(test.user)
			if test.change != nil {
				test.change(req)
			}
			if a, _ := collect(t, m.Stream(t.Context(), req)); a.Text != test.want {
				t.Errorf("got %q, want %q", a.Text, test.want)
			}
		})
	}
}

func TestActions(t *testing.T) {
	t.Parallel()
	type calls = []model.ToolCall
	tests := []struct {
		name, then string
		tokens     int // MaxTokens
		want       answer
	}{
		{"say", `{say: "one  two\nthree {{.user}}"}`, 0, answer{Text: "one  two\nthree hi", Finish: "stop", Usage: model.Usage{PromptTokens: 29, CompletionTokens: 5}}},
		{"refuse", `{refuse: no no}`, 0, answer{Refusal: "no no", Finish: "stop", Usage: model.Usage{PromptTokens: 29, CompletionTokens: 2}}},
		{"say and call in parallel", `{say: wait, call: [{name: f, args: {b: ["{{.user}}", 2], a: {x: null}}, id: call_1}, {name: g, id: call_2}]}`, 0,
			answer{Text: "wait", Finish: "tool_calls", Calls: calls{call("call_1", "f", `{"a":{"x":null},"b":["hi",2]}`), call("call_2", "g", "{}")}, Usage: model.Usage{PromptTokens: 29, CompletionTokens: 9}}},
		{"arguments letter by letter", `{call: [{name: f, raw: '{"x": ', id: c}]}`, 0, answer{Finish: "tool_calls", Calls: calls{call("c", "f", `{"x": `)}, Usage: model.Usage{PromptTokens: 29, CompletionTokens: 2}}},
		{"arguments from the schema", `{call: [{name: f, from_schema: true, id: c}]}`, 0, answer{Finish: "tool_calls", Calls: calls{call("c", "f", `{"location":"hi"}`)}, Usage: model.Usage{PromptTokens: 29, CompletionTokens: 5}}},
		{"schema of a tool that is not there", `{call: [{name: z, from_schema: true}]}`, 0, answer{Err: `model upstream answered 500 (script_error): rehearsal: scene 1: the tool "z", whose schema is wanted, is not offered`}},
		{"finish", `{say: half, finish: length}`, 0, answer{Text: "half", Finish: "length", Usage: model.Usage{PromptTokens: 29, CompletionTokens: 1}}},
		{"finish only", `{finish: content_filter}`, 0, answer{Finish: "content_filter", Usage: model.Usage{PromptTokens: 29}}},
		{"error", `{say: half, error: {status: 429, code: rate_limit_exceeded, message: slow down}}`, 0, answer{Text: "half", Err: "model upstream answered 429 (rate_limit_exceeded): slow down"}},
		{"cut", `{say: half, cut: true}`, 0, answer{Text: "half", Err: cutOff}},
		{"an unknown name", `{say: '{{.match.city}}'}`, 0, answer{Err: `model upstream answered 500 (script_error): rehearsal: scene 1: template: text:1:8: executing "text" at <.match.city>: map has no entry for key "city"`}},
		{"as many tokens as allowed", `{say: "äää äää"}`, 2, answer{Text: "äää ", Finish: "length", Usage: model.Usage{PromptTokens: 29, CompletionTokens: 2}}},
		{"arguments beyond the limit", `{call: [{name: f, raw: '{"x": 123456789}', id: c}]}`, 2, answer{Finish: "length", Calls: calls{call("c", "f", `{"x": 12`)}, Usage: model.Usage{PromptTokens: 29, CompletionTokens: 2}}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			s := parse(t, "scenes: [{then: ["+test.then+"]}]")
			req := ask("hi")
			req.Tools, req.MaxTokens = offer("f"), test.tokens
			got, _ := collect(t, model.NewRehearsal(s).Stream(t.Context(), req))
			if diff := cmp.Diff(test.want, got); diff != "" {
				t.Errorf("(-want +got)\n%s", diff)
			}
		})
	}
}

func TestScriptMistakes(t *testing.T) {
	t.Parallel()
	for _, test := range []struct{ yaml, want string }{
		{"", "it is empty"},
		{"scenes: []", "it has no scenes"},
		{"scene: []", "field scene not found"},
		{"scenes: [{then: []}]", "scene 1: nothing happens: then is empty"},
		{"scenes: [{name: x, then: [{delay: 1s}]}]", "x: turn 1: nothing happens"},
		{"scenes: [{then: [{say: a, tell: b}]}]", "field tell not found"},
		{"scenes: [{then: [{say: '{{.x'}]}]", "unclosed action"},
		{"scenes: [{then: [{say: a, finish: done}]}]", `finish "done" is not`},
		{"scenes: [{then: [{error: {status: 299}}]}]", "error status 299 is not an HTTP error"},
		{"scenes: [{then: [{call: [{args: {}}]}]}]", "call 1 has no name"},
		{"scenes: [{then: [{call: [{name: f, args: {}, raw: x}]}]}]", "call 1 has more than one of"},
		{"scenes: [{then: [{call: [{name: f, args: {x: '{{'}}]}]}]", "unclosed action"},
		{"scenes: [{when: {turn: -1}, then: [{say: a}]}]", "turns are counted from 1"},
		{"scenes: [{when: {user: {matches: '('}}, then: [{say: a}]}]", "missing closing )"},
		{"scenes: [{when: {user: {starts: a}}, then: [{say: a}]}]", "starts is not contains"},
		{"scenes: [{when: {user: [a]}, then: [{say: a}]}]", "want a text or a mapping"},
	} {
		if _, err := model.ParseScript("f.yaml", strings.NewReader(test.yaml)); err == nil || !strings.Contains(err.Error(), test.want) || !strings.HasPrefix(err.Error(), "script f.yaml: ") || strings.Contains(err.Error(), "in type") {
			t.Errorf("%s: got error %v, want %q", test.yaml, err, test.want)
		}
	}
}

func TestDelayAndHang(t *testing.T) {
	t.Parallel()
	m := model.NewRehearsal(parse(t, `
scenes:
  - {when: {user: slow}, then: [{say: one two three, delay: 20ms}]}
  - {when: {user: stuck}, then: [{say: well, hang: true}]}
`))
	synctest.Test(t, func(t *testing.T) {
		start := time.Now()
		if _, err := collect(t, m.Stream(t.Context(), ask("slow"))); err != nil {
			t.Fatal(err)
		}
		if took := time.Since(start); took != 80*time.Millisecond { // three words and the end
			t.Errorf("took %v, want 80ms", took)
		}
		gone := errors.New("expired")
		ctx, cancel := context.WithTimeoutCause(t.Context(), time.Hour, gone)
		defer cancel()
		if a, err := collect(t, m.Stream(ctx, ask("stuck"))); a.Text != "well" || err != gone {
			t.Errorf("got %+v, want the cause", a)
		}
	})
}

// TestDeterministic checks that ids are the same again, and differ from each other.
func TestDeterministic(t *testing.T) {
	t.Parallel()
	m := model.NewRehearsal(parse(t, "scenes: [{then: [{call: [{name: f}, {name: f}]}], repeat: true}]"))
	req := ask("hi")
	first, _ := collect(t, m.Stream(t.Context(), req))
	again, _ := collect(t, m.Stream(t.Context(), req))
	if diff := cmp.Diff(first, again); diff != "" {
		t.Errorf("second time differs\n%s", diff)
	}
	req.Messages = append(req.Messages, model.Message{Role: "assistant", ToolCalls: first.Calls}, model.ToolOutput(first.Calls[0].ID, ""), model.ToolOutput(first.Calls[1].ID, ""))
	next, _ := collect(t, m.Stream(t.Context(), req))
	ids := map[string]bool{}
	for _, c := range slices.Concat(first.Calls, next.Calls) {
		ids[c.ID] = true
	}
	if len(ids) != 4 {
		t.Errorf("4 calls have %d ids", len(ids))
	}
}

// TestStopEarlyRehearsal checks that a consumer may break off at any delta.
func TestStopEarlyRehearsal(t *testing.T) {
	t.Parallel()
	m := model.NewRehearsal(parse(t, "scenes: [{then: [{say: one two, call: [{name: f, raw: a b}]}]}]"))
	for stop := range 6 {
		n := 0
		for range m.Stream(t.Context(), ask("hi")) {
			if n++; n > stop {
				break
			}
		}
	}
}

func TestImprovised(t *testing.T) {
	t.Parallel()
	m := model.NewRehearsal()
	schema := func(s string) json.RawMessage {
		return json.RawMessage(`{"type":"json_schema","json_schema":{"name":"n","schema":` + s + `}}`)
	}
	tests := []struct {
		name       string
		schema     string // of the tool f that is forced, or of the answer
		arguments  string
		wantAnswer string
	}{
		{"required only", `{"type":"object","properties":{"a":{"type":"string"},"b":{"type":"integer"},"c":{}},"required":["a","b"]}`, `{"a":"What is it?","b":1}`, `{"a":"rehearsal","b":1}`},
		{"given values", `{"properties":{"a":{"enum":["x","y"]},"b":{"const":5},"c":{"type":"string","default":"d"},"e":{"examples":[[1]]}},"required":["a","b","c","e"]}`, `{"a":"x","b":5,"c":"d","e":[1]}`, ""},
		{"types", `{"properties":{"a":{"type":"boolean"},"b":{"type":["null","number"]},"c":{"type":"array","items":{"type":"integer"},"minItems":2},"d":{"type":"null"},"e":{"type":"array"}},"required":["a","b","c","d","e"]}`, `{"a":true,"b":1,"c":[1,1],"d":null,"e":[]}`, ""},
		{"bounds", `{"properties":{"a":{"type":"integer","minimum":10},"b":{"type":"integer","exclusiveMinimum":10},"c":{"type":"number","maximum":-3},"d":{"type":"integer","minimum":7,"multipleOf":5},"e":{"type":"string","minLength":14},"f":{"type":"string","maxLength":4}},"required":["a","b","c","d","e","f"]}`, `{"a":10,"b":11,"c":-3,"d":10,"e":"What is it?...","f":"What"}`, ""},
		{"formats", `{"properties":{"a":{"type":"string","format":"date"},"b":{"type":"string","format":"email"}},"required":["a","b"]}`, `{"a":"2026-01-31","b":"rehearsal@example.com"}`, ""},
		{"references and choices", `{"$defs":{"p":{"type":"object","properties":{"x":{"anyOf":[{"type":"null"},{"type":"integer"}]}},"required":["x"]}},"allOf":[{"$ref":"#/$defs/p"},{"properties":{"y":{"$ref":"#/$defs/p"}},"required":["y"]}],"type":"object"}`, `{"x":1,"y":{"x":1}}`, ""},
		{"a schema within itself", `{"type":"object","properties":{"next":{"$ref":"#"}},"required":["next"]}`, `{"next":` + strings.Repeat(`{"next":`, 15) + `{"next":null}` + strings.Repeat("}", 16), ""},
		{"a schema that explodes", `{"type":"array","minItems":1e9,"items":{"$ref":"#"}}`, "", ""},
		{"a merger that explodes", `{"allOf":[{"$ref":"#"},{"$ref":"#"},{"$ref":"#"},{"$ref":"#"},{"$ref":"#"}],"type":"object"}`, "", ""},
		{"not a schema", `7`, `{}`, `{}`},
	}
	for _, test := range tests {
		req := ask("What  is\nit?")
		req.Tools = []model.Tool{{Name: "f", Parameters: json.RawMessage(test.schema)}}
		req.ToolChoice = model.ToolChoice{Mode: model.ToolsFunction, Name: "f"}
		a, _ := collect(t, m.Stream(t.Context(), req))
		if len(a.Calls) == 1 && test.arguments == "" && json.Valid([]byte(a.Calls[0].Arguments)) && len(a.Calls[0].Arguments) < 10_000 {
			continue // that it ends is what matters
		}
		if len(a.Calls) != 1 || a.Calls[0].Name != "f" || a.Calls[0].Arguments != test.arguments {
			t.Errorf("%s: got calls %+v, want arguments %s", test.name, a.Calls, test.arguments)
		}
		if test.wantAnswer == "" {
			continue
		}
		req.ToolChoice, req.ResponseFormat = model.ToolChoice{}, schema(test.schema)
		if a, _ := collect(t, m.Stream(t.Context(), req)); a.Text != test.wantAnswer {
			t.Errorf("%s: got answer %s, want %s", test.name, a.Text, test.wantAnswer)
		}
	}

	req := ask("?")
	req.ResponseFormat = json.RawMessage(`{"type":"json_object"}`)
	if a, _ := collect(t, m.Stream(t.Context(), req)); !json.Valid([]byte(a.Text)) || !strings.Contains(a.Text, "not a language model") {
		t.Errorf("json_object: got %s", a.Text)
	}
	req = ask("?")
	req.Tools = offer("code_interpreter", "g")
	req.ToolChoice.Mode = model.ToolsRequired
	calls, said := dialog(t, m, &model.Request{Messages: req.Messages, Tools: req.Tools}, nil)
	if len(calls) != 0 || said != model.Unscripted {
		t.Errorf("unforced: got %v, %q", calls, said)
	}
	a, _ := collect(t, m.Stream(t.Context(), req))
	if len(a.Calls) != 1 || a.Calls[0].Arguments != `{"code":"print(\"?\")"}` {
		t.Errorf("required: got %+v", a.Calls)
	}
	req.ToolChoice = model.ToolChoice{}
	req.Messages = append(req.Messages, model.Message{Role: "assistant", ToolCalls: a.Calls}, model.ToolOutput(a.Calls[0].ID, "42"))
	if a, _ := collect(t, m.Stream(t.Context(), req)); !strings.Contains(a.Text, "not a language model") || !strings.HasSuffix(a.Text, "42") {
		t.Errorf("after an output: got %q", a.Text)
	}
}

// TestSerialCalls checks that calls are made one after another where they may not
// be made in parallel.
func TestSerialCalls(t *testing.T) {
	t.Parallel()
	req := ask("What's the weather in San Francisco and the nickname of Los Angeles?")
	req.Tools = offer("getCurrentWeather", "getNickname")
	req.ParallelToolCalls = new(false)
	calls, said := dialog(t, demo(t), req, func(c model.ToolCall) string { return c.Name[3:] })
	if len(calls) != 2 || len(calls[0]) != 1 || calls[1][0].Name != "getNickname" || !strings.HasSuffix(said, "Los Angeles: Nickname.") {
		t.Errorf("got calls %v, said %q", calls, said)
	}
	m := model.NewRehearsal(parse(t, "scenes: [{repeat: true, then: [{say: a}, {say: b, call: [{name: f}, {name: g}]}]}]"))
	req = ask("?")
	req.ParallelToolCalls = new(false)
	var got strings.Builder
	for range 5 {
		a, _ := collect(t, m.Stream(t.Context(), req))
		got.WriteString(a.Text)
		for _, c := range a.Calls {
			got.WriteString(c.Name)
		}
		req.Messages = append(req.Messages, model.Message{Role: "assistant", ToolCalls: a.Calls})
	}
	if got.String() != "abfgbfg" {
		t.Errorf("got %s, want abfgbfg", got.String())
	}
}
