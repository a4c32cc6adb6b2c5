package model_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/understudy-dev/understudy/internal/model"
	"github.com/understudy-dev/understudy/internal/model/modeltest"
)

func TestRequestBody(t *testing.T) {
	t.Parallel()
	parameters := json.RawMessage(`{"type":"object","properties":{"x":{"type":"string","enum":["<&>"]}}}`)
	full := &model.Request{
		Model: "gpt-x",
		Messages: []model.Message{
			model.System("Be brief."),
			{Role: "user", Parts: []model.Part{{Text: "What is"}, {Text: "this?"}}},
			{Role: "user", Name: "eva", Parts: []model.Part{{Text: "See:"}, {Image: &model.Image{URL: "data:image/png;base64,AA==", Detail: "low"}}}},
			{Role: "assistant", ToolCalls: []model.ToolCall{{ID: "a", Name: "f", Arguments: `{"x":1}`}, {ID: "b", Name: "f", Arguments: `{"x":`}, {ID: "c", Name: "f"}}},
			model.ToolOutput("a", "1"), model.ToolOutput("b", "2"), model.ToolOutput("c", ""),
			{Role: "assistant", Parts: []model.Part{{Text: "Well"}}},
		},
		Tools:             []model.Tool{{Name: "f", Description: "d", Parameters: parameters, Strict: new(true)}, {Name: "g"}},
		ToolChoice:        model.ToolChoice{Mode: model.ToolsFunction, Name: "f"},
		ParallelToolCalls: new(false),
		ResponseFormat:    json.RawMessage(`{"type":"json_object"}`),
		Temperature:       new(0.0),
		TopP:              new(0.5),
		MaxTokens:         100,
		ReasoningEffort:   "low",
	}
	tests := []struct {
		name string
		req  *model.Request
		want string
	}{
		{"everything", full, `{"model":"gpt-x","messages":[
			{"role":"system","content":"Be brief."},
			{"role":"user","content":"What is\nthis?"},
			{"role":"user","content":[{"type":"text","text":"See:"},{"type":"image_url","image_url":{"url":"data:image/png;base64,AA==","detail":"low"}}],"name":"eva"},
			{"role":"assistant","content":null,"tool_calls":[
				{"id":"a","type":"function","function":{"name":"f","arguments":"{\"x\":1}"}},
				{"id":"b","type":"function","function":{"name":"f","arguments":"{\"invalid_arguments\":\"{\\\"x\\\":\"}"}},
				{"id":"c","type":"function","function":{"name":"f","arguments":"{}"}}]},
			{"role":"tool","content":"1","tool_call_id":"a"},{"role":"tool","content":"2","tool_call_id":"b"},{"role":"tool","content":"","tool_call_id":"c"},
			{"role":"assistant","content":"Well"}],
			"tools":[{"type":"function","function":{"name":"f","description":"d","parameters":{"type":"object","properties":{"x":{"type":"string","enum":["<&>"]}}},"strict":true}},
				{"type":"function","function":{"name":"g","parameters":{"type":"object","properties":{}}}}],
			"tool_choice":{"type":"function","function":{"name":"f"}},"parallel_tool_calls":false,"response_format":{"type":"json_object"},
			"temperature":0,"top_p":0.5,"max_tokens":100,"reasoning_effort":"low","stream":true,"stream_options":{"include_usage":true}}`},
		{"nothing", &model.Request{Model: "m", ParallelToolCalls: new(true), ToolChoice: model.ToolChoice{Mode: model.ToolsAuto}, ResponseFormat: json.RawMessage(`"auto"`)},
			`{"model":"m","messages":[],"stream":true,"stream_options":{"include_usage":true}}`},
		{"choice as a word", &model.Request{Model: "m", Tools: []model.Tool{{Name: "g"}}, ToolChoice: model.ToolChoice{Mode: model.ToolsRequired}, ResponseFormat: json.RawMessage(`{"type":"text"}`)},
			`{"model":"m","messages":[],"tools":[{"type":"function","function":{"name":"g","parameters":{"type":"object","properties":{}}}}],"tool_choice":"required","stream":true,"stream_options":{"include_usage":true}}`},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			h := modeltest.Play(modeltest.Text("ok"))
			if _, err := collect(t, newClient(t, h, nil).Stream(t.Context(), test.req)); err != nil {
				t.Fatal(err)
			}
			var want bytes.Buffer
			if err := json.Compact(&want, []byte(test.want)); err != nil {
				t.Fatal(err)
			}
			got := h.Requests()[0]
			if diff := cmp.Diff(want.String(), strings.TrimSpace(string(got.Body))); diff != "" {
				t.Errorf("body (-want +got)\n%s", diff)
			}
			if got.Path != "/v1/chat/completions" || got.Header.Get("Authorization") != "Bearer sk-secret" {
				t.Errorf("got path %s, authorization %q", got.Path, got.Header.Get("Authorization"))
			}
		})
	}
}

