package api

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"iter"
	"slices"
	"strings"

	"github.com/understudy-dev/understudy"
)

// viewEvents returns events as the dialect shows them.
func (s *server) viewEvents(ctx context.Context, events iter.Seq2[understudy.Event, error]) iter.Seq2[understudy.Event, error] {
	if s.dialect.view == nil {
		return events
	}
	return func(yield func(understudy.Event, error) bool) {
		for e, err := range events {
			if err == nil {
				e, err = s.viewEvent(ctx, e)
			}
			if !yield(e, err) || err != nil {
				return
			}
		}
	}
}

// trimEvents returns events without what steps show only to those who ask for it.
func trimEvents(events iter.Seq2[understudy.Event, error], wanted included) iter.Seq2[understudy.Event, error] {
	return func(yield func(understudy.Event, error) bool) {
		for e, err := range events {
			search := !wanted.results && bytes.Contains(e.Data, []byte(`"file_search"`))
			if err == nil && (search || !wanted.data && bytes.Contains(e.Data, []byte(`"data":[`))) {
				e, err = trimEvent(e, wanted)
			}
			if !yield(e, err) || err != nil {
				return
			}
		}
	}
}

func trimEvent(e understudy.Event, wanted included) (understudy.Event, error) {
	step, ok := payload(e.Name).(*understudy.Step)
	if !ok {
		return e, nil
	}
	if err := json.Unmarshal(e.Data, step); err != nil {
		return e, fmt.Errorf("event %s: %w", e.Name, err)
	}
	trim(step, wanted)
	return understudy.NewEvent(e.Name, step)
}

// viewEvent shows the object that an event carries as answers would.
func (s *server) viewEvent(ctx context.Context, e understudy.Event) (understudy.Event, error) {
	v := payload(e.Name)
	if v == nil {
		return e, nil
	}
	if err := json.Unmarshal(e.Data, v); err != nil {
		return e, fmt.Errorf("event %s: %w", e.Name, err)
	}
	shown, err := s.dialect.view(ctx, s, v)
	if err != nil {
		return e, err
	}
	if s.dialect.v1 && e.Name == understudy.EventRun(understudy.RunIncomplete) {
		e.Name = understudy.EventRun(understudy.RunCompleted) // the other event came with version 2
	}
	return understudy.NewEvent(e.Name, shown)
}

// payload returns a new object of the type that events with the given name
// carry; nil for those that all dialects show alike.
func payload(name understudy.EventName) any {
	switch {
	case name == understudy.EventThreadCreated:
		return new(understudy.Thread)
	case name == understudy.EventStepDelta:
		return new(understudy.StepDelta)
	case name == understudy.EventMessageDelta:
		return new(understudy.MessageDelta)
	case strings.HasPrefix(string(name), "thread.run.step."):
		return new(understudy.Step)
	case strings.HasPrefix(string(name), "thread.run."):
		return new(understudy.Run)
	case strings.HasPrefix(string(name), "thread.message."):
		return new(understudy.Message)
	}
	return nil
}

// searchCall is a call of file search, or what a delta adds to one, as it was
// shown before results were: with nothing in it.
type searchCall struct {
	Index      *int                `json:"index,omitempty"`
	ID         string              `json:"id,omitempty"`
	Type       understudy.ToolType `json:"type"`
	FileSearch *struct{}           `json:"file_search,omitempty"`
	Retrieval  *struct{}           `json:"retrieval,omitempty"`
}

// stepView is a step whose tool calls are shown in another way.
type stepView struct {
	understudy.Step
	StepDetails struct {
		understudy.StepDetails
		ToolCalls []any `json:"tool_calls,omitzero"`
	} `json:"step_details"`
}

type stepDeltaView struct {
	understudy.StepDelta
	Delta struct {
		StepDetails struct {
			understudy.StepDetailsDelta
			ToolCalls []any `json:"tool_calls"`
		} `json:"step_details"`
	} `json:"delta"`
}

