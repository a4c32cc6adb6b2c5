package store

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/understudy-dev/understudy"
)

// NewRun is a run to be created. With Thread set, that thread is created with
// it, Messages are its first and Stores are made for it; otherwise Messages are
// added to the existing thread that the run names.
type NewRun struct {
	Run      *understudy.Run
	Thread   *understudy.Thread
	Messages []*understudy.Message
	Stores   []NewVectorStore

	// V1 says that version 1 of the protocol creates the run: there may be nothing to
	// answer, the assistant's files are listed as the run's, and what messages attach
	// as theirs.
	V1 bool
}

// CreateRun stores a queued run and its first events. It is refused if the
// thread has an active run, or, unless version 1 asks for it, if there is nothing
// to answer: no message of a user and no instructions.
func (db *DB) CreateRun(ctx context.Context, n NewRun) error {
	r := n.Run
	return db.update(ctx, func(ctx context.Context, t *tx) error {
		if err := t.prepareThread(ctx, n); err != nil {
			return err
		}
		if err := t.checkResources(ctx, &r.ToolResources); err != nil {
			return err
		}
		doc, err := encode(r)
		if err != nil {
			return err
		}
		if _, err := t.exec(ctx, "INSERT INTO runs (id, thread_id, status, expires_at, doc) VALUES ($1, $2, $3, $4, $5)",
			r.ID, r.ThreadID, string(r.Status), *r.ExpiresAt, doc); err != nil {
			return err
		}
		if n.V1 {
			if err := t.createRunV1(ctx, n); err != nil {
				return err
			}
		}
		var events []understudy.Event
		if n.Thread != nil {
			th := *n.Thread
			th.ToolResources.Normalize([]understudy.Tool{{Type: understudy.ToolCodeInterpreter}}) // as a GET shows it, unlike the answer to its creation
			e, err := understudy.NewEvent(understudy.EventThreadCreated, &th)
			if err != nil {
				return err
			}
			events = append(events, e)
		}
		data := json.RawMessage(doc)
		events = append(events,
			understudy.Event{Name: understudy.EventRunCreated, Data: data},
			understudy.Event{Name: understudy.EventRun(r.Status), Data: data})
		return t.appendEvents(ctx, db, r.ID, events)
	})
}

// prepareThread makes the thread ready for a new run, or says why there can be
// none.
func (t *tx) prepareThread(ctx context.Context, n NewRun) error {
	if n.Thread != nil {
		if err := t.createThread(ctx, n.Thread, n.Messages, n.Stores); err != nil {
			return err
		}
	} else {
		var thread string
		if err := one(ctx, t, "SELECT id FROM threads WHERE id = $1", []any{n.Run.ThreadID}, &thread); err != nil {
			return notFound(err, "thread", n.Run.ThreadID)
		}
		if run, err := t.activeRun(ctx, n.Run.ThreadID); err != nil {
			return err
		} else if run != "" {
			return understudy.Invalid("Thread %s already has an active run %s.", n.Run.ThreadID, run)
		}
		if len(n.Messages) > 0 {
			if err := t.addMessages(ctx, n.Run.ThreadID, n.Messages); err != nil {
				return err
			}
		}
	}
	if n.V1 {
		return nil
	}
	fromUser := func(m *understudy.Message) bool { return m.Role == understudy.RoleUser }
	if n.Run.Instructions != nil && *n.Run.Instructions != "" || slices.ContainsFunc(n.Messages, fromUser) {
		return nil
	}
	var found int
	err := one(ctx, t, "SELECT 1 FROM messages WHERE thread_id = $1 AND doc ->> 'role' = 'user' LIMIT 1", []any{n.Run.ThreadID}, &found)
	if errors.Is(err, sql.ErrNoRows) {
		return &understudy.Error{Kind: understudy.KindInvalid, Code: "invalid_thread",
			Message: "Run creation requires a Thread with a user message or an assistant with instructions."}
	}
	return err
}

// activeRun returns the id of the thread's active run, "" if there is none.
func (t *tx) activeRun(ctx context.Context, threadID string) (id string, err error) {
	err = one(ctx, t, "SELECT id FROM runs WHERE thread_id = $1 AND "+active, []any{threadID}, &id)
	if errors.Is(err, sql.ErrNoRows) {
		return "", nil
	}
	return id, err
}

