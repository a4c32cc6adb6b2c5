package model

import (
	"strings"
	"sync"
)

// refusals is the set of optional request fields that an upstream, or one model
// on it, is known not to take. Servers answer 400 to a field they do not know;
// the answer to what the user asked is worth more than the field.
type refusals uint16

const (
	refusesStreamOptions refusals = 1 << iota
	refusesParallelToolCalls
	refusesMaxTokens // max_completion_tokens is sent in its place
	refusesMaxCompletionTokens
	refusesTemperature
	refusesTopP
	refusesReasoningEffort
	refusesStrict
	refusesStream // the whole answer is asked for at once
)

// unnamed are the fields dropped together when a 400 does not say what it is
// about: nothing in the answer depends on them.
const unnamed = refusesStreamOptions | refusesParallelToolCalls

// optionalFields lists the names by which an error text may blame a field.
var optionalFields = [...]struct {
	name string
	bit  refusals
}{
	{"stream_options", refusesStreamOptions},
	{"include_usage", refusesStreamOptions},
	{"parallel_tool_calls", refusesParallelToolCalls},
	{"max_completion_tokens", refusesMaxCompletionTokens},
	{"max_tokens", refusesMaxTokens},
	{"temperature", refusesTemperature},
	{"top_p", refusesTopP},
	{"reasoning_effort", refusesReasoningEffort},
	{"strict", refusesStrict},
	{"stream", refusesStream},
}

// blame returns the fields of req, besides those in without, that e may be
// about: the one it names, else the unnamed ones. It returns 0 if sending the
// request again without something makes no sense.
func blame(e *Error, req *Request, without refusals) refusals {
	text := strings.ToLower(e.Message)
	// Old llama.cpp says 500 to this, and means 400.
	if e.Status != 400 && e.Status != 422 && !strings.Contains(text, "cannot use tools with stream") {
		return 0
	}
	switch e.Code {
	case "context_length_exceeded", "content_filter", "invalid_api_key", "model_not_found":
		return 0
	}
	sent := sentOptions(req, without)
	if !unsupportedText(e.Code, text) {
		// A field refused for its value is the user's to see. These two
		// have no wrong value: whoever names them does not know them.
		sent &= unnamed
	}
	for _, f := range optionalFields {
		if f.bit&sent != 0 && (mentions(e.param, f.name) || mentions(text, f.name)) {
			return f.bit
		}
	}
	if strings.Contains(text, "context length") || strings.Contains(text, "context size") {
		return 0
	}
	return sent & unnamed
}

// mentions reports whether text names the field, and not another whose name
// contains it.
func mentions(text, field string) bool {
	for {
		before, after, found := strings.Cut(text, field)
		if !found {
			return false
		}
		if !endsWithLetter(before) && (after == "" || !wordByte(after[0])) {
			return true
		}
		text = after
	}
}

func endsWithLetter(s string) bool { return s != "" && wordByte(s[len(s)-1]) }

func wordByte(c byte) bool {
	return c == '_' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9'
}

func unsupportedText(code, text string) bool {
	switch code {
	case "unsupported_parameter", "unsupported_value", "unknown_parameter":
		return true
	}
	for _, s := range []string{"unsupported", "not support", "unknown", "unrecognized", "unexpected", "extra inputs", "extra fields", "not permitted", "not allowed", "only the default", "deprecated", "cannot use"} {
		if strings.Contains(text, s) {
			return true
		}
	}
	return false
}

// sentOptions is the set of optional fields that are sent for req.
func sentOptions(req *Request, without refusals) refusals {
	sent := refusesStreamOptions | refusesStream
	if without&refusesStream != 0 {
		sent = 0
	}
	if req.ParallelToolCalls != nil && len(req.Tools) > 0 {
		sent |= refusesParallelToolCalls
	}
	if req.MaxTokens > 0 {
		sent |= refusesMaxTokens
	}
	if req.MaxTokens > 0 && without&refusesMaxTokens != 0 {
		sent |= refusesMaxCompletionTokens
	}
	if req.Temperature != nil {
		sent |= refusesTemperature
	}
	if req.TopP != nil {
		sent |= refusesTopP
	}
	if req.ReasoningEffort != "" {
		sent |= refusesReasoningEffort
	}
	for i := range req.Tools {
		if req.Tools[i].Strict != nil {
			sent |= refusesStrict
		}
	}
	return sent &^ without
}

// A memory keeps what each model of an upstream refuses. What the server's
// program does not know (the unnamed fields) is kept for all its models.
type memory struct {
	mu     sync.Mutex
	all    refusals
	models map[string]refusals
}

// maxRemembered bounds the memory: model names come from users.
const maxRemembered = 256

func (m *memory) get(model string) refusals {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.all | m.models[model]
}

func (m *memory) add(model string, r refusals) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.all |= r & refusesStreamOptions
	if r &^= m.all; r == 0 {
		return
	}
	if m.models == nil || len(m.models) >= maxRemembered {
		m.models = map[string]refusals{}
	}
	m.models[model] |= r
}
