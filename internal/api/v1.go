package api

import (
	"context"
	"slices"

	"github.com/understudy-dev/understudy"
)

// This file turns objects into the shapes of version 1 as it was in its last
// days (April 2024), which is what that dialect shows: files are listed by
// file_ids, file_search is called retrieval, and nothing is known of tool
// resources, attachments and parallel_tool_calls. A field of the types below
// that has the name of one of the embedded object's takes its place; absent
// hides it.

type absent *struct{}

// toolRetrieval is file_search in version 1.
const toolRetrieval understudy.ToolType = "retrieval"

type assistantV1 struct {
	understudy.Assistant
	Tools           []toolV1 `json:"tools"`
	FileIDs         []string `json:"file_ids"`
	ReasoningEffort absent   `json:"reasoning_effort,omitempty"`
	ToolResources   absent   `json:"tool_resources,omitempty"`
}

type threadV1 struct {
	understudy.Thread
	ToolResources absent `json:"tool_resources,omitempty"`
}

type messageV1 struct {
	understudy.Message
	FileIDs     []string `json:"file_ids"`
	Attachments absent   `json:"attachments,omitempty"`
}

type runV1 struct {
	understudy.Run
	Tools             []toolV1              `json:"tools"`
	FileIDs           []string              `json:"file_ids"`
	ToolChoice        understudy.ToolChoice `json:"tool_choice"`
	Usage             *usageV1              `json:"usage"`
	ReasoningEffort   absent                `json:"reasoning_effort,omitempty"`
	ToolResources     absent                `json:"tool_resources,omitempty"`
	ParallelToolCalls absent                `json:"parallel_tool_calls,omitempty"`
}

type stepV1 struct {
	stepView
	Usage *usageV1 `json:"usage"`
}

type toolV1 struct {
	Type     understudy.ToolType `json:"type"`
	Function *functionV1         `json:"function,omitempty"`
}

type functionV1 struct {
	understudy.Function
	Strict absent `json:"strict,omitempty"`
}

type usageV1 struct {
	PromptTokens     int `json:"prompt_tokens"`
	CompletionTokens int `json:"completion_tokens"`
	TotalTokens      int `json:"total_tokens"`
}

// viewV1 shows an object, or a list, to clients of version 1.
func viewV1(ctx context.Context, s *server, v any) (any, error) {
	switch v := v.(type) {
	case *understudy.Assistant:
		return viewOne(ctx, s, v, assistantID, showAssistantV1)
	case understudy.List[*understudy.Assistant]:
		return viewList(ctx, s, v, assistantID, showAssistantV1)
	case *understudy.Message:
		return viewOne(ctx, s, v, messageID, showMessageV1)
	case understudy.List[*understudy.Message]:
		return viewList(ctx, s, v, messageID, showMessageV1)
	case *understudy.Run:
		return viewOne(ctx, s, v, runID, showRunV1)
	case understudy.List[*understudy.Run]:
		return viewList(ctx, s, v, runID, showRunV1)
	case *understudy.Step:
		return showStepV1(v), nil
	case understudy.List[*understudy.Step]:
		return withData(v, each(v.Data, showStepV1)), nil
	case *understudy.Thread:
		return showThreadV1(v), nil
	case understudy.List[*understudy.Thread]:
		return withData(v, each(v.Data, showThreadV1)), nil
	case *understudy.StepDelta:
		return viewStepDelta(v, retrievalCall), nil
	case *understudy.MessageDelta:
		return showMessageDeltaV1(v), nil
	}
	return v, nil
}

func assistantID(a *understudy.Assistant) string { return a.ID }
func messageID(m *understudy.Message) string     { return m.ID }
func runID(r *understudy.Run) string             { return r.ID }

// viewOne shows an object with the files that version 1 lists for it.
func viewOne[T, V any](ctx context.Context, s *server, v T, id func(T) string, show func(T, []string) V) (any, error) {
	all, err := viewAll(ctx, s, []T{v}, id, show)
	if err != nil {
		return nil, err
	}
	return all[0], nil
}

