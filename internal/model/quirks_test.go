package model_test

import (
	"context"
	"errors"
	"iter"
	"log/slog"
	"net/http"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/understudy-dev/understudy/internal/model"
	"github.com/understudy-dev/understudy/internal/model/modeltest"
)

// An answer is a collected stream. Ids the client made up are written as "new".
type answer struct {
	Text, Refusal, Finish string
	Calls                 []model.ToolCall
	Usage                 model.Usage
	Err                   string
}

// collect gathers a stream and checks what [model.ToolCallDelta] and
// [model.Delta] promise.
func collect(t testing.TB, stream iter.Seq2[model.Delta, error]) (answer, error) {
	t.Helper()
	var a answer
	for d, err := range stream {
		if a.Finish != "" {
			t.Errorf("something follows the last delta: %+v, %v", d, err)
		}
		if err != nil {
			a.Err = err.Error()
			return a, err
		}
		a.Text += d.Text
		a.Refusal += d.Refusal
		a.Finish = d.FinishReason
		if d.Usage != nil {
			a.Usage = *d.Usage
		}
		for _, c := range d.ToolCalls {
			switch {
			case c.Index == len(a.Calls):
				if c.ID == "" || c.Name == "" {
					t.Errorf("first delta of call %d has id %q, name %q; want both", c.Index, c.ID, c.Name)
				}
				a.Calls = append(a.Calls, model.ToolCall{ID: c.ID, Name: c.Name, Arguments: c.Arguments})
			case c.Index < 0 || c.Index > len(a.Calls):
				t.Errorf("call index %d follows %d calls", c.Index, len(a.Calls))
			default:
				if c.ID != "" || c.Name != "" {
					t.Errorf("later delta of call %d has id %q, name %q; want none", c.Index, c.ID, c.Name)
				}
				a.Calls[c.Index].Arguments += c.Arguments
			}
		}
	}
	if a.Finish == "" {
		t.Error("stream ended without a finish reason and without an error")
	}
	return a, nil
}

// cutOff is the text of an error that is model.ErrTruncated.
const cutOff = "model upstream failed: the model's answer was cut off before its end"

func call(id, name, arguments string) model.ToolCall {
	return model.ToolCall{ID: id, Name: name, Arguments: arguments}
}