func TestAddresses(t *testing.T) {
	t.Parallel()
	azure := &model.Azure{APIVersion: "2024-10-21"}
	tests := []struct {
		suffix string
		azure  *model.Azure
		want   string
	}{
		{"", nil, "/v1/chat/completions"},
		{"/", nil, "/v1/chat/completions"},
		{"/v1/", nil, "/v1/chat/completions"},
		{"/openai/v1", nil, "/openai/v1/chat/completions"},
		{"/v1/chat/completions", nil, "/v1/chat/completions"},
		{"/v1?tenant=a", nil, "/v1/chat/completions?tenant=a"},
		{"", azure, "/openai/deployments/m%2F1/chat/completions?api-version=2024-10-21"},
		{"/openai/", azure, "/openai/deployments/m%2F1/chat/completions?api-version=2024-10-21"},
		{"", &model.Azure{APIVersion: "2024-10-21", Deployment: "prod"}, "/openai/deployments/prod/chat/completions?api-version=2024-10-21"},
	}
	for _, test := range tests {
		h := modeltest.Play(modeltest.Text("ok"))
		c := newClient(t, h, func(u *model.Upstream) {
			u.BaseURL = strings.TrimSuffix(u.BaseURL, "/v1") + test.suffix
			u.Azure = test.azure
			u.Headers = map[string]string{"OpenAI-Organization": "org"}
		})
		req := ask("hi")
		req.Model = "m/1"
		if _, err := collect(t, c.Stream(t.Context(), req)); err != nil {
			t.Fatal(err)
		}
		got := h.Requests()[0]
		if got.Path != test.want {
			t.Errorf("base %q: got %s, want %s", test.suffix, got.Path, test.want)
		}
		key := got.Header.Get("Authorization")
		if test.azure != nil {
			key = "Bearer " + got.Header.Get("Api-Key")
		}
		if key != "Bearer sk-secret" || got.Header.Get("OpenAI-Organization") != "org" {
			t.Errorf("base %q: headers %v", test.suffix, got.Header)
		}
	}
	for _, bad := range []model.Upstream{
		{BaseURL: "http://host"}, {Name: "a", BaseURL: "host:80"}, {Name: "a", BaseURL: "ftp://host"}, {Name: "a", BaseURL: "http://host", Azure: &model.Azure{}},
	} {
		if _, err := model.NewClient(bad, nil, nil); err == nil {
			t.Errorf("NewClient accepted %v", bad)
		}
	}
}

func TestUpstreamHidesItsKey(t *testing.T) {
	t.Parallel()
	u := model.Upstream{Name: "a", BaseURL: "https://user:sk-secret@host/v1?key=sk-secret", APIKey: "sk-secret"}
	var log bytes.Buffer
	slog.New(slog.NewJSONHandler(&log, nil)).Info("using", "upstream", u)
	if out := fmt.Sprintf("%v %+v %#v %s", u, u, u, log.String()); strings.Contains(out, "sk-secret") {
		t.Errorf("the key is in %s", out)
	}
}

