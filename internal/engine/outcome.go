package engine

import (
	"context"
	"errors"
	"time"

	"github.com/understudy-dev/understudy"
	"github.com/understudy-dev/understudy/internal/model"
	"github.com/understudy-dev/understudy/internal/store"
)

var errContentFilter = errors.New("the response was filtered due to the upstream's content policy")

// outcome is how a run ends, and with it what it has left open.
type outcome struct {
	run     understudy.RunStatus
	step    understudy.StepStatus
	reason  string                // of messages that stay incomplete
	err     *understudy.LastError // for a failed run
	details string                // for an incomplete run
}

// end ends the run for the reason err. A run that was interrupted by the server's shut-down, or that is no longer ours, stays as it
// is: whoever has it next goes on.
func (x *execution) end(ctx context.Context, err error) {
	if errors.Is(err, store.ErrLeaseLost) || errors.Is(err, store.ErrGone) {
		return
	}
	// The run's own context may be what ended it.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), lastWrites)
	defer cancel()
	if errors.Is(err, errShutdown) {
		if err := x.e.Store.ReleaseRun(ctx, x.claim); err != nil {
			x.log.Error("cannot give the run back", "err", err)
		}
		return
	}
	if x.writing != nil {
		if err := x.settle(); err != nil {
			x.log.Error("cannot announce text", "err", err)
		}
	}
	o := x.outcome(err)
	if err := x.commit(ctx, func(tx *store.RunTx) error { return x.finish(tx, o) }); err != nil && !errors.Is(err, store.ErrLeaseLost) {
		x.log.Error("cannot end the run", "status", o.run, "err", err)
	}
}

// outcome tells what an error means for the run.
func (x *execution) outcome(err error) outcome {
	if errors.Is(err, errCancelled) {
		return outcome{run: understudy.RunCancelled, step: understudy.StepCancelled, reason: understudy.IncompleteRunCancelled}
	}
	if errors.Is(err, errExpired) {
		return outcome{run: understudy.RunExpired, step: understudy.StepExpired, reason: understudy.IncompleteRunExpired}
	}
	if b, ok := errors.AsType[errBudget](err); ok {
		return outcome{run: understudy.RunIncomplete, step: understudy.StepCompleted, reason: understudy.IncompleteMaxTokens, details: b.reason}
	}
	failed := outcome{run: understudy.RunFailed, step: understudy.StepFailed, reason: understudy.IncompleteRunFailed}
	if e, ok := errors.AsType[errStoreExpired](err); ok {
		failed.err = &understudy.LastError{Code: understudy.CodeServerError, Message: e.Error()}
		x.log.Info("run failed", "err", err)
		return failed
	}
	switch e, upstream := errors.AsType[*model.Error](err); {
	case errors.Is(err, errContentFilter):
		failed.reason = understudy.IncompleteContentFilter
		failed.err = &understudy.LastError{Code: understudy.CodeInvalidPrompt, Message: "The response was filtered due to the upstream's content policy."}
	case upstream && e.RateLimited():
		failed.err = &understudy.LastError{Code: understudy.CodeRateLimitExceeded, Message: e.Message}
	case upstream && e.Status == 400:
		failed.err = &understudy.LastError{Code: understudy.CodeInvalidPrompt, Message: e.Message}
	case upstream && (e.Status == 401 || e.Status == 403): // what it says of keys and hosts is not for clients
		failed.err = &understudy.LastError{Code: understudy.CodeServerError, Message: "The model behind this server refused the server's credentials."}
	case errors.Is(err, errTooLong):
		failed.err = &understudy.LastError{Code: understudy.CodeServerError, Message: "The model's answer does not end."}
	case errors.Is(err, model.ErrTruncated):
		failed.err = &understudy.LastError{Code: understudy.CodeServerError, Message: "The answer of the model behind this server was cut off."}
	case upstream && e.Unwrap() != nil: // it tells addresses
		failed.err = &understudy.LastError{Code: understudy.CodeServerError, Message: "The model behind this server cannot be reached."}
	case upstream:
		failed.err = &understudy.LastError{Code: understudy.CodeServerError, Message: "The model behind this server failed: " + e.Message}
	default:
		failed.err = &understudy.LastError{Code: understudy.CodeServerError, Message: "Sorry, something went wrong."}
	}
	x.log.Warn("run failed", "err", err)
	return failed
}

// finish ends everything that is open, and the run.
func (x *execution) finish(tx *store.RunTx, o outcome) error {
	open, err := tx.OpenSteps()
	if err != nil {
		return err
	}
	total := x.spent
	for _, s := range open {
		if x.calling != nil && s.ID == x.calling.ID {
			s = store.OpenStep{Step: new(*x.calling.Step), Progress: x.calling.Progress} // with outputs not yet stored
		}
		if x.writing != nil && s.ID == x.writing.step.ID {
			s.Progress = x.writing.step.Progress
		}
		if s.StepDetails.MessageCreation != nil {
			if err := x.giveUpMessage(tx, s.StepDetails.MessageCreation.MessageID, o); err != nil {
				return err
			}
		}
		s.LastError = o.err
		if err := tx.EndStep(s, o.step); err != nil {
			return err
		}
	}
	return tx.Become(o.run, func(r *understudy.Run) {
		r.Usage = &total
		r.LastError = o.err
		if o.details != "" {
			r.IncompleteDetails = &understudy.IncompleteDetails{Reason: o.details}
		}
	})
}

// giveUpMessage stores a message as far as it got.
func (x *execution) giveUpMessage(tx *store.RunTx, id string, o outcome) error {
	var m understudy.Message
	if w := x.writing; w != nil && w.message.ID == id {
		w.flush()
		m = *w.message
	} else {
		stored, err := tx.Message(id)
		if understudy.IsNotFound(err) {
			return nil // the client deleted it
		}
		if err != nil {
			return err
		}
		m = *stored
	}
	m.Status = understudy.MessageIncomplete
	m.IncompleteAt = new(time.Now().Unix())
	m.IncompleteDetails = &understudy.IncompleteDetails{Reason: o.reason}
	return tx.EndMessage(&m)
}
