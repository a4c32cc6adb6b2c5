package model

import (
	"bytes"
	"encoding/json"
	"io"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/google/go-cmp/cmp"
)

// FuzzEvents checks that the events of a stream do not depend on how its bytes
// are cut, and that no line is made up.
func FuzzEvents(f *testing.F) {
	for _, s := range []string{
		"data: a\n\ndata:b\r\n\r\ndata: c\r\rdata: [DONE]\n\n",
		"\xef\xbb\xbfevent: error\ndata: {}\n\n: comment\n\nerror: x",
		"data: {\ndata: }\ndata: [DONE]\ndata: 1\n", "{\"a\":1}\n{\"b\":2}", "data\n\ndata:\n\n\r\n\r",
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, stream []byte) {
		whole := readEvents(t, bytes.NewReader(stream))
		if diff := cmp.Diff(whole, readEvents(t, iotest.OneByteReader(bytes.NewReader(stream)))); diff != "" {
			t.Errorf("%q: events depend on how bytes arrive (-whole +one by one)\n%s", stream, diff)
		}
		if n := len(strings.Join(whole, "")); n > 2*len(stream)+1 {
			t.Errorf("%d bytes of events from %d", n, len(stream))
		}
	})
}

func readEvents(t *testing.T, r io.Reader) []string {
	e := newEventReader(r)
	var events []string
	for {
		ev, err := e.next()
		if err == io.EOF {
			return events
		}
		if err != nil {
			t.Fatal(err)
		}
		text := string(ev.data)
		if ev.isError {
			text = "!" + text
		}
		events = append(events, text)
	}
}

// FuzzChunk holds the hand-written reader of chunks against encoding/json: on
// every document of the expected types both read the same, and nothing panics.
func FuzzChunk(f *testing.F) {
	for _, s := range []string{
		`{"choices":[{"delta":{"content":"a","tool_calls":[{"index":1,"id":"x","function":{"name":"f","arguments":"{}"}}]},"finish_reason":"stop"}]}`,
		`{"choices":[{"message":{"refusal":"no"}},{"delta":{"content":"other"}}],"usage":{"prompt_tokens":1,"completion_tokens":2}}`,
		`{"a":[{"b":"]}"}],"choices" : [ { "delta" : { "content" : "\u00e4\"" } } ] }`, `{"choices":[]}`, `{}`, `{"x"`, `[1]`, `{"error":{"message":"m"}}`,
	} {
		f.Add([]byte(s))
	}
	type delta struct {
		Content   *string `json:"content"`
		Refusal   *string `json:"refusal"`
		ToolCalls []struct {
			Index    *int    `json:"index"`
			ID       *string `json:"id"`
			Function *struct {
				Name      *string `json:"name"`
				Arguments *string `json:"arguments"`
			} `json:"function"`
		} `json:"tool_calls"`
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		var got chunk
		err := got.parse(data)
		if json.Valid(data) && bytes.HasPrefix(bytes.TrimLeft(data, " \t\r\n"), []byte("{")) && err != nil && !bytes.Contains(data, []byte("[[[")) {
			t.Fatalf("%q: valid JSON was refused: %v", data, err)
		}
		var want struct {
			Choices []struct {
				Delta        delta   `json:"delta"`
				FinishReason *string `json:"finish_reason"`
			} `json:"choices"`
		}
		// encoding/json merges repeated keys and ignores their case: leave such documents out.
		if err != nil || json.Unmarshal(data, &want) != nil || len(want.Choices) == 0 || !plainKeys(data) {
			return
		}
		text := func(p *string) string {
			if p == nil {
				return ""
			}
			return *p
		}
		c := want.Choices[0]
		if got.text != text(c.Delta.Content) || got.refusal != text(c.Delta.Refusal) || got.finish != text(c.FinishReason) {
			t.Errorf("%q: got %+v, want %+v", data, got, c)
		}
	})
}

