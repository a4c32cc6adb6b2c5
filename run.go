package understudy

import (
	"fmt"
	"slices"
	"time"
)

// RunStatus is the state of a run.
type RunStatus string

// The states of a run.
const (
	RunQueued         RunStatus = "queued"
	RunInProgress     RunStatus = "in_progress"
	RunRequiresAction RunStatus = "requires_action"
	RunCancelling     RunStatus = "cancelling"
	RunCancelled      RunStatus = "cancelled"
	RunFailed         RunStatus = "failed"
	RunCompleted      RunStatus = "completed"
	RunIncomplete     RunStatus = "incomplete"
	RunExpired        RunStatus = "expired"
)

// runTransitions is the life cycle: the states each state may turn into.
// States that are not keys are terminal.
var runTransitions = map[RunStatus][]RunStatus{
	RunQueued:         {RunInProgress, RunCancelling, RunCancelled, RunFailed, RunExpired},
	RunInProgress:     {RunRequiresAction, RunCancelling, RunCancelled, RunFailed, RunCompleted, RunIncomplete, RunExpired},
	RunRequiresAction: {RunQueued, RunCancelling, RunCancelled, RunFailed, RunExpired},
	RunCancelling:     {RunCancelled, RunFailed, RunCompleted, RunIncomplete, RunExpired},
}

// Terminal reports whether a run in this state never changes again.
func (s RunStatus) Terminal() bool {
	_, active := runTransitions[s]
	return !active
}

// GoesOn reports whether a run in this state is to change without anything that
// its client has to do: it is what clients poll for the end of.
func (s RunStatus) GoesOn() bool { return !s.Terminal() && s != RunRequiresAction }

// CanBecome reports whether the life cycle allows the step from s to next.
func (s RunStatus) CanBecome(next RunStatus) bool {
	return slices.Contains(runTransitions[s], next)
}

// Run is one answer of an assistant in a thread, from the request to the end.
// Model, Instructions and Tools are the effective ones, frozen at creation.
type Run struct {
	ID                  string              `json:"id"`
	Object              string              `json:"object"` // always "thread.run"
	CreatedAt           int64               `json:"created_at"`
	AssistantID         string              `json:"assistant_id"`
	ThreadID            string              `json:"thread_id"`
	Status              RunStatus           `json:"status"`
	StartedAt           *int64              `json:"started_at"`
	ExpiresAt           *int64              `json:"expires_at"`
	CancelledAt         *int64              `json:"cancelled_at"`
	FailedAt            *int64              `json:"failed_at"`
	CompletedAt         *int64              `json:"completed_at"`
	RequiredAction      *RequiredAction     `json:"required_action"`
	LastError           *LastError          `json:"last_error"`
	Model               string              `json:"model"`
	Instructions        *string             `json:"instructions"`
	Tools               []Tool              `json:"tools"`
	ToolResources       ToolResources       `json:"tool_resources"`
	Metadata            Metadata            `json:"metadata"`
	Temperature         *Float              `json:"temperature"`
	TopP                *Float              `json:"top_p"`
	ReasoningEffort     *string             `json:"reasoning_effort"`
	MaxCompletionTokens *int                `json:"max_completion_tokens"`
	MaxPromptTokens     *int                `json:"max_prompt_tokens"`
	TruncationStrategy  *TruncationStrategy `json:"truncation_strategy"`
	IncompleteDetails   *IncompleteDetails  `json:"incomplete_details"`
	Usage               *Usage              `json:"usage"`
	ResponseFormat      ResponseFormat      `json:"response_format"`
	ToolChoice          ToolChoice          `json:"tool_choice"`
	ParallelToolCalls   bool                `json:"parallel_tool_calls"`
}

// RequiredAction is what a run in requires_action waits for.
type RequiredAction struct {
	Type              string            `json:"type"` // always "submit_tool_outputs"
	SubmitToolOutputs SubmitToolOutputs `json:"submit_tool_outputs"`
}

// SubmitToolOutputs lists the function calls whose outputs are wanted, all in
// one request.
type SubmitToolOutputs struct {
	ToolCalls []RequiredCall `json:"tool_calls"`
}

// RequiredCall is one function call the client has to make.
type RequiredCall struct {
	ID       string           `json:"id"`
	Type     ToolType         `json:"type"` // always "function"
	Function RequiredFunction `json:"function"`
}

// RequiredFunction names the function and its arguments, a string that should
// be, but need not be, valid JSON: it is what the model wrote.
type RequiredFunction struct {
	Name      string `json:"name"`
	Arguments string `json:"arguments"`
}

// Codes of [LastError].
const (
	CodeServerError       = "server_error"
	CodeRateLimitExceeded = "rate_limit_exceeded"
	CodeInvalidPrompt     = "invalid_prompt"
)

// LastError says why a run or step failed.
type LastError struct {
	Code    string `json:"code"`
	Message string `json:"message"`
}

// TruncationStrategy says which messages of a long thread the model sees:
// Type "auto" drops messages in the middle so that the rest fits, "last_messages"
// keeps the LastMessages newest.
type TruncationStrategy struct {
	Type         string `json:"type"`
	LastMessages *int   `json:"last_messages"`
}

// Reasons for an incomplete run.
const (
	IncompleteMaxCompletionTokens = "max_completion_tokens"
	IncompleteMaxPromptTokens     = "max_prompt_tokens"
)

// Usage counts tokens of a step or of a whole run.
type Usage struct {
	PromptTokens     int               `json:"prompt_tokens"`
	CompletionTokens int               `json:"completion_tokens"`
	TotalTokens      int               `json:"total_tokens"`
	PromptDetails    PromptDetails     `json:"prompt_token_details"` // "token": singular on the wire
	CompletionDetail CompletionDetails `json:"completion_tokens_details"`
}

// PromptDetails splits the prompt's tokens.
type PromptDetails struct {
	CachedTokens int `json:"cached_tokens"`
}

// CompletionDetails splits the completion's tokens.
type CompletionDetails struct {
	ReasoningTokens int `json:"reasoning_tokens"`
}

// Add adds v to u. It does nothing if v is nil.
func (u *Usage) Add(v *Usage) {
	if v == nil {
		return
	}
	u.PromptTokens += v.PromptTokens
	u.CompletionTokens += v.CompletionTokens
	u.TotalTokens += v.TotalTokens
	u.PromptDetails.CachedTokens += v.PromptDetails.CachedTokens
	u.CompletionDetail.ReasoningTokens += v.CompletionDetail.ReasoningTokens
}

// Become moves the run to next and sets the time fields as the life cycle
// says: started_at at every in_progress, completed_at on completed and on
// incomplete, expires_at gone once terminal, required_action gone unless
// required. The caller sets what belongs to the new state (RequiredAction,
// LastError, IncompleteDetails, Usage). It fails, changing nothing, if the
// life cycle has no such step.
func (r *Run) Become(next RunStatus, now time.Time) error {
	if !r.Status.CanBecome(next) {
		return fmt.Errorf("run %s cannot become %s from %s", r.ID, next, r.Status)
	}
	r.Status = next
	t := now.Unix()
	switch next {
	case RunInProgress:
		r.StartedAt = &t
	case RunCancelled:
		r.CancelledAt = &t
	case RunFailed:
		r.FailedAt = &t
	case RunCompleted, RunIncomplete:
		r.CompletedAt = &t
	}
	if next != RunRequiresAction {
		r.RequiredAction = nil
	}
	if next.Terminal() {
		r.ExpiresAt = nil
	}
	return nil
}