const selectRun = "SELECT doc FROM runs WHERE id = $1 AND thread_id = $2"

// Run returns a run of a thread.
func (db *DB) Run(ctx context.Context, threadID, id string) (*understudy.Run, error) {
	r, err := document[understudy.Run](ctx, db, selectRun, id, threadID)
	return r, db.inThread(ctx, err, threadID, "run", id)
}

// UpdateRun lets edit change the run's metadata and stores the result. edit
// must leave everything else alone.
func (db *DB) UpdateRun(ctx context.Context, threadID, id string, edit func(*understudy.Run) error) (*understudy.Run, error) {
	return db.changeRun(ctx, threadID, id, func(_ context.Context, _ *tx, r *understudy.Run) ([]understudy.Event, error) {
		return nil, edit(r)
	})
}

// ListRuns returns a page of a thread's runs.
func (db *DB) ListRuns(ctx context.Context, threadID string, p understudy.Page) ([]*understudy.Run, bool, error) {
	if err := db.threadExists(ctx, threadID); err != nil {
		return nil, false, err
	}
	return page[understudy.Run](ctx, db, listing{table: "runs", where: "thread_id = $1", args: []any{threadID}}, p)
}

// CancelRun asks for a run to be cancelled. The engine that executes it, or any
// if none does, carries it out.
func (db *DB) CancelRun(ctx context.Context, threadID, id string) (*understudy.Run, error) {
	return db.changeRun(ctx, threadID, id, func(_ context.Context, _ *tx, r *understudy.Run) ([]understudy.Event, error) {
		if !r.Status.CanBecome(understudy.RunCancelling) {
			return nil, understudy.Invalid("Cannot cancel run with status '%s'.", r.Status)
		}
		return become(r, understudy.RunCancelling)
	})
}

// become moves a run on and returns the event that tells it.
func become(r *understudy.Run, next understudy.RunStatus) ([]understudy.Event, error) {
	if err := r.Become(next, now()); err != nil {
		return nil, err
	}
	e, err := understudy.NewEvent(understudy.EventRun(next), r)
	return []understudy.Event{e}, err
}

// changeRun loads a run, changes it, and stores it with the events.
func (db *DB) changeRun(ctx context.Context, threadID, id string, change func(context.Context, *tx, *understudy.Run) ([]understudy.Event, error)) (r *understudy.Run, err error) {
	err = db.update(ctx, func(ctx context.Context, t *tx) error {
		if r, err = document[understudy.Run](ctx, t, selectRun, id, threadID); err != nil {
			return err
		}
		events, err := change(ctx, t, r)
		if err != nil {
			return err
		}
		if err := t.saveRun(ctx, r); err != nil {
			return err
		}
		return t.appendEvents(ctx, db, id, events)
	})
	if err != nil {
		return nil, db.inThread(ctx, err, threadID, "run", id)
	}
	return r, nil
}

// saveRun stores a run. One that nobody executes from now on is released.
func (t *tx) saveRun(ctx context.Context, r *understudy.Run) error {
	doc, err := encode(r)
	if err != nil {
		return err
	}
	q := "UPDATE runs SET doc = $1, status = $2 WHERE id = $3"
	if r.Status.Terminal() || r.Status == understudy.RunRequiresAction || r.Status == understudy.RunQueued {
		q = "UPDATE runs SET doc = $1, status = $2, owner = '', lease_until = 0 WHERE id = $3"
	}
	_, err = t.exec(ctx, q, doc, string(r.Status), r.ID)
	return err
}

// ToolOutput is what a client's function returned.
type ToolOutput struct {
	CallID string
	Output string
}

