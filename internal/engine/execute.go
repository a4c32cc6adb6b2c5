package engine

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"time"

	"github.com/understudy-dev/understudy"
	"github.com/understudy-dev/understudy/internal/model"
	"github.com/understudy-dev/understudy/internal/store"
)

// execution is one engine's work on one run, from the claim to the end or to
// the next wait for the client. It belongs to one goroutine.
type execution struct {
	e     *Engine
	claim store.Claim
	run   *understudy.Run // as last committed
	log   *slog.Logger

	spent    understudy.Usage  // by the steps that are over and the turns before this one
	turns    int               // model turns taken in this execution
	failures int               // cells that failed, in a row
	misread  string            // what the model was told of limits in metadata
	forced   bool              // the run's tool choice has been honoured: from now on the model is free
	images   []string          // figures that no message shows yet
	files    map[string]string // ids of the files made from paths in /mnt/data that the answer links to
	kept     int64             // bytes of the files kept
	cells    int               // run in this execution
	made     map[string]int    // files that cells made and no message links to, by path: the number of the cell

	shown        int               // messages of the conversation that the model has seen last
	sources      map[source]string // ids of the files that can be cited, by the results that are from them
	lastCitation int               // the highest number of a call among them

	writing *writing        // the message being written
	calling *store.OpenStep // the round of tool calls being collected or carried out
}

// writing is a message under way and the step that creates it.
type writing struct {
	step    store.OpenStep
	message *understudy.Message
	text    strings.Builder // of the last part, not yet in the message
	runes   int             // of the last part's text, published so far

	citations citations
}

// work goes round between the model and the tools until the run is over or
// waits for its client. It returns nil if it has committed that, and otherwise
// why it could not go on.
func (x *execution) work(ctx context.Context) error {
	if err := x.resume(context.WithoutCancel(ctx)); err != nil { // also of a run that is only to be ended
		return err
	}
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	if err := x.prepareSearch(ctx); err != nil {
		return cause(ctx, err)
	}
	for {
		if x.calling != nil {
			waits, err := x.callTools(ctx)
			if waits || err != nil {
				return err
			}
		}
		req, err := x.request(ctx)
		if err != nil {
			return err
		}
		t, err := x.takeTurn(ctx, req)
		if err != nil {
			return err
		}
		if done, err := x.endTurn(ctx, t); done || err != nil {
			return err
		}
	}
}

// resume picks up what an earlier execution of the run has left: what it spent,
// a message half written, tool calls not yet made.
func (x *execution) resume(ctx context.Context) error {
	if x.claim.Fence == 1 {
		return nil // nobody was here before
	}
	steps, err := x.e.Store.RunSteps(ctx, x.run.ID)
	if err != nil {
		return err
	}
	shown := 0 // of the figures of the run, those that a message shows
	for _, s := range steps {
		x.spent.Add(s.Usage)
		x.forced = x.forced || len(s.StepDetails.ToolCalls) > 0
		if s.Type == understudy.StepMessageCreation && s.Status == understudy.StepCompleted {
			shown = len(x.images)
		}
		for _, c := range s.StepDetails.ToolCalls {
			x.images = append(x.images, figures(c)...)
		}
	}
	x.images = slices.Clone(x.images[shown:])
	return x.e.Store.Commit(ctx, x.claim, func(tx *store.RunTx) error {
		open, err := tx.OpenSteps()
		if err != nil {
			return err
		}
		for _, s := range open {
			x.spent.Add(s.Progress.Usage)
			switch {
			case s.Type == understudy.StepMessageCreation:
				m, err := tx.Message(s.StepDetails.MessageCreation.MessageID)
				if understudy.IsNotFound(err) { // the client deleted it: the answer goes into a new one
					if err := tx.EndStep(s, understudy.StepCancelled); err != nil {
						return err
					}
					continue
				}
				if err != nil {
					return err
				}
				x.writing = &writing{step: s, message: m}
			case len(s.StepDetails.ToolCalls) > 0:
				x.calling = &s
			default: // the engine died while the model wrote the calls: it will write them again
				if err := tx.EndStep(s, understudy.StepCancelled); err != nil {
					return err
				}
			}
		}
		return nil
	})
}

// figures returns the files of the images that a code interpreter call made.
func figures(c understudy.ToolCall) (ids []string) {
	if c.CodeInterpreter == nil {
		return nil
	}
	for _, o := range c.CodeInterpreter.Outputs {
		if o.Image != nil {
			ids = append(ids, o.Image.FileID)
		}
	}
	return ids
}

// errBudget says that one of the run's token limits is reached.
type errBudget struct{ reason string }

func (e errBudget) Error() string { return "token limit reached: " + e.reason }

