package api

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"time"

	"github.com/understudy-dev/understudy"
	"github.com/understudy-dev/understudy/internal/store"
)

// runRequest is the body that creates a run, or a thread with a run.
type runRequest struct {
	AssistantID            string                         `json:"assistant_id"`
	Model                  *string                        `json:"model"`
	Instructions           *string                        `json:"instructions"`
	AdditionalInstructions *string                        `json:"additional_instructions"`
	AdditionalMessages     []messageRequest               `json:"additional_messages"`
	ReasoningEffort        *string                        `json:"reasoning_effort"`
	Tools                  []understudy.Tool              `json:"tools"`
	Metadata               metadataValues                 `json:"metadata"`
	Temperature            *understudy.Float              `json:"temperature"`
	TopP                   *understudy.Float              `json:"top_p"`
	Stream                 bool                           `json:"stream"`
	MaxPromptTokens        *int                           `json:"max_prompt_tokens"`
	MaxCompletionTokens    *int                           `json:"max_completion_tokens"`
	TruncationStrategy     *understudy.TruncationStrategy `json:"truncation_strategy"`
	ToolChoice             understudy.ToolChoice          `json:"tool_choice"`
	ParallelToolCalls      *bool                          `json:"parallel_tool_calls"`
	ResponseFormat         *understudy.ResponseFormat     `json:"response_format"`

	Thread        threadRequest         `json:"thread"`         // POST /threads/runs only
	ToolResources *toolResourcesRequest `json:"tool_resources"` // POST /threads/runs only
}

// resolve makes the run that the request asks for: what it leaves out is the
// assistant's, as of now.
func (q *runRequest) resolve(a *understudy.Assistant, threadID string) (*understudy.Run, error) {
	now := time.Now()
	r := &understudy.Run{
		ID:                  understudy.NewID(understudy.PrefixRun),
		Object:              "thread.run",
		CreatedAt:           now.Unix(),
		AssistantID:         a.ID,
		ThreadID:            threadID,
		Status:              understudy.RunQueued,
		ExpiresAt:           new(now.Add(understudy.RunLifetime).Unix()),
		Model:               a.Model,
		Instructions:        a.Instructions,
		Tools:               a.Tools,
		Metadata:            understudy.Metadata(q.Metadata),
		Temperature:         a.Temperature,
		TopP:                a.TopP,
		ReasoningEffort:     a.ReasoningEffort,
		MaxCompletionTokens: q.MaxCompletionTokens,
		MaxPromptTokens:     q.MaxPromptTokens,
		TruncationStrategy:  q.TruncationStrategy,
		ResponseFormat:      a.ResponseFormat,
		ToolChoice:          q.ToolChoice,
		ParallelToolCalls:   true,
	}
	set(&r.Model, q.Model)
	setPointer(&r.Instructions, q.Instructions)
	setPointer(&r.Temperature, q.Temperature)
	setPointer(&r.TopP, q.TopP)
	setPointer(&r.ReasoningEffort, q.ReasoningEffort)
	set(&r.ResponseFormat, format(q.ResponseFormat))
	set(&r.ParallelToolCalls, q.ParallelToolCalls)
	if q.Tools != nil {
		r.Tools = tools(q.Tools)
	}
	if more := q.AdditionalInstructions; more != nil && *more != "" {
		if r.Instructions == nil || *r.Instructions == "" {
			r.Instructions = more
		} else {
			r.Instructions = new(*r.Instructions + "\n\n" + *more)
		}
	}
	if r.TruncationStrategy == nil {
		r.TruncationStrategy = &understudy.TruncationStrategy{Type: "auto"}
	}
	if r.ToolChoice.Type == toolRetrieval {
		r.ToolChoice.Type = understudy.ToolFileSearch
	}
	if err := q.ToolResources.apply(&r.ToolResources); err != nil {
		return nil, err
	}
	if err := checkFormat(r.Tools, r.ResponseFormat); err != nil {
		return nil, err
	}
	return r, checkToolChoice(r)
}