// TestRefusedFields plays servers that refuse fields, and checks which fields the
// requests carry: the first is complete, and what was learnt is kept.
func TestRefusedFields(t *testing.T) {
	t.Parallel()
	bad := func(body string) modeltest.Reply { return modeltest.Fail(400, body) }
	ok := modeltest.Text("ok")
	whole := modeltest.Fail(200, `{"choices":[{"message":{"content":"ok"},"finish_reason":"stop"}]}`)
	const all = "max_tokens parallel_tool_calls reasoning_effort stream_options strict temperature top_p"
	without := func(names ...string) string {
		var kept []string
		for f := range strings.FieldsSeq(all) {
			if !strings.Contains(strings.Join(names, " "), f) {
				kept = append(kept, f)
			}
		}
		return strings.Join(kept, " ")
	}
	tests := []struct {
		name    string
		replies []modeltest.Reply
		want    []string // fields of each request; two turns are asked for
	}{
		{"stream_options", []modeltest.Reply{bad(`{"error":{"message":"Unrecognized request argument supplied: stream_options"}}`), ok, ok},
			[]string{all, without("stream_options"), without("stream_options")}},
		{"parallel_tool_calls by param", []modeltest.Reply{bad(`{"error":{"message":"no","param":"parallel_tool_calls"}}`), ok, ok},
			[]string{all, without("parallel_tool_calls"), without("parallel_tool_calls")}},
		{"reasoning model", []modeltest.Reply{
			bad(`{"error":{"message":"Unsupported parameter: 'max_tokens' is not supported with this model. Use 'max_completion_tokens' instead.","param":"max_tokens","code":"unsupported_parameter"}}`),
			bad(`{"error":{"message":"Unsupported value: 'temperature' does not support 0.5 with this model. Only the default (1) value is supported.","param":"temperature","code":"unsupported_value"}}`),
			bad(`{"error":{"message":"Unsupported parameter: 'top_p'","code":"unsupported_parameter"}}`), ok, ok},
			[]string{all,
				strings.Replace(all, "max_tokens", "max_completion_tokens", 1),
				strings.Replace(without("temperature"), "max_tokens", "max_completion_tokens", 1),
				"max_completion_tokens parallel_tool_calls reasoning_effort stream_options strict",
				"max_completion_tokens parallel_tool_calls reasoning_effort stream_options strict"}},
		{"neither limit", []modeltest.Reply{
			bad(`{"error":"unknown field max_tokens"}`), bad(`{"error":"unknown field max_completion_tokens"}`), ok, ok},
			[]string{all, strings.Replace(all, "max_tokens", "max_completion_tokens", 1), without("max_tokens"), without("max_tokens")}},
		{"strict, by pydantic", []modeltest.Reply{modeltest.Fail(422, `{"detail":[{"type":"extra_forbidden","loc":["body","tools",0,"function","strict"],"msg":"Extra inputs are not permitted"}]}`), ok, ok},
			[]string{all, without("strict"), without("strict")}},
		{"a stream with tools", []modeltest.Reply{modeltest.Fail(500, `{"error":{"code":500,"message":"Cannot use tools with stream"}}`), whole, ok},
			[]string{all + " stream=true", without("stream_options") + " stream=false", without("stream_options") + " stream=false"}},
		{"no reason", []modeltest.Reply{bad(`Bad Request`), ok, ok},
			[]string{all, without("stream_options", "parallel_tool_calls"), without("stream_options", "parallel_tool_calls")}},
		{"a real mistake is not remembered", []modeltest.Reply{bad(`{"error":"bad image"}`), bad(`{"error":"bad image"}`), ok},
			[]string{all, without("stream_options", "parallel_tool_calls"), all}},
		{"a bad value is the user's", []modeltest.Reply{bad(`{"error":{"message":"temperature must be less than 1"}}`), bad(`{"error":{"message":"temperature must be less than 1"}}`), ok},
			[]string{all, without("stream_options", "parallel_tool_calls"), all}},
		{"too long is too long", []modeltest.Reply{bad(`{"error":{"message":"This model's maximum context length is 10 tokens","code":"context_length_exceeded"}}`), ok},
			[]string{all, all}},
		{"429 blames nothing", []modeltest.Reply{modeltest.Fail(429, `{"error":"stream_options"}`), ok}, []string{all, all}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			h := modeltest.Play(test.replies...)
			c := newClient(t, h, nil)
			req := ask("hi")
			req.Tools = []model.Tool{{Name: "f", Strict: new(true)}}
			req.ParallelToolCalls, req.Temperature, req.TopP = new(true), new(0.5), new(0.5)
			req.MaxTokens, req.ReasoningEffort = 10, "low"
			for range 2 {
				_, _ = collect(t, c.Stream(t.Context(), req)) // some are to fail
			}
			var got []string
			for _, r := range h.Requests() {
				fields := optionsIn(r)
				if strings.Contains(test.want[0], "stream=") {
					fields += fmt.Sprintf(" stream=%v", r.JSON()["stream"])
				}
				got = append(got, fields)
			}
			if diff := cmp.Diff(test.want, got); diff != "" {
				t.Errorf("(-want +got)\n%s", diff)
			}
		})
	}
}