// plainKeys reports whether each key that matters occurs at most once, in lower
// case and without escapes.
func plainKeys(data []byte) bool {
	lower := bytes.ToLower(data)
	for _, k := range []string{"choices", "delta", "content", "refusal", "finish_reason"} {
		if bytes.Count(lower, []byte(k)) > 1 || bytes.Count(data, []byte(k)) != bytes.Count(lower, []byte(k)) {
			return false
		}
	}
	return !bytes.Contains(data, []byte(`\u`)) && !bytes.Contains(data, []byte("message")) && !bytes.ContainsAny(data, "\u017f\u212a") && validUTF8(data)
}

func validUTF8(data []byte) bool { return bytes.Equal(data, bytes.ToValidUTF8(data, nil)) }

// FuzzCalls checks the promise of ToolCallDelta for any sequence of pieces.
func FuzzCalls(f *testing.F) {
	f.Add([]byte("0a f{ 0a  } 1b g{}"))
	f.Add([]byte("- af{}- bf{}-   x"))
	f.Fuzz(func(t *testing.T, script []byte) {
		var tracker callTracker
		history := []Message{{ToolCalls: []ToolCall{{ID: "a"}}}}
		ids := map[string]bool{"a": true}
		sent, announced := 0, 0
		var out int
		for ; len(script) >= 4; script = script[4:] {
			p := callChunk{index: int(script[0]%4) - 1, id: letter(script[1]), name: letter(script[2]), arguments: letter(script[3])}
			sent += len(p.arguments)
			deltas, err := tracker.add([]callChunk{p}, history)
			if err != nil {
				return // too many calls
			}
			for _, d := range deltas {
				out += len(d.Arguments)
				switch {
				case d.Index == announced && d.Name != "" && d.ID != "" && !ids[d.ID]:
					ids[d.ID] = true
					announced++
				case d.Index < announced && d.Name == "" && d.ID == "":
				default:
					t.Fatalf("after %d calls: %+v", announced, d)
				}
			}
		}
		if tracker.finish() == nil && out != sent {
			t.Errorf("%d bytes of arguments went in, %d came out", sent, out)
		}
	})
}

func letter(b byte) string {
	if b%5 == 0 {
		return ""
	}
	return string([]byte{"a{}\"1b"[b%6]})
}

// FuzzSchema checks that any schema, which is user input, ends in valid JSON of
// bounded size.
func FuzzSchema(f *testing.F) {
	f.Add([]byte(`{"type":"array","minItems":9,"items":{"anyOf":[{"$ref":"#"}],"allOf":[{"$ref":"#/items"}]}}`))
	f.Add([]byte(`{"allOf":[{"required":["a"],"properties":{"a":{"type":"number","multipleOf":1e-300,"minimum":1e300}}}]}`))
	f.Fuzz(func(t *testing.T, schema []byte) {
		if got := instanceOf(schema, "text"); !json.Valid([]byte(got)) || len(got) > maxSchemaValues*(maxSchemaText+6*len(schema)+10) {
			t.Errorf("%q: got %d bytes: %.100q", schema, len(got), got)
		}
	})
}

// endless repeats a text for ever.
type endless string

// Read fills p.
func (e endless) Read(p []byte) (int, error) {
	n := 0
	for n+len(e) <= len(p) {
		n += copy(p[n:], e)
	}
	return n, nil
}

func TestStreamIsBounded(t *testing.T) {
	t.Parallel()
	for name, stream := range map[string]endless{
		"a line without end": "x", "an event without end": "data: [\n", "events without end": "data: {}\n\n", "comments without end": ": ping\n\n",
	} {
		e := newEventReader(stream)
		e.maxEvent, e.maxStream = 64<<10, 1<<20
		var err error
		for err == nil {
			_, err = e.next()
		}
		if err != errTooLong || len(e.buf) > e.maxEvent || len(e.data) > e.maxEvent || e.total > e.maxStream+e.maxEvent {
			t.Errorf("%s: got %v after %d bytes, %d of them held", name, err, e.total, len(e.buf)+len(e.data))
		}
	}
}