// SubmitToolOutputs gives a waiting run the outputs of all its function calls
// and queues it again. after is the position in the run's log behind which the
// events of this round begin.
func (db *DB) SubmitToolOutputs(ctx context.Context, threadID, id string, outputs []ToolOutput) (r *understudy.Run, after int64, err error) {
	r, err = db.changeRun(ctx, threadID, id, func(ctx context.Context, t *tx, r *understudy.Run) ([]understudy.Event, error) {
		if r.Status != understudy.RunRequiresAction {
			return nil, understudy.Invalid("Runs in status \"%s\" do not accept tool outputs.", r.Status)
		}
		byCall, err := matchOutputs(r.RequiredAction.SubmitToolOutputs.ToolCalls, outputs)
		if err != nil {
			return nil, err
		}
		l, err := t.openLog(ctx, db, id)
		if err != nil {
			return nil, err
		}
		after = l.stored
		events, err := t.fillOutputs(ctx, r, byCall)
		if err != nil {
			return nil, err
		}
		queued, err := become(r, understudy.RunQueued)
		return append(events, queued...), err
	})
	return r, after, err
}

// matchOutputs checks that there is exactly one output for each wanted call.
func matchOutputs(wanted []understudy.RequiredCall, outputs []ToolOutput) (map[string]string, error) {
	byCall := make(map[string]string, len(outputs))
	got := make([]string, 0, len(outputs))
	for _, o := range outputs {
		byCall[o.CallID] = o.Output
		got = append(got, o.CallID)
	}
	ids := make([]string, 0, len(wanted))
	complete := len(got) == len(wanted) && len(byCall) == len(wanted)
	for _, c := range wanted {
		ids = append(ids, c.ID)
		_, ok := byCall[c.ID]
		complete = complete && ok
	}
	if !complete {
		return nil, understudy.Invalid("Expected tool outputs for call_ids %s, got %s", quoted(ids), quoted(got))
	}
	return byCall, nil
}

// quoted writes ids as the protocol's messages do: ['a', 'b'].
func quoted(ids []string) string {
	var b strings.Builder
	b.WriteByte('[')
	for i, id := range ids {
		if i > 0 {
			b.WriteString(", ")
		}
		b.WriteString("'" + id + "'")
	}
	b.WriteByte(']')
	return b.String()
}

// fillOutputs puts function outputs into the step that waits for them and
// completes it.
func (t *tx) fillOutputs(ctx context.Context, r *understudy.Run, byCall map[string]string) ([]understudy.Event, error) {
	steps, err := t.openSteps(ctx, r.ID)
	if err != nil {
		return nil, err
	}
	var events []understudy.Event
	for _, s := range steps {
		if s.Type != understudy.StepToolCalls {
			continue
		}
		for i := range s.StepDetails.ToolCalls {
			c := &s.StepDetails.ToolCalls[i]
			if out, ok := byCall[c.ID]; ok && c.Function != nil {
				c.Function.Output = &out
			}
		}
		e, err := t.endStep(ctx, s, understudy.StepCompleted)
		if err != nil {
			return nil, err
		}
		events = append(events, e)
	}
	if len(events) == 0 {
		return nil, fmt.Errorf("run %s requires action but has no step under way", r.ID)
	}
	return events, nil
}

// ListSteps returns a page of a run's steps.
func (db *DB) ListSteps(ctx context.Context, threadID, runID string, p understudy.Page) ([]*understudy.Step, bool, error) {
	if err := db.runExists(ctx, threadID, runID); err != nil {
		return nil, false, err
	}
	return page[understudy.Step](ctx, db, listing{table: "steps", where: "run_id = $1", args: []any{runID}}, p)
}

// Step returns a step of a run.
func (db *DB) Step(ctx context.Context, threadID, runID, id string) (*understudy.Step, error) {
	s, err := document[understudy.Step](ctx, db, "SELECT doc FROM steps WHERE id = $1 AND run_id = $2 AND thread_id = $3", id, runID, threadID)
	if !errors.Is(err, sql.ErrNoRows) {
		return s, err
	}
	if err := db.runExists(ctx, threadID, runID); err != nil {
		return nil, err
	}
	return nil, understudy.NotFound("run step", id)
}

func (db *DB) runExists(ctx context.Context, threadID, runID string) error {
	var found string
	err := one(ctx, db, "SELECT id FROM runs WHERE id = $1 AND thread_id = $2", []any{runID, threadID}, &found)
	return db.inThread(ctx, err, threadID, "run", runID)
}

// RunSteps returns all steps of a run, oldest first.
func (db *DB) RunSteps(ctx context.Context, runID string) ([]*understudy.Step, error) {
	return documents[understudy.Step](ctx, db, "SELECT doc FROM steps WHERE run_id = $1 ORDER BY seq", runID)
}
