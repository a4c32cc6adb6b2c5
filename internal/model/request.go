package model

import (
	"bytes"
	"encoding/json"
	"fmt"
)

// Wire forms of a request, in the order they are sent.

type wireRequest struct {
	Model               string          `json:"model"`
	Messages            []wireMessage   `json:"messages"`
	Tools               []wireTool      `json:"tools,omitempty"`
	ToolChoice          any             `json:"tool_choice,omitempty"`
	ParallelToolCalls   *bool           `json:"parallel_tool_calls,omitempty"`
	ResponseFormat      json.RawMessage `json:"response_format,omitempty"`
	Temperature         *float64        `json:"temperature,omitempty"`
	TopP                *float64        `json:"top_p,omitempty"`
	MaxTokens           int             `json:"max_tokens,omitempty"`
	MaxCompletionTokens int             `json:"max_completion_tokens,omitempty"`
	ReasoningEffort     string          `json:"reasoning_effort,omitempty"`
	Stream              bool            `json:"stream"`
	StreamOptions       *streamOptions  `json:"stream_options,omitempty"`
}

type streamOptions struct {
	IncludeUsage bool `json:"include_usage"`
}

type wireMessage struct {
	Role       string     `json:"role"`
	Content    any        `json:"content"` // string, []wirePart or null
	Name       string     `json:"name,omitempty"`
	ToolCalls  []wireCall `json:"tool_calls,omitempty"`
	ToolCallID string     `json:"tool_call_id,omitempty"`
}

type wirePart struct {
	Type     string     `json:"type"`
	Text     *string    `json:"text,omitempty"`
	ImageURL *wireImage `json:"image_url,omitempty"`
}

type wireImage struct {
	URL    string `json:"url"`
	Detail string `json:"detail,omitempty"`
}

type wireTool struct {
	Type     string       `json:"type"`
	Function wireFunction `json:"function"`
}

type wireFunction struct {
	Name        string          `json:"name"`
	Description string          `json:"description,omitempty"`
	Parameters  json.RawMessage `json:"parameters,omitempty"`
	Strict      *bool           `json:"strict,omitempty"`
}

type wireCall struct {
	ID       string        `json:"id"`
	Type     string        `json:"type"`
	Function wireArguments `json:"function"`
}

type wireArguments struct {
	Name      string `json:"name"`
	Arguments string `json:"arguments"`
}

type wireNamedChoice struct {
	Type     string `json:"type"`
	Function struct {
		Name string `json:"name"`
	} `json:"function"`
}

// encode writes req as a request body, without the fields that the upstream is
// known to refuse.
func encode(req *Request, model string, without refusals) ([]byte, error) {
	w := wireRequest{
		Model:           model,
		Messages:        make([]wireMessage, len(req.Messages)),
		Tools:           wireTools(req.Tools, without),
		ToolChoice:      wireChoice(req),
		ResponseFormat:  responseFormat(req.ResponseFormat),
		Temperature:     unless(without&refusesTemperature != 0, req.Temperature),
		TopP:            unless(without&refusesTopP != 0, req.TopP),
		ReasoningEffort: req.ReasoningEffort,
		Stream:          without&refusesStream == 0,
	}
	for i := range req.Messages {
		w.Messages[i] = newWireMessage(&req.Messages[i])
	}
	if len(req.Tools) > 0 && without&refusesParallelToolCalls == 0 {
		w.ParallelToolCalls = req.ParallelToolCalls
	}
	if without&refusesMaxTokens == 0 {
		w.MaxTokens = req.MaxTokens
	} else if without&refusesMaxCompletionTokens == 0 {
		w.MaxCompletionTokens = req.MaxTokens
	}
	if without&refusesReasoningEffort != 0 {
		w.ReasoningEffort = ""
	}
	if without&(refusesStreamOptions|refusesStream) == 0 {
		w.StreamOptions = &streamOptions{IncludeUsage: true}
	}
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(&w); err != nil {
		return nil, fmt.Errorf("encoding the request to the model: %w", err)
	}
	return b.Bytes(), nil
}

func unless[T any](drop bool, v *T) *T {
	if drop {
		return nil
	}
	return v
}

func newWireMessage(m *Message) wireMessage {
	w := wireMessage{Role: m.Role, Name: m.Name, ToolCallID: m.ToolCallID, Content: wireContent(m)}
	for _, c := range m.ToolCalls {
		w.ToolCalls = append(w.ToolCalls, wireCall{
			ID:       c.ID,
			Type:     "function",
			Function: wireArguments{Name: c.Name, Arguments: validArguments(c.Arguments)},
		})
	}
	return w
}

// wireContent sends text as one string, which every server takes, and parts
// only where there is an image among them.
func wireContent(m *Message) any {
	for _, p := range m.Parts {
		if p.Image != nil {
			return wireParts(m.Parts)
		}
	}
	if len(m.Parts) == 0 && len(m.ToolCalls) > 0 {
		return nil
	}
	return m.Text()
}

func wireParts(parts []Part) []wirePart {
	w := make([]wirePart, len(parts))
	for i := range parts {
		if img := parts[i].Image; img != nil {
			w[i] = wirePart{Type: "image_url", ImageURL: &wireImage{URL: img.URL, Detail: img.Detail}}
		} else {
			w[i] = wirePart{Type: "text", Text: &parts[i].Text}
		}
	}
	return w
}

// validArguments returns what a model once wrote as arguments in a form that can
// be sent back: several servers parse the arguments of earlier calls, and refuse
// the whole conversation, for good, if one is not a JSON object.
func validArguments(written string) string {
	var object map[string]json.RawMessage
	if json.Unmarshal([]byte(written), &object) == nil && object != nil {
		return written
	}
	if written == "" {
		return "{}"
	}
	wrapped, _ := json.Marshal(map[string]string{"invalid_arguments": written}) // a string always encodes
	return string(wrapped)
}

func wireTools(tools []Tool, without refusals) []wireTool {
	w := make([]wireTool, len(tools))
	for i := range tools {
		t := &tools[i]
		w[i] = wireTool{Type: "function", Function: wireFunction{
			Name:        t.Name,
			Description: t.Description,
			Parameters:  t.Parameters,
			Strict:      unless(without&refusesStrict != 0, t.Strict),
		}}
		if len(t.Parameters) == 0 {
			w[i].Function.Parameters = json.RawMessage(`{"type":"object","properties":{}}`)
		}
	}
	return w
}

func wireChoice(req *Request) any {
	if len(req.Tools) == 0 {
		return nil // servers refuse a choice without tools
	}
	switch c := req.ToolChoice; c.Mode {
	case "":
		return nil
	case ToolsFunction:
		named := wireNamedChoice{Type: "function"}
		named.Function.Name = c.Name
		return &named
	default:
		return c.Mode
	}
}

// responseFormat drops the values that mean "anything": "auto" and null are not
// part of chat completions, and {"type":"text"} is what no value means.
func responseFormat(f json.RawMessage) json.RawMessage {
	var object struct {
		Type string `json:"type"`
	}
	if json.Unmarshal(f, &object) != nil || object.Type == "" || object.Type == "text" {
		return nil
	}
	return f
}
