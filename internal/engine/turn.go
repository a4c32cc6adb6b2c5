package engine

import (
	"context"
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/understudy-dev/understudy"
	"github.com/understudy-dev/understudy/internal/model"
	"github.com/understudy-dev/understudy/internal/store"
)

// Bounds on one turn of the model, far beyond what models say. Without them, one
// that does not stop would fill the server.
const (
	maxAnswer   = 16 << 20 // bytes of text and of arguments
	maxDeltas   = 500_000
	commitEvery = 2048 // deltas
)

var errTooLong = errors.New("the model's answer does not end")

// turn is what the model said at once.
type turn struct {
	calls  []*call
	finish string
	usage  understudy.Usage
}

// call is a tool call the model is writing.
type call struct {
	id        string
	name      string
	tool      understudy.ToolType
	arguments strings.Builder
	code      *codeReader // of a code interpreter call
}

// takeTurn lets the model speak and passes on what it says as it comes: text
// into a message, calls into a step. Both are left open for the caller to end.
func (x *execution) takeTurn(ctx context.Context, req *model.Request) (*turn, error) {
	t := &turn{}
	said, deltas := 0, 0 // bytes, and in how many pieces
	for d, err := range x.e.Model.Stream(ctx, req) {
		if err != nil {
			return nil, cause(ctx, err)
		}
		if d.Text != "" || d.Refusal != "" {
			if err := x.write(ctx, d); err != nil {
				return nil, err
			}
		}
		said += len(d.Text) + len(d.Refusal)
		for _, c := range d.ToolCalls {
			said += len(c.Name) + len(c.Arguments)
			if err := x.collect(ctx, t, c); err != nil {
				return nil, err
			}
		}
		if deltas++; said > maxAnswer || deltas > maxDeltas {
			return nil, errTooLong
		}
		if err := x.keepDeltas(ctx, deltas); err != nil {
			return nil, err
		}
		if d.FinishReason != "" {
			t.finish = d.FinishReason
			if d.Usage == nil {
				d.Usage = estimateUsage(req, said)
			}
			t.usage = usage(d.Usage)
		}
	}
	return t, nil
}

// keepDeltas makes what has been published durable from time to time, so that an
// answer of any length needs little memory and no commit is large.
func (x *execution) keepDeltas(ctx context.Context, deltas int) error {
	if deltas%commitEvery != 0 {
		return nil
	}
	return x.commit(ctx, func(*store.RunTx) error { return nil })
}

// cause prefers the reason for which ctx ended over the error it led to.
func cause(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return err
}

// estimateUsage guesses what a turn has cost, for upstreams that do not count:
// a token is taken for four bytes.
func estimateUsage(req *model.Request, said int) *model.Usage {
	u := &model.Usage{CompletionTokens: (said + 3) / 4}
	for i := range req.Messages {
		u.PromptTokens += estimateTokens(&req.Messages[i])
	}
	return u
}

func usage(u *model.Usage) understudy.Usage {
	return understudy.Usage{
		PromptTokens:     u.PromptTokens,
		CompletionTokens: u.CompletionTokens,
		TotalTokens:      u.PromptTokens + u.CompletionTokens,
		PromptDetails:    understudy.PromptDetails{CachedTokens: u.CachedTokens},
		CompletionDetail: understudy.CompletionDetails{ReasoningTokens: u.ReasoningTokens},
	}
}

// write appends text or refusal to the message, beginning one if there is none.
func (x *execution) write(ctx context.Context, d model.Delta) error {
	if x.writing == nil {
		if x.calling != nil && strings.TrimSpace(d.Text+d.Refusal) == "" {
			return nil // the line break that some servers send behind calls
		}
		if err := x.beginMessage(ctx); err != nil {
			return err
		}
	}
	if d.Text != "" {
		x.writing.part(understudy.ContentText)
		if err := x.writeText(d.Text); err != nil {
			return err
		}
	}
	if d.Refusal != "" {
		if err := x.settle(); err != nil {
			return err
		}
		i := x.writing.part(understudy.ContentRefusal)
		x.writing.text.WriteString(d.Refusal)
		return x.publishContent(understudy.ContentDelta{Index: i, Type: understudy.ContentRefusal, Refusal: &d.Refusal})
	}
	return nil
}

