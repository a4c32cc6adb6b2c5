package understudy

import (
	"encoding/json"
	"fmt"
	"strings"
	"time"
)

// StepType names a kind of run step.
type StepType string

// The kinds of run steps.
const (
	StepMessageCreation StepType = "message_creation"
	StepToolCalls       StepType = "tool_calls"
)

// StepStatus is the state of a run step. Every state but in_progress is
// terminal.
type StepStatus string

// The states of a run step.
const (
	StepInProgress StepStatus = "in_progress"
	StepCancelled  StepStatus = "cancelled"
	StepFailed     StepStatus = "failed"
	StepCompleted  StepStatus = "completed"
	StepExpired    StepStatus = "expired"
)

// Step is one step of a run: a message written, or a round of tool calls. The
// fields ExpiredAt and Metadata are in the published description, ExpiresAt is
// on the wire; all three are sent.
type Step struct {
	ID          string      `json:"id"`
	Object      string      `json:"object"` // always "thread.run.step"
	CreatedAt   int64       `json:"created_at"`
	RunID       string      `json:"run_id"`
	AssistantID string      `json:"assistant_id"`
	ThreadID    string      `json:"thread_id"`
	Type        StepType    `json:"type"`
	Status      StepStatus  `json:"status"`
	CancelledAt *int64      `json:"cancelled_at"`
	CompletedAt *int64      `json:"completed_at"`
	ExpiresAt   *int64      `json:"expires_at"`
	ExpiredAt   *int64      `json:"expired_at"`
	FailedAt    *int64      `json:"failed_at"`
	LastError   *LastError  `json:"last_error"`
	StepDetails StepDetails `json:"step_details"`
	Usage       *Usage      `json:"usage"`
	Metadata    Metadata    `json:"metadata"`
}

// StepDetails is what a step did: Type says which of the other fields is set.
type StepDetails struct {
	Type            StepType         `json:"type"`
	MessageCreation *MessageCreation `json:"message_creation,omitempty"`
	ToolCalls       []ToolCall       `json:"tool_calls,omitzero"` // non-nil, maybe empty, for tool_calls
}

// MessageCreation names the message that a step wrote.
type MessageCreation struct {
	MessageID string `json:"message_id"`
}

// ToolCall is one call of a tool: Type says which of the other fields is set.
type ToolCall struct {
	ID              string              `json:"id"`
	Type            ToolType            `json:"type"`
	CodeInterpreter *CodeInterpreterRun `json:"code_interpreter,omitempty"`
	FileSearch      *FileSearchCall     `json:"file_search,omitempty"`
	Function        *FunctionCall       `json:"function,omitempty"`
}

// CodeInterpreterRun is a cell and what came of it. Outputs is never null. Data
// extends the protocol: what outputs show, for programs; only callers who asked for
// it see it.
type CodeInterpreterRun struct {
	Input   string       `json:"input"`
	Outputs []CodeOutput `json:"outputs"`
	Data    []CodeData   `json:"data,omitempty"`
}

// CodeData is what the output at an index shows: Type, which is table, chart or
// plotly, says which of the other fields is set.
type CodeData struct {
	OutputIndex int             `json:"output_index"`
	Type        string          `json:"type"`
	Table       json.RawMessage `json:"table,omitempty"`
	Chart       json.RawMessage `json:"chart,omitempty"`
	Plotly      json.RawMessage `json:"plotly,omitempty"`
}

// Kinds of code interpreter outputs.
const (
	CodeOutputLogs  = "logs"
	CodeOutputImage = "image"
)

// CodeOutput is a piece of a cell's output: Type says which field is set.
type CodeOutput struct {
	Type  string     `json:"type"`
	Logs  *string    `json:"logs,omitempty"`
	Image *CodeImage `json:"image,omitempty"`
}

// CodeImage is a figure, kept as a file.
type CodeImage struct {
	FileID string `json:"file_id"`
}

// FileSearchCall is a search and its results. Results is never null.
//
// Queries and CitationIndex extend the protocol, so that one can see what the
// model looked for and which chunk a marker such as 【4:0†report.pdf】 means:
// the result 0 of the call whose index is 4. Both are absent until the model has
// written the call.
type FileSearchCall struct {
	RankingOptions FileSearchRanking  `json:"ranking_options"`
	Results        []FileSearchResult `json:"results"`
	Queries        []string           `json:"queries,omitempty"`
	CitationIndex  int                `json:"citation_index,omitempty"`
}

// Marker is the text that cites the result i of the call.
func (c *FileSearchCall) Marker(i int) string {
	name := strings.NewReplacer("【", "[", "】", "]", "\n", " ").Replace(c.Results[i].FileName)
	return fmt.Sprintf("【%d:%d†%s】", c.CitationIndex, i, name)
}

// FileSearchRanking is how a search was ranked, as steps show it.
type FileSearchRanking struct {
	Ranker         string `json:"ranker"`
	ScoreThreshold Float  `json:"score_threshold"`
}

// FileSearchResult is one chunk found. Content is shown only to callers who
// asked for it.
type FileSearchResult struct {
	FileID     string              `json:"file_id"`
	FileName   string              `json:"file_name"`
	Score      Float               `json:"score"`
	Attributes Attributes          `json:"attributes"`
	Content    []FileSearchContent `json:"content,omitempty"`
}

// FileSearchContent is the text of a chunk.
type FileSearchContent struct {
	Type string `json:"type"` // always "text"
	Text string `json:"text"`
}

// FunctionCall is a call of the caller's function. Output is null until it was
// submitted.
type FunctionCall struct {
	Name      string  `json:"name"`
	Arguments string  `json:"arguments"`
	Output    *string `json:"output"`
}

// End moves the step to a terminal status and sets the time field that belongs
// to it. It fails, changing nothing, if the step has ended already or status is
// not terminal.
func (s *Step) End(status StepStatus, now time.Time) error {
	if s.Status != StepInProgress || status == StepInProgress {
		return fmt.Errorf("step %s cannot become %s from %s", s.ID, status, s.Status)
	}
	s.Status = status
	t := now.Unix()
	switch status {
	case StepCompleted:
		s.CompletedAt = &t
	case StepCancelled:
		s.CancelledAt = &t
	case StepFailed:
		s.FailedAt = &t
	case StepExpired:
		s.ExpiredAt = &t
	}
	s.ExpiresAt = nil
	return nil
}

// MessageID returns the message that the step wrote, "" for tool calls.
func (d *StepDetails) MessageID() string {
	if d.MessageCreation == nil {
		return ""
	}
	return d.MessageCreation.MessageID
}