// viewStep shows a step, with calls of file search as search has them.
func viewStep(s *understudy.Step, search func(index *int, id string) searchCall) stepView {
	out := stepView{Step: *s}
	out.StepDetails.StepDetails = s.StepDetails
	if s.StepDetails.ToolCalls != nil {
		out.StepDetails.ToolCalls = each(s.StepDetails.ToolCalls, func(c understudy.ToolCall) any {
			if c.Type == understudy.ToolFileSearch {
				return search(nil, c.ID)
			}
			return c
		})
	}
	return out
}

// viewStepDelta is viewStep for deltas.
func viewStepDelta(d *understudy.StepDelta, search func(index *int, id string) searchCall) stepDeltaView {
	out := stepDeltaView{StepDelta: *d}
	out.Delta.StepDetails.StepDetailsDelta = d.Delta.StepDetails
	out.Delta.StepDetails.ToolCalls = each(d.Delta.StepDetails.ToolCalls, func(c understudy.ToolCallDelta) any {
		if c.Type == understudy.ToolFileSearch {
			return search(&c.Index, c.ID)
		}
		return c
	})
	return out
}

// viewMay2024 shows an object, or a list, as Azure's first versions with the
// protocol's version 2 describe it: citations have a quote, calls of file search
// nothing, and errors of a vector store's files other codes.
func viewMay2024(_ context.Context, _ *server, v any) (any, error) {
	switch v := v.(type) {
	case *understudy.Message:
		return quotingMessage(v), nil
	case understudy.List[*understudy.Message]:
		return withData(v, each(v.Data, quotingMessage)), nil
	case *understudy.Step:
		return viewStep(v, emptyCall), nil
	case understudy.List[*understudy.Step]:
		return withData(v, each(v.Data, func(s *understudy.Step) stepView { return viewStep(s, emptyCall) })), nil
	case *understudy.StepDelta:
		return viewStepDelta(v, emptyCall), nil
	case *understudy.VectorStoreFile:
		return withCodeOfMay2024(v), nil
	case understudy.List[*understudy.VectorStoreFile]:
		return withData(v, each(v.Data, withCodeOfMay2024)), nil
	}
	return v, nil
}

var codesOfMay2024 = map[string]string{
	understudy.VectorStoreFileServerError: "internal_error",
	understudy.VectorStoreFileUnsupported: "unhandled_mime_type",
	understudy.VectorStoreFileInvalid:     "parsing_error",
}

func withCodeOfMay2024(f *understudy.VectorStoreFile) *understudy.VectorStoreFile {
	if f.LastError == nil || codesOfMay2024[f.LastError.Code] == "" {
		return f
	}
	out := *f
	out.LastError = &understudy.VectorStoreFileError{Code: codesOfMay2024[f.LastError.Code], Message: f.LastError.Message}
	return &out
}

func emptyCall(index *int, id string) searchCall {
	return searchCall{Index: index, ID: id, Type: understudy.ToolFileSearch, FileSearch: new(struct{}{})}
}

func quotingMessage(m *understudy.Message) *understudy.Message {
	out := *m
	out.Content = each(m.Content, quoting)
	return &out
}

// quoting returns c with a quote in every citation: empty, as the service has
// sent it since it stopped telling what it quoted.
func quoting(c understudy.Content) understudy.Content {
	if c.Text == nil {
		return c
	}
	c.Text = &understudy.Text{Value: c.Text.Value, Annotations: slices.Clone(c.Text.Annotations)}
	for i, a := range c.Text.Annotations {
		if a.FileCitation != nil && a.FileCitation.Quote == nil {
			c.Text.Annotations[i].FileCitation = &understudy.FileCitation{FileID: a.FileCitation.FileID, Quote: new("")}
		}
	}
	return c
}

// each returns what f makes of each element. It never returns nil.
func each[T, V any](in []T, f func(T) V) []V {
	out := make([]V, len(in))
	for i := range in {
		out[i] = f(in[i])
	}
	return out
}

// withData returns the list with other data.
func withData[T, V any](l understudy.List[T], data []V) understudy.List[V] {
	return understudy.List[V]{Object: l.Object, Data: data, FirstID: l.FirstID, LastID: l.LastID, HasMore: l.HasMore}
}