func viewList[T, V any](ctx context.Context, s *server, l understudy.List[T], id func(T) string, show func(T, []string) V) (any, error) {
	all, err := viewAll(ctx, s, l.Data, id, show)
	if err != nil {
		return nil, err
	}
	return withData(l, all), nil
}

func viewAll[T, V any](ctx context.Context, s *server, in []T, id func(T) string, show func(T, []string) V) ([]V, error) {
	files, err := s.Store.V1().Files(ctx, each(in, id)...)
	if err != nil {
		return nil, err
	}
	return each(in, func(v T) V {
		ids := []string{}
		for _, f := range files[id(v)] {
			ids = append(ids, f.ID)
		}
		return show(v, ids)
	}), nil
}

func showAssistantV1(a *understudy.Assistant, files []string) assistantV1 {
	return assistantV1{Assistant: *a, Tools: each(a.Tools, showToolV1), FileIDs: files}
}

func showThreadV1(th *understudy.Thread) threadV1 { return threadV1{Thread: *th} }

func showToolV1(t understudy.Tool) toolV1 {
	switch {
	case t.Type == understudy.ToolFileSearch:
		t.Type = toolRetrieval
	case t.Function != nil:
		return toolV1{Type: t.Type, Function: &functionV1{Function: *t.Function}}
	}
	return toolV1{Type: t.Type}
}

// showMessageV1 also lists the files that an answer links to, which version 1
// lists for messages of assistants.
func showMessageV1(m *understudy.Message, files []string) messageV1 {
	out := messageV1{Message: *m, FileIDs: files}
	out.Content = each(m.Content, showContentV1)
	for _, id := range generatedFiles(m) {
		if !slices.Contains(out.FileIDs, id) {
			out.FileIDs = append(out.FileIDs, id)
		}
	}
	return out
}

// generatedFiles returns the files that a message links to.
func generatedFiles(m *understudy.Message) []string {
	var ids []string
	for _, c := range m.Content {
		if c.Text == nil {
			continue
		}
		for _, a := range c.Text.Annotations {
			if a.FilePath != nil && !slices.Contains(ids, a.FilePath.FileID) {
				ids = append(ids, a.FilePath.FileID)
			}
		}
	}
	return ids
}

// showContentV1 shows a part of a message: version 1 knows no refusals, and no
// detail of images.
func showContentV1(c understudy.Content) understudy.Content {
	switch {
	case c.Refusal != nil:
		return understudy.TextContent(*c.Refusal)
	case c.ImageFile != nil:
		c.ImageFile = &understudy.ImageFile{FileID: c.ImageFile.FileID}
	}
	return quoting(c)
}

func showRunV1(r *understudy.Run, files []string) runV1 {
	out := runV1{Run: *r, Tools: each(r.Tools, showToolV1), FileIDs: files, ToolChoice: r.ToolChoice, Usage: showUsageV1(r.Usage)}
	if out.ToolChoice.Type == understudy.ToolFileSearch {
		out.ToolChoice.Type = toolRetrieval
	}
	return out
}

func showUsageV1(u *understudy.Usage) *usageV1 {
	if u == nil {
		return nil
	}
	return &usageV1{PromptTokens: u.PromptTokens, CompletionTokens: u.CompletionTokens, TotalTokens: u.TotalTokens}
}

func showStepV1(s *understudy.Step) stepV1 {
	return stepV1{stepView: viewStep(s, retrievalCall), Usage: showUsageV1(s.Usage)}
}

func retrievalCall(index *int, id string) searchCall {
	return searchCall{Index: index, ID: id, Type: toolRetrieval, Retrieval: new(struct{}{})}
}

func showMessageDeltaV1(d *understudy.MessageDelta) *understudy.MessageDelta {
	for i, c := range d.Delta.Content {
		if c.Refusal != nil {
			d.Delta.Content[i] = understudy.ContentDelta{Index: c.Index, Type: understudy.ContentText, Text: &understudy.TextDelta{Value: *c.Refusal}}
		}
	}
	return d
}