// optionsIn lists the optional fields of a request, sorted.
func optionsIn(r *modeltest.Request) string {
	m := r.JSON()
	var names []string
	for _, f := range []string{"max_completion_tokens", "max_tokens", "parallel_tool_calls", "reasoning_effort", "stream_options", "strict", "temperature", "top_p"} {
		_, found := m[f]
		if found || f == "strict" && bytes.Contains(r.Body, []byte(`"strict":`)) {
			names = append(names, f)
		}
	}
	return strings.Join(names, " ")
}

// bubble runs f with a client of an in-memory server, in virtual time.
func bubble(t *testing.T, h http.Handler, f func(t *testing.T, c *model.Client)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		u := model.Upstream{Name: "stub", BaseURL: "http://stub", Timeout: time.Minute}
		c, err := model.NewClient(u, modeltest.NewPipe(t, h), slog.New(slog.DiscardHandler))
		if err != nil {
			t.Fatal(err)
		}
		f(t, c)
	})
}

func TestBackoff(t *testing.T) {
	t.Parallel()
	fail := func(status int, header, value string) modeltest.Reply {
		r := modeltest.Fail(status, `{"error":"busy"}`)
		r.Header[header] = value
		return r
	}
	busy := fail(503, "X", "")
	ok := modeltest.Text("ok")
	tests := []struct {
		name     string
		replies  []modeltest.Reply
		requests int
		min, max time.Duration
		want     string // error
	}{
		{"at once", []modeltest.Reply{ok}, 1, 0, 0, ""},
		{"one 503", []modeltest.Reply{busy, ok}, 2, 250 * time.Millisecond, 500 * time.Millisecond, ""},
		{"three kinds", []modeltest.Reply{busy, {Abort: true}, fail(429, "X", ""), ok}, 4, 1750 * time.Millisecond, 3500 * time.Millisecond, ""},
		{"cut off before anything came", []modeltest.Reply{{}, ok}, 2, 250 * time.Millisecond, 500 * time.Millisecond, ""},
		{"busy in the first event", []modeltest.Reply{modeltest.Stream(`{"error":{"message":"m","code":"rate_limit_exceeded"}}`), ok}, 2, 250 * time.Millisecond, 500 * time.Millisecond, ""},
		{"seconds asked for", []modeltest.Reply{fail(429, "Retry-After", "7"), ok}, 2, 7 * time.Second, 7*time.Second + 701*time.Millisecond, ""},
		{"milliseconds asked for", []modeltest.Reply{fail(429, "Retry-After-Ms", "20"), ok}, 2, 20 * time.Millisecond, 23 * time.Millisecond, ""},
		{"longer than patience", []modeltest.Reply{fail(429, "Retry-After", "3600"), ok}, 1, 0, 0, "model upstream answered 429: busy"},
		{"for ever", []modeltest.Reply{busy}, 6, 7750 * time.Millisecond, 15500 * time.Millisecond, "model upstream answered 503: busy"},
		{"no quota", []modeltest.Reply{modeltest.Fail(429, `{"error":{"message":"pay","code":"insufficient_quota"}}`)}, 1, 0, 0, "model upstream answered 429 (insufficient_quota): pay"},
		{"not after the first delta", []modeltest.Reply{{Body: []string{"data: {\"choices\":[{\"delta\":{\"content\":\"x\"}}]}\n\n"}}, ok}, 1, 0, 0, cutOff},
		{"not for a mistake", []modeltest.Reply{modeltest.Fail(401, `{"error":"who?"}`), ok}, 1, 0, 0, "model upstream answered 401: who?"},
		{"silence, then an answer", []modeltest.Reply{{Hang: true}, ok}, 2, time.Minute, time.Minute + 500*time.Millisecond, ""},
		{"silence in the midst", []modeltest.Reply{{Body: []string{"data: {\"choices\":[{\"delta\":{\"content\":\"x\"}}]}\n\n"}, Hang: true}}, 1, time.Minute, time.Minute,
			cutOff + ": nothing was heard from it for 1m0s"},
		{"silence instead of the end mark", []modeltest.Reply{{Body: []string{"data: {\"choices\":[{\"delta\":{\"content\":\"x\"},\"finish_reason\":\"stop\"}]}\n\n"}, Hang: true}}, 1, 2 * time.Second, 2100 * time.Millisecond, ""},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			h := modeltest.Play(test.replies...)
			bubble(t, h, func(t *testing.T, c *model.Client) {
				start := time.Now()
				a, _ := collect(t, c.Stream(t.Context(), ask("hi")))
				if took := time.Since(start); took < test.min || took > test.max {
					t.Errorf("took %v, want %v to %v", took, test.min, test.max)
				}
				if a.Err != test.want {
					t.Errorf("got error %q, want %q", a.Err, test.want)
				}
				if n := len(h.Requests()); n != test.requests {
					t.Errorf("%d requests, want %d", n, test.requests)
				}
			})
		})
	}
}