// checkToolChoice refuses the choice of a tool that the run does not have.
func checkToolChoice(r *understudy.Run) error {
	c := r.ToolChoice
	switch {
	case c.Mode == "required" && len(r.Tools) == 0:
		return invalidParam("tool_choice", "invalid_value", "Invalid 'tool_choice': 'required' needs at least one tool, but the run has none.")
	case c.Type == "":
		return nil
	}
	has := slices.ContainsFunc(r.Tools, func(t understudy.Tool) bool {
		return t.Type == c.Type && (t.Function == nil || t.Function.Name == c.Function)
	})
	if has {
		return nil
	}
	if c.Type == understudy.ToolFunction {
		return invalidParam("tool_choice", "invalid_value", fmt.Sprintf("Invalid 'tool_choice': the run has no function named '%s'.", c.Function))
	}
	return invalidParam("tool_choice", "invalid_value", fmt.Sprintf("Invalid 'tool_choice': the run has no tool of type '%s'.", c.Type))
}

// decodeRun reads the body that creates a run, and makes the run for a thread.
func (s *server) decodeRun(w http.ResponseWriter, r *http.Request, sch *schema, threadID string) (*runRequest, *understudy.Run, error) {
	q := new(runRequest)
	if err := s.decode(w, r, sch, q); err != nil {
		return nil, nil, err
	}
	if _, err := includes(r.URL.Query()); err != nil {
		return nil, nil, err
	}
	a, err := s.Store.Assistant(r.Context(), q.AssistantID)
	if err != nil {
		return nil, nil, err
	}
	run, err := q.resolve(a, threadID)
	if err == nil && s.dialect.v1 {
		err = s.giveRunFiles(r.Context(), a, run)
	}
	return q, run, err
}

func (s *server) createRun(w http.ResponseWriter, r *http.Request) error {
	ids, err := pathIDs(r, "thread_id")
	if err != nil {
		return err
	}
	q, run, err := s.decodeRun(w, r, s.schemas.run, ids[0])
	if err != nil {
		return err
	}
	messages, err := s.messages(r.Context(), run.ThreadID, q.AdditionalMessages)
	if err != nil {
		return err
	}
	return s.startRun(w, r, store.NewRun{Run: run, Messages: messages}, q.Stream)
}

func (s *server) createThreadAndRun(w http.ResponseWriter, r *http.Request) error {
	q, run, err := s.decodeRun(w, r, s.schemas.threadAndRun, "")
	if err != nil {
		return err
	}
	q.Thread.Messages = append(q.Thread.Messages, q.AdditionalMessages...)
	thread, messages, stores, err := s.thread(r.Context(), &q.Thread, "thread.")
	if err != nil {
		return err
	}
	run.ThreadID = thread.ID
	return s.startRun(w, r, store.NewRun{Run: run, Thread: thread, Messages: messages, Stores: stores}, q.Stream)
}

// startRun stores a run, has it executed, and answers with the run or with the
// stream of its events.
func (s *server) startRun(w http.ResponseWriter, r *http.Request, n store.NewRun, stream bool) error {
	n.V1 = s.dialect.v1
	if err := s.Store.CreateRun(r.Context(), n); err != nil {
		return err
	}
	s.ingest(n.Messages, n.Stores)
	s.Engine.Start(n.Run.ID)
	if stream {
		return s.streamRun(w, r, n.Run.ID, 0)
	}
	return s.writeRun(w, n.Run)
}

// writeRun answers with a run, and asks pollers to come back soon if it goes on
// by itself.
func (s *server) writeRun(w http.ResponseWriter, run *understudy.Run) error {
	pollLater(w, run.Status.GoesOn())
	return ok(w, run)
}

func (s *server) getRun(w http.ResponseWriter, r *http.Request) error {
	ids, err := pathIDs(r, "thread_id", "run_id")
	if err != nil {
		return err
	}
	read := func(ctx context.Context) (*understudy.Run, error) { return s.Store.Run(ctx, ids[0], ids[1]) }
	run, err := poll(s, r, ids[1], read, func(run *understudy.Run) bool { return run.Status.GoesOn() })
	if err != nil {
		return err
	}
	return s.writeRun(w, run)
}

func (s *server) modifyRun(w http.ResponseWriter, r *http.Request) error {
	ids, err := pathIDs(r, "thread_id", "run_id")
	if err != nil {
		return err
	}
	var q metadataRequest
	if err := s.decode(w, r, s.schemas.metadataOnly, &q); err != nil {
		return err
	}
	run, err := s.Store.UpdateRun(r.Context(), ids[0], ids[1], func(run *understudy.Run) error {
		if s.dialect.v1 && run.Status == understudy.RunInProgress {
			return understudy.Invalid("Cannot update run with status '%s'.", run.Status)
		}
		q.apply(&run.Metadata)
		return nil
	})
	if err != nil {
		return err
	}
	return s.writeRun(w, run)
}

func (s *server) listRuns(w http.ResponseWriter, r *http.Request) error {
	ids, err := pathIDs(r, "thread_id")
	if err != nil {
		return err
	}
	p, err := page(r.URL.Query())
	if err != nil {
		return err
	}
	all, more, err := s.Store.ListRuns(r.Context(), ids[0], p)
	if err != nil {
		return err
	}
	return ok(w, understudy.NewList(all, more, func(r *understudy.Run) string { return r.ID }))
}

func (s *server) cancelRun(w http.ResponseWriter, r *http.Request) error {
	ids, err := pathIDs(r, "thread_id", "run_id")
	if err != nil {
		return err
	}
	run, err := s.Store.CancelRun(r.Context(), ids[0], ids[1])
	if err != nil {
		return err
	}
	s.Engine.Cancel(run.ID)
	return s.writeRun(w, run)
}

// toolOutputsRequest is the body that submits what functions returned.
type toolOutputsRequest struct {
	ToolOutputs []struct {
		CallID string `json:"tool_call_id"`
		Output string `json:"output"`
	} `json:"tool_outputs"`
	Stream bool `json:"stream"`
}

func (s *server) submitToolOutputs(w http.ResponseWriter, r *http.Request) error {
	ids, err := pathIDs(r, "thread_id", "run_id")
	if err != nil {
		return err
	}
	var q toolOutputsRequest
	if err := s.decode(w, r, s.schemas.toolOutputs, &q); err != nil {
		return err
	}
	outputs := make([]store.ToolOutput, len(q.ToolOutputs))
	size := 0
	for i, o := range q.ToolOutputs {
		outputs[i] = store.ToolOutput{CallID: o.CallID, Output: o.Output}
		size += len(o.Output)
	}
	if size > understudy.MaxToolOutputBytes {
		return invalidParam("tool_outputs", "string_above_max_length", fmt.Sprintf(
			"Invalid 'tool_outputs': outputs too long. Expected outputs with a total of at most %d bytes, but got %d bytes instead.", understudy.MaxToolOutputBytes, size))
	}
	run, after, err := s.Store.SubmitToolOutputs(r.Context(), ids[0], ids[1], outputs)
	if err != nil {
		return err
	}
	s.Engine.Start(run.ID)
	if q.Stream {
		return s.streamRun(w, r, run.ID, after)
	}
	return s.writeRun(w, run)
}

func (s *server) listSteps(w http.ResponseWriter, r *http.Request) error {
	ids, err := pathIDs(r, "thread_id", "run_id")
	if err != nil {
		return err
	}
	q := r.URL.Query()
	p, err := page(q)
	if err != nil {
		return err
	}
	wanted, err := includes(q)
	if err != nil {
		return err
	}
	all, more, err := s.Store.ListSteps(r.Context(), ids[0], ids[1], p)
	if err != nil {
		return err
	}
	for _, step := range all {
		trim(step, wanted)
	}
	return ok(w, understudy.NewList(all, more, func(s *understudy.Step) string { return s.ID }))
}

func (s *server) getStep(w http.ResponseWriter, r *http.Request) error {
	ids, err := pathIDs(r, "thread_id", "run_id", "step_id")
	if err != nil {
		return err
	}
	wanted, err := includes(r.URL.Query())
	if err != nil {
		return err
	}
	step, err := s.Store.Step(r.Context(), ids[0], ids[1], ids[2])
	if err != nil {
		return err
	}
	trim(step, wanted)
	return ok(w, step)
}

// trim removes from a step what is shown only to those who ask for it, and was not
// asked for.
func trim(step *understudy.Step, wanted included) {
	for _, c := range step.StepDetails.ToolCalls {
		if c.CodeInterpreter != nil && !wanted.data {
			c.CodeInterpreter.Data = nil
		}
		if c.FileSearch == nil || wanted.results {
			continue
		}
		for i := range c.FileSearch.Results {
			c.FileSearch.Results[i].Content = nil
		}
	}
}
