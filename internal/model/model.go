package model

import (
	"context"
	"encoding/json"
	"iter"
)

// A Model answers one chat turn as a stream. Implementations are safe for
// concurrent use.
type Model interface {
	// Stream yields deltas until the turn is over. The last delta, and only the
	// last, has FinishReason set; nothing follows it. A yielded error ends the
	// stream. Whatever goes wrong upstream is an *[Error], which is
	// [ErrTruncated] too if the stream ended without a FinishReason; when ctx
	// ends, its cause is yielded. req is only read, and may be shared between calls.
	//
	// The slices in a Delta are valid until the next one is asked for.
	Stream(ctx context.Context, req *Request) iter.Seq2[Delta, error]
}

// A Request is everything one turn of the conversation needs.
type Request struct {
	Model             string          // name as the assistant has it; a Router translates it
	Messages          []Message       // oldest first
	Tools             []Tool          // functions the model may call
	ToolChoice        ToolChoice      // zero: the upstream's default
	ParallelToolCalls *bool           // nil: the upstream's default
	ResponseFormat    json.RawMessage // the API's response_format object; nil or "auto": unset
	Temperature       *float64        // nil: the upstream's default
	TopP              *float64        // nil: the upstream's default
	MaxTokens         int             // most tokens to produce, 0: no limit
	ReasoningEffort   string          // "" : the upstream's default
}

// A Message is one entry of the conversation.
type Message struct {
	Role       string     // system, user, assistant or tool
	Parts      []Part     // in order
	ToolCalls  []ToolCall // role assistant: the calls it made in this turn
	ToolCallID string     // role tool: the call that Parts answers
	Name       string     // optional name of the participant
}

// A Part is a piece of a message: text, or an image if Image is set.
type Part struct {
	Text  string
	Image *Image
}

// An Image is a picture shown to the model.
type Image struct {
	URL    string // http, https or data URL
	Detail string // "", auto, low or high
}

// A Tool is a function the model may call.
type Tool struct {
	Name        string
	Description string
	Parameters  json.RawMessage // JSON schema of the arguments; nil: takes none
	Strict      *bool           // nil: unset
}

// Modes of a [ToolChoice].
const (
	ToolsNone     = "none"
	ToolsAuto     = "auto"
	ToolsRequired = "required"
	ToolsFunction = "function"
)

// A ToolChoice says whether the model may, must or must not call tools. The
// zero value leaves it to the upstream.
type ToolChoice struct {
	Mode string // "", ToolsNone, ToolsAuto, ToolsRequired or ToolsFunction
	Name string // with ToolsFunction: the function that must be called
}

// A ToolCall is a finished call of a function.
type ToolCall struct {
	ID        string
	Name      string
	Arguments string // as the model wrote it: meant to be JSON, not promised to be
}

// Reasons for which a turn ends.
const (
	FinishStop          = "stop"
	FinishLength        = "length"
	FinishToolCalls     = "tool_calls"
	FinishContentFilter = "content_filter"
)

// A Delta is what arrived since the one before it.
type Delta struct {
	Text         string          // to append to the answer
	Refusal      string          // to append to the refusal
	ToolCalls    []ToolCallDelta // to add to the calls being written
	FinishReason string          // set on the last delta: one of the Finish constants
	Usage        *Usage          // tokens of the whole turn, when the upstream counts them: on the last delta
}

// A ToolCallDelta adds to one tool call. Indexes start at 0 and have no gaps;
// the first delta of an index carries its ID and Name, both never empty, and no
// later one does.
type ToolCallDelta struct {
	Index     int
	ID        string
	Name      string
	Arguments string // to append
}

// Usage counts the tokens of one turn.
type Usage struct {
	PromptTokens     int // all input tokens, CachedTokens included
	CompletionTokens int // all output tokens, ReasoningTokens included
	CachedTokens     int
	ReasoningTokens  int
}

// System returns a system message.
func System(text string) Message { return textMessage("system", text) }

// User returns a user message of one text.
func User(text string) Message { return textMessage("user", text) }

// ToolOutput returns the message that answers the tool call with the given id.
func ToolOutput(callID, output string) Message {
	m := textMessage("tool", output)
	m.ToolCallID = callID
	return m
}

func textMessage(role, text string) Message {
	return Message{Role: role, Parts: []Part{{Text: text}}}
}

// Text returns the text parts of m, joined by newlines.
func (m *Message) Text() string {
	if len(m.Parts) == 1 {
		return m.Parts[0].Text
	}
	var b []byte
	for _, p := range m.Parts {
		if p.Image != nil {
			continue
		}
		if len(b) > 0 {
			b = append(b, '\n')
		}
		b = append(b, p.Text...)
	}
	return string(b)
}