// part returns the index of the message's last part, having appended one if that
// is not of the given type.
func (w *writing) part(typ understudy.ContentType) int {
	m := w.message
	if n := len(m.Content); n > 0 && m.Content[n-1].Type == typ {
		return n - 1
	}
	w.flush()
	w.runes = 0
	c := understudy.Content{Type: typ}
	if typ == understudy.ContentText {
		c = understudy.TextContent("")
	} else {
		c.Refusal = new("")
	}
	m.Content = append(m.Content, c)
	return len(m.Content) - 1
}

// flush puts the text that has arrived into the message's last part.
func (w *writing) flush() {
	if n := len(w.message.Content); n > 0 {
		switch c := &w.message.Content[n-1]; c.Type {
		case understudy.ContentText:
			c.Text.Value += w.text.String()
		case understudy.ContentRefusal:
			*c.Refusal += w.text.String()
		}
	}
	w.text.Reset()
}

func (x *execution) publishContent(d understudy.ContentDelta) error {
	return x.publish(understudy.EventMessageDelta, understudy.NewMessageDelta(x.writing.message.ID, d))
}

// beginMessage commits a new message and its step, and shows in it the figures
// that were drawn since the last one.
func (x *execution) beginMessage(ctx context.Context) error {
	at := time.Now().Unix()
	m := &understudy.Message{
		ID:          understudy.NewID(understudy.PrefixMessage),
		Object:      "thread.message",
		CreatedAt:   at,
		AssistantID: &x.run.AssistantID,
		ThreadID:    x.run.ThreadID,
		RunID:       &x.run.ID,
		Status:      understudy.MessageInProgress,
		Role:        understudy.RoleAssistant,
		Content:     []understudy.Content{},
		Attachments: []understudy.Attachment{},
	}
	s := x.newStep(understudy.StepDetails{
		Type:            understudy.StepMessageCreation,
		MessageCreation: &understudy.MessageCreation{MessageID: m.ID},
	})
	if err := x.commit(ctx, func(tx *store.RunTx) error {
		if err := tx.AddStep(s); err != nil {
			return err
		}
		return tx.AddMessage(m)
	}); err != nil {
		return err
	}
	x.writing = &writing{step: store.OpenStep{Step: s}, message: m}
	return x.showImages()
}

// showImages adds the pending figures to the message, each a part of its own.
func (x *execution) showImages() error {
	if err := x.settle(); err != nil {
		return err
	}
	x.writing.flush()
	m := x.writing.message
	for _, id := range x.images {
		m.Content = append(m.Content, understudy.Content{Type: understudy.ContentImageFile, ImageFile: &understudy.ImageFile{FileID: id}})
		if err := x.publishContent(understudy.ContentDelta{
			Index: len(m.Content) - 1, Type: understudy.ContentImageFile, ImageFile: &understudy.ImageFile{FileID: id},
		}); err != nil {
			return err
		}
	}
	x.images = nil
	return nil
}

func (x *execution) newStep(d understudy.StepDetails) *understudy.Step {
	return &understudy.Step{
		ID:          understudy.NewID(understudy.PrefixStep),
		Object:      "thread.run.step",
		CreatedAt:   time.Now().Unix(),
		RunID:       x.run.ID,
		AssistantID: x.run.AssistantID,
		ThreadID:    x.run.ThreadID,
		Type:        d.Type,
		Status:      understudy.StepInProgress,
		ExpiresAt:   x.run.ExpiresAt,
		StepDetails: d,
	}
}

// collect adds to a tool call. The first call of a turn ends the message, if
// one was being written, and begins the step.
func (x *execution) collect(ctx context.Context, t *turn, d model.ToolCallDelta) error {
	if d.Index > 0 && !x.run.ParallelToolCalls {
		return nil // the upstream may not know the switch: one call is what the caller wants
	}
	if x.calling == nil {
		if err := x.beginCalls(ctx); err != nil {
			return err
		}
	}
	if d.ID != "" {
		if d.Index != len(t.calls) {
			return errors.New("the model's tool calls are out of order")
		}
		c := &call{id: d.ID, name: d.Name, tool: x.toolOf(d.Name)}
		sameID := func(other *call) bool { return other.id == c.id }
		if !strings.HasPrefix(c.id, understudy.PrefixCall) || slices.ContainsFunc(t.calls, sameID) {
			c.id = understudy.NewID(understudy.PrefixCall) // clients tell calls apart by their ids
		}
		if c.tool == understudy.ToolCodeInterpreter {
			c.code = &codeReader{}
		}
		t.calls = append(t.calls, c)
		if err := x.publishCall(x.firstDelta(d.Index, c)); err != nil {
			return err
		}
	}
	if d.Index >= len(t.calls) {
		return errors.New("the model's tool calls are out of order")
	}
	if d.Arguments == "" {
		return nil
	}
	c := t.calls[d.Index]
	c.arguments.WriteString(d.Arguments)
	delta := understudy.ToolCallDelta{Index: d.Index, Type: c.tool}
	switch c.tool {
	case understudy.ToolFunction:
		delta.Function = &understudy.FunctionCallPartial{Arguments: d.Arguments}
	case understudy.ToolCodeInterpreter:
		code := c.code.read(d.Arguments)
		if code == "" {
			return nil
		}
		delta.CodeInterpreter = &understudy.CodeDelta{Input: &code}
	default:
		return nil
	}
	return x.publishCall(delta)
}