// budget returns how many tokens the run may still use, as prompt and as
// completion; -1 for no limit.
func (x *execution) budget() (prompt, completion int, err error) {
	prompt, completion = -1, -1
	if limit := x.run.MaxPromptTokens; limit != nil {
		if prompt = *limit - x.spent.PromptTokens; prompt <= 0 {
			return 0, 0, errBudget{understudy.IncompleteMaxPromptTokens}
		}
	}
	if limit := x.run.MaxCompletionTokens; limit != nil {
		if completion = *limit - x.spent.CompletionTokens; completion <= 0 {
			return 0, 0, errBudget{understudy.IncompleteMaxCompletionTokens}
		}
	}
	return prompt, completion, nil
}

// toolChoice says what the model must call in this turn. The run's choice holds
// for its first turn only, or a forced call would be repeated for ever.
func (x *execution) toolChoice() model.ToolChoice {
	c := x.run.ToolChoice
	switch {
	case c.Mode == model.ToolsNone || x.exhausted():
		return model.ToolChoice{Mode: model.ToolsNone}
	case x.forced || c.Type == "" && c.Mode != model.ToolsRequired:
		return model.ToolChoice{}
	case c.Type == understudy.ToolFunction:
		return model.ToolChoice{Mode: model.ToolsFunction, Name: c.Function}
	case c.Type != "":
		return model.ToolChoice{Mode: model.ToolsFunction, Name: string(c.Type)}
	}
	return model.ToolChoice{Mode: model.ToolsRequired}
}

// exhausted reports whether the run has had its share of tool calls: the model
// must now answer with what it has.
func (x *execution) exhausted() bool {
	return x.failures >= x.e.MaxCellFailures || x.turns >= x.e.MaxTurns
}

// endTurn commits what a turn of the model means for the run. It reports
// whether the run is over.
func (x *execution) endTurn(ctx context.Context, t *turn) (done bool, err error) {
	x.turns++
	x.forced = true
	x.spent.Add(&t.usage)
	switch { // the turn is one completion: it counts for the step that it ended with
	case x.calling != nil:
		x.calling.Progress.Usage = &t.usage
	case x.writing != nil:
		x.writing.step.Progress.Usage = &t.usage
	}
	switch t.finish {
	case model.FinishLength:
		return false, errBudget{understudy.IncompleteMaxCompletionTokens}
	case model.FinishContentFilter:
		return false, errContentFilter
	}
	if len(t.calls) > 0 {
		if x.exhausted() && x.turns > x.e.MaxTurns+1 {
			return false, fmt.Errorf("the model went on calling tools after %d turns", x.turns)
		}
		return false, x.commitCalls(ctx, t)
	}
	if len(x.images) > 0 {
		show := x.showImages
		if x.writing == nil {
			show = func() error { return x.beginMessage(ctx) }
		}
		if err := show(); err != nil {
			return false, err
		}
	}
	return true, x.complete(ctx)
}

// complete ends a run with the answer that its last turn wrote.
func (x *execution) complete(ctx context.Context) error {
	if x.writing != nil {
		x.linkFiles(ctx)
		x.attachForgotten(ctx)
	}
	return x.commit(ctx, func(tx *store.RunTx) error {
		if err := x.endMessage(tx); err != nil {
			return err
		}
		return tx.Become(understudy.RunCompleted, func(r *understudy.Run) { r.Usage = x.total() })
	})
}

// endMessage completes the message being written, if there is one, and its step.
func (x *execution) endMessage(tx *store.RunTx) error {
	w := x.writing
	if w == nil {
		return nil
	}
	w.flush()
	m := *w.message
	m.Status, m.CompletedAt = understudy.MessageCompleted, new(time.Now().Unix())
	if err := tx.EndMessage(&m); err != nil {
		return err
	}
	step := store.OpenStep{Step: new(*w.step.Step), Progress: w.step.Progress}
	if step.Progress.Usage == nil {
		step.Progress.Usage = &understudy.Usage{}
	}
	return tx.EndStep(step, understudy.StepCompleted)
}

// total is what the run has cost.
func (x *execution) total() *understudy.Usage {
	u := x.spent
	return &u
}

// commit executes one step of the run and remembers what the run is then. It
// fails with errCancelled if the client wants the run cancelled, unless the step
// ends it.
func (x *execution) commit(ctx context.Context, do func(*store.RunTx) error) error {
	var run understudy.Run
	err := x.e.Store.Commit(ctx, x.claim, func(tx *store.RunTx) error {
		if err := do(tx); err != nil {
			return err
		}
		run = *tx.Run()
		return nil
	})
	if err != nil {
		return err
	}
	if x.run = &run; run.Status == understudy.RunCancelling {
		return errCancelled
	}
	return nil
}

// publish makes a delta visible. It is durable with the next commit. It fails if
// the thread was deleted.
func (x *execution) publish(name understudy.EventName, delta any) error {
	event, err := understudy.NewEvent(name, delta)
	if err != nil {
		return err
	}
	return x.e.Store.Publish(x.run.ID, event)
}