func newClient(t testing.TB, h http.Handler, change func(*model.Upstream)) *model.Client {
	t.Helper()
	u := model.Upstream{Name: "stub", BaseURL: modeltest.NewServer(t, h).URL + "/v1", APIKey: "sk-secret", Attempts: 1}
	if change != nil {
		change(&u)
	}
	c, err := model.NewClient(u, nil, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func ask(text string) *model.Request {
	return &model.Request{Model: "m", Messages: []model.Message{model.User(text)}}
}

// stream makes a stream of raw deltas with the given finish reason.
func stream(finish string, deltas ...string) modeltest.Reply {
	var events []string
	for _, d := range deltas {
		events = append(events, `{"choices":[{"index":0,"delta":`+d+`,"finish_reason":null}]}`)
	}
	return modeltest.Stream(append(events, modeltest.Finish(finish))...)
}

func TestQuirks(t *testing.T) {
	t.Parallel()
	type calls = []model.ToolCall
	hello := answer{Text: "Hello", Finish: "stop"}
	tests := []struct {
		name  string
		reply modeltest.Reply
		want  answer
	}{
		{"openai", modeltest.Text("Hel", "lo"), answer{Text: "Hello", Finish: "stop", Usage: model.Usage{PromptTokens: 2, CompletionTokens: 2}}},
		{"openai calls", modeltest.Calls(modeltest.Call{ID: "call_a", Name: "f", Arguments: `{"x":1}`}, modeltest.Call{ID: "call_b", Name: "g", Arguments: `{"y":2}`}),
			answer{Finish: "tool_calls", Calls: calls{call("call_a", "f", `{"x":1}`), call("call_b", "g", `{"y":2}`)}, Usage: model.Usage{PromptTokens: 2, CompletionTokens: 2}}},
		{"comments, no space after the colon, CRLF", modeltest.Raw(": OPENROUTER PROCESSING\r\n\r\n:\r\ndata:{\"choices\":[{\"delta\":{\"content\":\"Hello\"}}]}\r\n\r\nretry: 10\r\ndata:{\"choices\":[{\"delta\":{},\"finish_reason\":\"stop\"}]}\r\n\r\ndata:[DONE]\r\n\r\n"), hello},
		{"lone CR", modeltest.Raw("data: {\"choices\":[{\"delta\":{\"content\":\"Hello\"}}]}\r\rdata: {\"choices\":[{\"delta\":{},\"finish_reason\":\"stop\"}]}\r\rdata: [DONE]\r\r"), hello},
		{"byte order mark", modeltest.Raw("\ufeffdata: {\"choices\":[{\"delta\":{\"content\":\"Hello\"},\"finish_reason\":\"stop\"}]}\n\n"), hello},
		{"no blank lines", modeltest.Raw("data: {\"choices\":[{\"delta\":{\"content\":\"Hel\"}}]}\ndata: {\"choices\":[{\"delta\":{\"content\":\"lo\"}}]}\ndata: {\"choices\":[{\"delta\":{},\"finish_reason\":\"stop\"}]}\ndata: [DONE]\n"), hello},
		{"an event over several lines", modeltest.Raw("data: {\"choices\":\ndata: [{\"delta\":{\"content\":\"Hello\"},\ndata: \"finish_reason\":\"stop\"}]}\n\ndata: [DONE]\n\n"), hello},
		{"no end mark, no last line end", modeltest.Raw("data: {\"choices\":[{\"delta\":{\"content\":\"Hello\"},\"finish_reason\":\"stop\"}]}"), hello},
		{"bytes one by one", modeltest.Reply{Body: strings.Split(modeltest.Text("Hello").Body[0]+"data: "+modeltest.Finish("stop")+"\n\n", "")}, hello},
		{"Azure's empty choices", modeltest.Stream(`{"choices":[],"prompt_filter_results":[{"prompt_index":0}]}`, `{"choices":[{"delta":{"content":"Hello"},"content_filter_results":{}}]}`, modeltest.Finish("stop")), hello},
		{"wrong types", modeltest.Stream(`{"id":7,"created":"now","model":null,"choices":[{"index":"0","delta":{"role":1,"content":"Hello","tool_calls":null},"finish_reason":null,"logprobs":{}}],"usage":null}`, modeltest.Finish("stop")), hello},
		{"reasoning is not the answer", stream("stop", `{"reasoning_content":"hm"}`, `{"reasoning":"hm","content":null}`, `{"content":"Hello"}`), hello},
		{"content as parts", stream("stop", `{"content":[{"type":"thinking","thinking":[{"type":"text","text":"hm"}]},{"type":"text","text":"Hel"}]}`, `{"content":[{"type":"text","text":"lo"}]}`), hello},
		{"whole JSON answer", modeltest.Reply{Header: map[string]string{"Content-Type": "application/json; charset=utf-8"}, Body: []string{`
			{"id":"x","choices":[{"index":0,"message":{"role":"assistant","content":"Hello","tool_calls":[{"id":"a","type":"function","function":{"name":"f","arguments":"{}"}}]},"finish_reason":"tool_calls"}],
			"usage":{"prompt_tokens":3,"completion_tokens":4,"prompt_tokens_details":{"cached_tokens":1},"completion_tokens_details":{"reasoning_tokens":2}}}`}},
			answer{Text: "Hello", Finish: "tool_calls", Calls: calls{call("a", "f", "{}")}, Usage: model.Usage{PromptTokens: 3, CompletionTokens: 4, CachedTokens: 1, ReasoningTokens: 2}}},
		{"refusal", stream("stop", `{"refusal":"I will "}`, `{"refusal":"not"}`), answer{Refusal: "I will not", Finish: "stop"}},
		{"escapes and broken UTF-8", stream("stop", `{"content":"a\n\u00e4\"\ud83d\ude00"}`, "{\"content\":\"\xff!\"}"), answer{Text: "a\nä\"😀\uFFFD!", Finish: "stop"}},
		{"three megabytes in one chunk", stream("stop", `{"content":"`+strings.Repeat("x", 3<<20)+`"}`), answer{Text: strings.Repeat("x", 3<<20), Finish: "stop"}},

		{"finish: empty strings, then length", stream("length", `{"content":"Hello"}`), answer{Text: "Hello", Finish: "length"}},
		{"finish: stop after calls", stream("stop", `{"tool_calls":[{"index":0,"id":"a","function":{"name":"f","arguments":"{}"}}]}`), answer{Finish: "tool_calls", Calls: calls{call("a", "f", "{}")}}},
		{"finish: tool_calls without calls", stream("tool_calls", `{"content":"Hello"}`), hello},
		{"finish: word of its own", stream("eos", `{"content":"Hello"}`), hello},
		{"finish: content filter", stream("content_filter"), answer{Finish: "content_filter"}},
		{"finish before the text", modeltest.Stream(modeltest.Finish("stop"), modeltest.Chunk(map[string]any{"content": "Hello"})), hello},
		{"usage in every chunk", modeltest.Stream(`{"choices":[{"delta":{"content":"Hello"}}],"usage":{"prompt_tokens":1,"completion_tokens":1}}`, `{"choices":[{"delta":{},"finish_reason":"stop"}],"usage":{"prompt_tokens":1.0,"completion_tokens":"2"}}`),
			answer{Text: "Hello", Finish: "stop", Usage: model.Usage{PromptTokens: 1, CompletionTokens: 2}}},
		{"usage with the finish reason", modeltest.Stream(`{"choices":[{"delta":{"content":"Hello"},"finish_reason":"stop"}],"usage":{"prompt_tokens":1,"completion_tokens":2,"prompt_tokens_details":null}}`),
			answer{Text: "Hello", Finish: "stop", Usage: model.Usage{PromptTokens: 1, CompletionTokens: 2}}},

		{"calls: no index", stream("tool_calls", `{"tool_calls":[{"id":"a","function":{"name":"f","arguments":"{}"}}]}`, `{"tool_calls":[{"id":"b","function":{"name":"f","arguments":"{}"}}]}`),
			answer{Finish: "tool_calls", Calls: calls{call("a", "f", "{}"), call("b", "f", "{}")}}},
		{"calls: no index, in pieces", stream("tool_calls", `{"tool_calls":[{"id":"a","function":{"name":"f","arguments":"{\"x\""}}]}`, `{"tool_calls":[{"function":{"arguments":":1}"}}]}`, `{"tool_calls":[{"id":"b","function":{"name":"g"}}]}`, `{"tool_calls":[{"function":{"arguments":"{}"}}]}`),
			answer{Finish: "tool_calls", Calls: calls{call("a", "f", `{"x":1}`), call("b", "g", "{}")}}},
		{"calls: all numbered 0", stream("tool_calls", `{"tool_calls":[{"index":0,"id":"a","function":{"name":"f","arguments":"{}"}}]}`, `{"tool_calls":[{"index":0,"id":"b","function":{"name":"f","arguments":"{}"}}]}`),
			answer{Finish: "tool_calls", Calls: calls{call("a", "f", "{}"), call("b", "f", "{}")}}},
		{"calls: all numbered 0, no ids", stream("tool_calls", `{"tool_calls":[{"index":0,"id":"","function":{"name":"f","arguments":"{}"}},{"index":0,"function":{"name":"f","arguments":"{}"}}]}`),
			answer{Finish: "tool_calls", Calls: calls{call("new", "f", "{}"), call("new", "f", "{}")}}},
		{"calls: numbered from 1 with a gap", stream("tool_calls", `{"tool_calls":[{"index":1,"id":"a","function":{"name":"f","arguments":"{}"}}]}`, `{"tool_calls":[{"index":3,"id":"b","function":{"name":"g","arguments":"{}"}}]}`),
			answer{Finish: "tool_calls", Calls: calls{call("a", "f", "{}"), call("b", "g", "{}")}}},
		{"calls: pieces interleaved", stream("tool_calls", `{"tool_calls":[{"index":0,"id":"a","function":{"name":"f"}},{"index":1,"id":"b","function":{"name":"g"}}]}`, `{"tool_calls":[{"index":1,"function":{"arguments":"{}"}},{"index":0,"function":{"arguments":"[]"}}]}`),
			answer{Finish: "tool_calls", Calls: calls{call("a", "f", "[]"), call("b", "g", "{}")}}},
		{"calls: one id twice", stream("tool_calls", `{"tool_calls":[{"index":0,"id":"a","function":{"name":"f","arguments":"{}"}},{"index":1,"id":"a","function":{"name":"g","arguments":"{}"}}]}`),
			answer{Finish: "tool_calls", Calls: calls{call("a", "f", "{}"), call("new", "g", "{}")}}},
		{"calls: an id used earlier in the conversation", stream("tool_calls", `{"tool_calls":[{"index":0,"id":"call_old","function":{"name":"f","arguments":"{}"}}]}`),
			answer{Finish: "tool_calls", Calls: calls{call("new", "f", "{}")}}},
		{"calls: id and name repeated", stream("tool_calls", `{"tool_calls":[{"index":0,"id":"a","function":{"name":"f","arguments":"{"}}]}`, `{"tool_calls":[{"index":0,"id":"a","function":{"name":"f","arguments":"}"}}]}`),
			answer{Finish: "tool_calls", Calls: calls{call("a", "f", "{}")}}},
		{"calls: name repeated, no id", stream("tool_calls", `{"tool_calls":[{"index":0,"function":{"name":"f","arguments":"{"}}]}`, `{"tool_calls":[{"index":0,"function":{"name":"f","arguments":"}"}}]}`),
			answer{Finish: "tool_calls", Calls: calls{call("new", "f", "{}")}}},
		{"calls: a fresh id with every piece", stream("tool_calls", `{"tool_calls":[{"index":0,"id":"a","function":{"name":"f"}}]}`, `{"tool_calls":[{"index":0,"id":"b","function":{"arguments":"{"}}]}`, `{"tool_calls":[{"index":0,"id":"c","function":{"arguments":"}"}}]}`),
			answer{Finish: "tool_calls", Calls: calls{call("a", "f", "{}")}}},
		{"calls: a fresh number with every piece", stream("tool_calls", `{"tool_calls":[{"index":0,"id":"a","function":{"name":"f"}}]}`, `{"tool_calls":[{"index":1,"id":"a","function":{"arguments":"{}"}}]}`),
			answer{Finish: "tool_calls", Calls: calls{call("a", "f", "{}")}}},
		{"calls: name after the arguments", stream("tool_calls", `{"tool_calls":[{"index":0,"id":"a","function":{"arguments":"{\"x\":"}}]}`, `{"tool_calls":[{"index":0,"function":{"name":"f","arguments":"1}"}}]}`),
			answer{Finish: "tool_calls", Calls: calls{call("a", "f", `{"x":1}`)}}},
		{"calls: arguments as an object, id a number, index a string", stream("tool_calls", `{"tool_calls":[{"index":"0","id":12,"function":{"name":"f","arguments":{"x": [1, "}"]}}}]}`),
			answer{Finish: "tool_calls", Calls: calls{call("12", "f", `{"x": [1, "}"]}`)}}},
		{"calls: arguments null", stream("tool_calls", `{"tool_calls":[{"index":0,"id":"a","function":{"name":"f","arguments":null}}]}`),
			answer{Finish: "tool_calls", Calls: calls{call("a", "f", "")}}},
		{"calls: malformed arguments are the model's", stream("tool_calls", `{"tool_calls":[{"index":0,"id":"a","function":{"name":"f","arguments":"{\"x\":"}}]}`),
			answer{Finish: "tool_calls", Calls: calls{call("a", "f", `{"x":`)}}},
		{"calls: the form of 2023", stream("function_call", `{"function_call":{"name":"f","arguments":"{"}}`, `{"function_call":{"arguments":"}"}}`),
			answer{Finish: "tool_calls", Calls: calls{call("new", "f", "{}")}}},
		{"calls: nameless", stream("tool_calls", `{"tool_calls":[{"index":0,"id":"a","function":{"arguments":"{}"}}]}`),
			answer{Err: "model upstream failed: the model called a tool without naming it"}},

		{"cut off", modeltest.Raw("data: {\"choices\":[{\"delta\":{\"content\":\"Hello\"}}]}\n\n"), answer{Text: "Hello", Err: cutOff}},
		{"end mark without a finish reason", modeltest.Raw("data: {\"choices\":[{\"delta\":{\"content\":\"Hello\"}}]}\n\ndata: [DONE]\n\n"), answer{Text: "Hello", Err: cutOff}},
		{"connection broken", modeltest.Reply{Body: []string{"data: {\"choices\":[{\"delta\":{\"content\":\"Hello\"}}]}\n\n"}, Abort: true},
			answer{Text: "Hello", Err: cutOff + ": unexpected EOF"}},
		{"connection broken after the finish reason", modeltest.Reply{Body: []string{"data: {\"choices\":[{\"delta\":{\"content\":\"Hello\"},\"finish_reason\":\"stop\"}]}\n\n"}, Abort: true}, hello},
		{"empty body", modeltest.Reply{}, answer{Err: cutOff}},
		{"error in mid-stream", modeltest.Stream(modeltest.Chunk(map[string]any{"content": "Hello"}), `{"error":{"message":"out of memory","type":"server_error","code":500}}`),
			answer{Text: "Hello", Err: "model upstream answered 503 (500): out of memory"}},
		{"error event", modeltest.Raw("event: error\ndata: {\"message\":\"no more\",\"code\":\"x\"}\n\n"), answer{Err: "model upstream failed: no more"}},
		{"error field", modeltest.Raw("error: {\"code\":500,\"message\":\"no more\"}\n\n"), answer{Err: "model upstream answered 503 (500): no more"}},
		{"error without a field name", modeltest.Raw("{\"error\": \"no more\"}\n"), answer{Err: "model upstream failed: no more"}},
		{"error in a whole answer with 200", modeltest.Reply{Header: map[string]string{"Content-Type": "application/json"}, Body: []string{`{"error":{"message":"no more"}}`}}, answer{Err: "model upstream failed: no more"}},
		{"not JSON", modeltest.Raw("data: {\"choices\":[{\"delta\n\n"), answer{Err: "model upstream failed: it sent something that is not JSON"}},
		{"a web page", modeltest.Reply{Header: map[string]string{"Content-Type": "text/html"}, Body: []string{"\n<!doctype html><html><head><title>Welcome\n to nginx</title></head></html>"}},
			answer{Err: "model upstream failed: it sent a web page instead of an answer, is its base URL right? Welcome to nginx"}},

		{"400 with a text", modeltest.Fail(400, `{"error":"model not loaded"}`), answer{Err: "model upstream answered 400: model not loaded"}},
		{"400 of vLLM", modeltest.Fail(400, `{"object":"error","message":"too long","type":"BadRequestError","code":400}`), answer{Err: "model upstream answered 400 (400): too long"}},
		{"422 of pydantic", modeltest.Fail(422, `{"detail":[{"loc":["body","messages"],"msg":"field required"}]}`), answer{Err: `model upstream answered 422: [{"loc":["body","messages"],"msg":"field required"}]`}},
		{"404 in a list", modeltest.Fail(404, `[{"error":{"code":404,"message":"no such model"}}]`), answer{Err: "model upstream answered 404 (404): no such model"}},
		{"502 as a page", modeltest.Reply{Status: 502, Body: []string{"<html><head><title>502 Bad Gateway</title></head><body>x</body></html>"}}, answer{Err: "model upstream answered 502: 502 Bad Gateway"}},
		{"500 with nothing", modeltest.Reply{Status: 500}, answer{Err: "model upstream answered 500: Internal Server Error"}},
		{"401 that quotes the key", modeltest.Fail(401, `{"error":{"message":"bad key sk-secret!","code":"invalid_api_key"}}`), answer{Err: "model upstream answered 401 (invalid_api_key): bad key [key]!"}},
		{"redirect", modeltest.Reply{Status: 307, Header: map[string]string{"Location": "https://example.com/"}}, answer{Err: "model upstream answered 307: Temporary Redirect"}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			req := ask("hi")
			req.Messages = append(req.Messages, model.Message{Role: "assistant", ToolCalls: []model.ToolCall{{ID: "call_old", Name: "f"}}}, model.ToolOutput("call_old", "done"))
			got, _ := collect(t, newClient(t, modeltest.Play(test.reply), nil).Stream(t.Context(), req))
			for i := range got.Calls {
				if id := got.Calls[i].ID; strings.HasPrefix(id, "call_") && len(id) == len("call_")+24 {
					got.Calls[i].ID = "new"
				}
			}
			if diff := cmp.Diff(test.want, got); diff != "" {
				t.Errorf("(-want +got)\n%s", diff)
			}
		})
	}
}

func TestTypedErrors(t *testing.T) {
	t.Parallel()
	reply := modeltest.Fail(429, `{"error":{"message":"slow down","type":"requests","code":"rate_limit_exceeded"}}`)
	reply.Header["Retry-After-Ms"] = "1500"
	_, err := collect(t, newClient(t, modeltest.Play(reply), nil).Stream(t.Context(), ask("hi")))
	e, ok := errors.AsType[*model.Error](err)
	if !ok || e.Status != 429 || e.Code != "rate_limit_exceeded" || e.Type != "requests" || e.RetryAfter.Milliseconds() != 1500 || !e.Temporary() || !e.RateLimited() {
		t.Errorf("got %#v", err)
	}

	for _, abort := range []bool{false, true} {
		reply := modeltest.Reply{Body: []string{"data: " + modeltest.Chunk(map[string]any{"content": "x"}) + "\n\n"}, Abort: abort}
		_, err = collect(t, newClient(t, modeltest.Play(reply), nil).Stream(t.Context(), ask("hi")))
		if e, ok = errors.AsType[*model.Error](err); !ok || !errors.Is(err, model.ErrTruncated) || !e.Temporary() {
			t.Errorf("cut off: got %#v", err)
		}
	}

	c, err := model.NewClient(model.Upstream{Name: "gone", BaseURL: "http://127.0.0.1:1", Attempts: 1}, nil, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	_, err = collect(t, c.Stream(t.Context(), ask("hi")))
	if e, ok = errors.AsType[*model.Error](err); !ok || e.Status != 0 || !e.Temporary() {
		t.Errorf("unreachable: got %#v", err)
	}
}

// TestStopEarly checks that a consumer that breaks off, and a context that ends,
// close the connection.
func TestStopEarly(t *testing.T) {
	t.Parallel()
	left := make(chan struct{}, 2)
	reply := modeltest.Text("Hello", "there")
	reply.Body = reply.Body[:1]
	reply.Hang = true
	play := modeltest.Play(reply)
	c := newClient(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		play.ServeHTTP(w, r)
		left <- struct{}{}
	}), nil)

	for range c.Stream(t.Context(), ask("hi")) {
		break
	}
	<-left

	gone := errors.New("the run was cancelled")
	ctx, cancel := context.WithCancelCause(t.Context())
	defer cancel(nil)
	var last error
	for d, err := range c.Stream(ctx, ask("hi")) {
		if last = err; d.Text != "" {
			cancel(gone)
		}
	}
	<-left
	if last != gone {
		t.Errorf("got error %v, want the cause %v", last, gone)
	}
}

// TestCancelAfterTheEnd checks that a consumer may end the context as soon as it
// has the last delta.
func TestCancelAfterTheEnd(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	for d, err := range newClient(t, modeltest.Play(modeltest.Text("Hello")), nil).Stream(ctx, ask("hi")) {
		if err != nil {
			t.Errorf("got error %v", err)
		}
		if d.FinishReason != "" {
			cancel()
		}
	}
	cancel()
}

// TestConnectionReuse checks that turns one after another use one connection,
// whatever way the answers end.
func TestConnectionReuse(t *testing.T) {
	t.Parallel()
	remotes := map[string]bool{}
	play := modeltest.Play(modeltest.Text("a"), modeltest.Stream(modeltest.Finish("stop")), modeltest.Fail(400, `{}`), modeltest.Text("b"))
	c := newClient(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		remotes[r.RemoteAddr] = true // one request at a time
		play.ServeHTTP(w, r)
	}), nil)
	for range 6 {
		_, _ = collect(t, c.Stream(t.Context(), ask("hi"))) // one of them fails
	}
	if len(remotes) != 1 {
		t.Errorf("6 turns used %d connections, want 1", len(remotes))
	}
}
