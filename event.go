package understudy

import (
	"encoding/json"
	"fmt"
)

// EventName names an event of a run's log; it is the SSE event name.
type EventName string

// The events of a run.
const (
	EventThreadCreated     EventName = "thread.created"
	EventRunCreated        EventName = "thread.run.created"
	EventStepCreated       EventName = "thread.run.step.created"
	EventStepInProgress    EventName = "thread.run.step.in_progress"
	EventStepDelta         EventName = "thread.run.step.delta"
	EventMessageCreated    EventName = "thread.message.created"
	EventMessageInProgress EventName = "thread.message.in_progress"
	EventMessageDelta      EventName = "thread.message.delta"
	EventMessageCompleted  EventName = "thread.message.completed"
	EventMessageIncomplete EventName = "thread.message.incomplete"
)

// EventRun returns the event that announces a run's status.
func EventRun(s RunStatus) EventName { return "thread.run." + EventName(s) }

// EventStepEnd returns the event that announces how a step ended.
func EventStepEnd(s StepStatus) EventName { return "thread.run.step." + EventName(s) }

// EndsStream reports whether a stream of a run's events ends after e: the run
// is over, or the client has to act.
func (e EventName) EndsStream() bool {
	switch e {
	case EventRun(RunRequiresAction), EventRun(RunCompleted), EventRun(RunIncomplete),
		EventRun(RunFailed), EventRun(RunCancelled), EventRun(RunExpired):
		return true
	}
	return false
}

// Event is one entry of a run's log: what a streaming client receives. Data is
// one line of JSON.
type Event struct {
	Name EventName
	Data json.RawMessage
}

// NewEvent encodes an event. object is a run, step, message, thread or delta.
func NewEvent(name EventName, object any) (Event, error) {
	data, err := marshal(object)
	if err != nil {
		return Event{}, fmt.Errorf("event %s: %w", name, err)
	}
	return Event{Name: name, Data: data}, nil
}

// MessageDelta is the payload of a message delta.
type MessageDelta struct {
	ID     string `json:"id"`
	Object string `json:"object"` // always "thread.message.delta"
	Delta  struct {
		Content []ContentDelta `json:"content"`
	} `json:"delta"`
}

// ContentDelta adds to the message part at Index.
type ContentDelta struct {
	Index     int         `json:"index"`
	Type      ContentType `json:"type"`
	Text      *TextDelta  `json:"text,omitempty"`
	ImageFile *ImageFile  `json:"image_file,omitempty"`
	Refusal   *string     `json:"refusal,omitempty"`
}

// TextDelta adds to a text. The first delta of a part carries an empty,
// non-nil Annotations; later ones carry nil or what they add, each with its
// Index.
type TextDelta struct {
	Value       string       `json:"value,omitempty"`
	Annotations []Annotation `json:"annotations,omitzero"`
}

// NewMessageDelta returns the payload that adds parts to a message.
func NewMessageDelta(messageID string, parts ...ContentDelta) MessageDelta {
	d := MessageDelta{ID: messageID, Object: "thread.message.delta"}
	d.Delta.Content = parts
	return d
}

// StepDelta is the payload of a run step delta.
type StepDelta struct {
	ID     string `json:"id"`
	Object string `json:"object"` // always "thread.run.step.delta"
	Delta  struct {
		StepDetails StepDetailsDelta `json:"step_details"`
	} `json:"delta"`
}

// StepDetailsDelta adds to a round of tool calls.
type StepDetailsDelta struct {
	Type      StepType        `json:"type"` // always "tool_calls"
	ToolCalls []ToolCallDelta `json:"tool_calls"`
}

// ToolCallDelta adds to the tool call at Index. ID is set in the first delta of
// a call only: clients concatenate strings.
type ToolCallDelta struct {
	Index           int                  `json:"index"`
	ID              string               `json:"id,omitempty"`
	Type            ToolType             `json:"type"`
	CodeInterpreter *CodeDelta           `json:"code_interpreter,omitempty"`
	FileSearch      *FileSearchCall      `json:"file_search,omitempty"`
	Function        *FunctionCallPartial `json:"function,omitempty"`
}

// CodeDelta adds to a cell's source, or to its outputs; the first delta of a
// call carries an empty input and empty, non-nil Outputs.
type CodeDelta struct {
	Input   *string           `json:"input,omitempty"`
	Outputs []CodeOutputDelta `json:"outputs,omitzero"`
}

// CodeOutputDelta adds to the output at Index.
type CodeOutputDelta struct {
	Index int        `json:"index"`
	Type  string     `json:"type"`
	Logs  string     `json:"logs,omitempty"`
	Image *CodeImage `json:"image,omitempty"`
}

// FunctionCallPartial adds to a function call. In the first delta Name is set
// and Output is an explicit null; later ones carry arguments only, because
// some clients refuse a null where they hold a string.
type FunctionCallPartial struct {
	Name      string          `json:"name,omitempty"`
	Arguments string          `json:"arguments"`
	Output    json.RawMessage `json:"output,omitempty"`
}

// NewStepDelta returns the payload that adds to a step's tool calls.
func NewStepDelta(stepID string, calls ...ToolCallDelta) StepDelta {
	d := StepDelta{ID: stepID, Object: "thread.run.step.delta"}
	d.Delta.StepDetails = StepDetailsDelta{Type: StepToolCalls, ToolCalls: calls}
	return d
}
