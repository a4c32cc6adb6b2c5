package model

import (
	"errors"
	"net/http"
	"strings"
)

// A chunk is one event of a chat-completions stream, or a whole answer that did
// not come as a stream: both have the same shape but for one key. It is used
// again for every event of a stream.
type chunk struct {
	text, refusal string
	finish        string
	calls         []callChunk
	usage         *Usage
	err           *Error
}

// A callChunk is an element of tool_calls as it came.
type callChunk struct {
	index     int // -1: the server sent none
	id        string
	name      string
	arguments string
}

// errMalformed is wrapped by whoever knows where it came from.
var errMalformed = errors.New("it sent something that is not JSON")

// parse fills c from one JSON document.
func (c *chunk) parse(data []byte) error {
	*c = chunk{calls: c.calls[:0]}
	s := scanner{b: data}
	if s.peek() != '{' {
		return errMalformed
	}
	s.open('{')
	first := true
	for key := s.key(&first); key != nil; key = s.key(&first) {
		switch string(key) {
		case "choices":
			c.choices(&s)
		case "usage":
			c.readUsage(&s)
		case "error":
			if raw := s.raw(); len(raw) > 0 && string(raw) != "null" {
				c.err = parseError(0, nil, data)
			}
		default:
			s.skip()
		}
	}
	if s.bad {
		return errMalformed
	}
	return nil
}

// choices reads the first choice: one is all that is asked for.
func (c *chunk) choices(s *scanner) {
	if !s.open('[') {
		return
	}
	first, seen := true, false
	for s.more(']', &first) {
		if seen {
			s.skip()
			continue
		}
		seen = true
		c.choice(s)
	}
}

func (c *chunk) choice(s *scanner) {
	if !s.open('{') {
		return
	}
	first := true
	for key := s.key(&first); key != nil; key = s.key(&first) {
		switch string(key) {
		case "delta", "message":
			c.delta(s)
		case "finish_reason":
			c.finish = s.text()
		case "usage": // some servers put it here
			c.readUsage(s)
		default:
			s.skip()
		}
	}
}

func (c *chunk) delta(s *scanner) {
	if !s.open('{') {
		return
	}
	first := true
	for key := s.key(&first); key != nil; key = s.key(&first) {
		switch string(key) {
		case "content":
			c.text += c.content(s)
		case "refusal":
			c.refusal = s.text()
		case "tool_calls":
			if !s.open('[') {
				continue
			}
			for f := true; s.more(']', &f); {
				c.call(s)
			}
		case "function_call": // the form of 2023, still sent by some
			call := callChunk{index: 0}
			call.function(s)
			if call != (callChunk{}) {
				c.calls = append(c.calls, call)
			}
		default: // role, reasoning_content, reasoning, annotations, audio …
			s.skip()
		}
	}
}

// content reads a text, or the texts among a list of parts.
func (c *chunk) content(s *scanner) string {
	if s.peek() != '[' {
		return s.text()
	}
	s.open('[')
	var text strings.Builder
	for f := true; s.more(']', &f); {
		if s.peek() == '"' {
			text.WriteString(s.text())
			continue
		}
		if !s.open('{') {
			continue
		}
		first, kind, part := true, "text", ""
		for key := s.key(&first); key != nil; key = s.key(&first) {
			switch string(key) {
			case "type":
				kind = s.text()
			case "text":
				part = s.text()
			default:
				s.skip()
			}
		}
		if kind == "text" || kind == "output_text" {
			text.WriteString(part)
		}
	}
	return text.String()
}

func (c *chunk) call(s *scanner) {
	if !s.open('{') {
		return
	}
	call := callChunk{index: -1}
	first := true
	for key := s.key(&first); key != nil; key = s.key(&first) {
		switch string(key) {
		case "index":
			if n, ok := s.integer(); ok && n >= 0 {
				call.index = n
			}
		case "id":
			call.id = s.label()
		case "function":
			call.function(s)
		default:
			s.skip()
		}
	}
	c.calls = append(c.calls, call)
}

func (c *callChunk) function(s *scanner) {
	if !s.open('{') {
		return
	}
	first := true
	for key := s.key(&first); key != nil; key = s.key(&first) {
		switch string(key) {
		case "name":
			c.name = s.text()
		case "arguments":
			switch s.peek() {
			case '"':
				c.arguments = s.text()
			case '{', '[':
				c.arguments = string(s.raw())
			default:
				s.skip()
			}
		default:
			s.skip()
		}
	}
}

func (c *chunk) readUsage(s *scanner) {
	if !s.open('{') {
		return
	}
	var u Usage
	first := true
	for key := s.key(&first); key != nil; key = s.key(&first) {
		switch string(key) {
		case "prompt_tokens":
			u.PromptTokens = s.count()
		case "completion_tokens":
			u.CompletionTokens = s.count()
		case "prompt_tokens_details":
			u.CachedTokens = s.member("cached_tokens")
		case "completion_tokens_details":
			u.ReasoningTokens = s.member("reasoning_tokens")
		default:
			s.skip()
		}
	}
	// llama.cpp and others send zeros in every chunk until the last.
	if u != (Usage{}) {
		c.usage = &u
	}
}

// count reads a number that counts something: 0 if it is not one.
func (s *scanner) count() int {
	n, _ := s.integer()
	return max(n, 0)
}

// member reads the count called name out of an object.
func (s *scanner) member(name string) (n int) {
	if !s.open('{') {
		return 0
	}
	first := true
	for key := s.key(&first); key != nil; key = s.key(&first) {
		if string(key) == name {
			n = s.count()
			continue
		}
		s.skip()
	}
	return n
}

// statusOf maps a code inside an error body to the HTTP status it stands for,
// when the error came in a stream that had begun with 200.
func statusOf(code string) int {
	switch code {
	case "429", "rate_limit_exceeded":
		return http.StatusTooManyRequests
	case "500", "502", "503", "504", "529", "server_error", "overloaded_error":
		return http.StatusServiceUnavailable
	}
	return 0
}