// firstDelta announces a tool call: it alone carries the id and the name.
func (x *execution) firstDelta(index int, c *call) understudy.ToolCallDelta {
	d := understudy.ToolCallDelta{Index: index, ID: c.id, Type: c.tool}
	switch c.tool {
	case understudy.ToolCodeInterpreter:
		d.CodeInterpreter = &understudy.CodeDelta{Input: new(""), Outputs: []understudy.CodeOutputDelta{}}
	case understudy.ToolFileSearch:
		d.FileSearch = x.newFileSearch()
	case understudy.ToolFunction:
		d.Function = &understudy.FunctionCallPartial{Name: c.name, Output: []byte("null")}
	}
	return d
}

func (x *execution) publishCall(d understudy.ToolCallDelta) error {
	return x.publish(understudy.EventStepDelta, understudy.NewStepDelta(x.calling.ID, d))
}

// toolOf tells which kind of tool the model means by a name. The built-in tools
// are offered to it as functions of their names.
func (x *execution) toolOf(name string) understudy.ToolType {
	for _, t := range x.run.Tools {
		if t.Type != understudy.ToolFunction && string(t.Type) == name {
			return t.Type
		}
	}
	return understudy.ToolFunction
}

// beginCalls commits a new step for tool calls, and the end of the message
// before it.
func (x *execution) beginCalls(ctx context.Context) error {
	if x.writing != nil {
		x.linkFiles(ctx)
	}
	s := x.newStep(understudy.StepDetails{Type: understudy.StepToolCalls, ToolCalls: []understudy.ToolCall{}})
	if err := x.commit(ctx, func(tx *store.RunTx) error {
		if err := x.endMessage(tx); err != nil {
			return err
		}
		return tx.AddStep(s)
	}); err != nil {
		return err
	}
	x.writing = nil
	x.calling = &store.OpenStep{Step: s}
	return nil
}

// commitCalls stores the calls of a turn before any is made.
func (x *execution) commitCalls(ctx context.Context, t *turn) error {
	calls := make([]understudy.ToolCall, len(t.calls))
	for i, c := range t.calls {
		calls[i] = understudy.ToolCall{ID: c.id, Type: c.tool}
		switch c.tool {
		case understudy.ToolCodeInterpreter:
			code, rest := c.code.finish()
			if rest != "" {
				if err := x.publishCall(understudy.ToolCallDelta{Index: i, Type: c.tool, CodeInterpreter: &understudy.CodeDelta{Input: &rest}}); err != nil {
					return err
				}
			}
			calls[i].CodeInterpreter = &understudy.CodeInterpreterRun{Input: code, Outputs: []understudy.CodeOutput{}}
		case understudy.ToolFileSearch:
			search := x.newFileSearch()
			search.Queries = searchQueries(c.arguments.String())
			search.CitationIndex = x.nextCitation(i)
			calls[i].FileSearch = search
		case understudy.ToolFunction:
			calls[i].Function = &understudy.FunctionCall{Name: c.name, Arguments: c.arguments.String()}
		}
	}
	x.calling.StepDetails.ToolCalls = calls
	if x.writing != nil { // text behind the calls
		x.linkFiles(ctx)
	}
	err := x.commit(ctx, func(tx *store.RunTx) error {
		if err := x.endMessage(tx); err != nil {
			return err
		}
		return tx.SaveStep(*x.calling)
	})
	if err == nil {
		x.writing = nil
	}
	return err
}