func TestBackoffEndsWithContext(t *testing.T) {
	t.Parallel()
	bubble(t, modeltest.Play(modeltest.Fail(503, `{}`)), func(t *testing.T, c *model.Client) {
		gone := errors.New("the run expired")
		ctx, cancel := context.WithTimeoutCause(t.Context(), 100*time.Millisecond, gone)
		defer cancel()
		start := time.Now()
		if _, err := collect(t, c.Stream(ctx, ask("hi"))); err != gone {
			t.Errorf("got %v, want %v", err, gone)
		}
		if took := time.Since(start); took != 100*time.Millisecond {
			t.Errorf("took %v, want 100ms", took)
		}
	})
}

func TestConcurrentTurns(t *testing.T) {
	t.Parallel()
	c := newClient(t, modeltest.Play(modeltest.Fail(400, `{"error":"stream_options?"}`), modeltest.Text("ok")), nil)
	var wg sync.WaitGroup
	for range 20 {
		wg.Go(func() {
			if a, err := collect(t, c.Stream(t.Context(), ask("hi"))); err != nil || a.Text != "ok" {
				t.Errorf("got %+v", a)
			}
		})
	}
	wg.Wait()
}

// BenchmarkStream measures the time from an event's bytes to its delta, the
// transport and the server included in ns/op, per token.
func BenchmarkStream(b *testing.B) {
	const tokens = 2000
	var body strings.Builder
	for range tokens {
		body.WriteString("data: " + modeltest.Chunk(map[string]any{"content": " token"}) + "\n\n")
	}
	body.WriteString("data: " + modeltest.Finish("stop") + "\n\ndata: [DONE]\n\n")
	text := body.String()
	hc := &http.Client{Transport: roundTrip(func(*http.Request) (*http.Response, error) {
		return &http.Response{StatusCode: 200, Header: http.Header{}, Body: io.NopCloser(strings.NewReader(text))}, nil
	})}
	c, err := model.NewClient(model.Upstream{Name: "stub", BaseURL: "http://stub"}, hc, slog.New(slog.DiscardHandler))
	if err != nil {
		b.Fatal(err)
	}
	req := ask("hi")
	b.ReportAllocs()
	b.SetBytes(int64(len(text)))
	for b.Loop() {
		n := 0
		for _, err := range c.Stream(b.Context(), req) {
			if err != nil {
				b.Fatal(err)
			}
			n++
		}
		if n != tokens+1 {
			b.Fatalf("%d deltas", n)
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*tokens), "ns/token")
}

// BenchmarkTurn measures a whole short turn over a loopback connection.
func BenchmarkTurn(b *testing.B) {
	reply := modeltest.Text("Hello", "there")
	reply.Body = []string{strings.Join(reply.Body, "")}
	c := newClient(b, &modeltest.Handler{Forget: true, Next: func(int, *modeltest.Request) modeltest.Reply { return reply }}, nil)
	req := ask("hi")
	b.ReportAllocs()
	for b.Loop() {
		for _, err := range c.Stream(b.Context(), req) {
			if err != nil {
				b.Fatal(err)
			}
		}
	}
}

type roundTrip func(*http.Request) (*http.Response, error)

// RoundTrip calls f.
func (f roundTrip) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }
