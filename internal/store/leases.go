package store

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/understudy-dev/understudy"
)

// ErrLeaseLost says that another engine has taken a run or a file over, or that
// it ended or is gone: whoever gets it must stop working on it and write nothing
// more.
var ErrLeaseLost = errors.New("the lease is lost")

// ErrNotClaimable says that there is nothing to do now: the run is over, waits
// for its client, or another engine executes it; no file waits to be ingested.
var ErrNotClaimable = errors.New("there is nothing to claim")

// Claim is the right to execute a run until its lease lapses. Fence tells it
// from earlier and later claims on the same run.
type Claim struct {
	RunID    string
	ThreadID string
	Fence    int64
}

// ClaimRun takes a run for owner until lease from now. It takes a run that is
// queued (which is in progress afterwards, with the event), one that is to be
// cancelled or has outlived its time, and one whose lease has lapsed. It
// returns [ErrNotClaimable] for any other.
func (db *DB) ClaimRun(ctx context.Context, runID, owner string, lease time.Duration) (c Claim, r *understudy.Run, err error) {
	err = db.update(ctx, func(ctx context.Context, t *tx) error {
		at := now()
		var doc []byte
		var leaseUntil, expiresAt int64
		err := one(ctx, t, "SELECT doc, fence, lease_until, expires_at FROM runs WHERE id = $1", []any{runID}, &doc, &c.Fence, &leaseUntil, &expiresAt)
		if errors.Is(err, sql.ErrNoRows) {
			return ErrNotClaimable
		}
		if err != nil {
			return err
		}
		if r, err = decode[understudy.Run](doc); err != nil {
			return err
		}
		expired := expiresAt <= at.Unix()
		waits := r.Status == understudy.RunRequiresAction && !expired
		if r.Status.Terminal() || waits || leaseUntil > at.UnixMilli() {
			return ErrNotClaimable
		}
		c.RunID, c.ThreadID = runID, r.ThreadID
		c.Fence++
		var events []understudy.Event
		if r.Status == understudy.RunQueued && !expired {
			if events, err = become(r, understudy.RunInProgress); err != nil {
				return err
			}
		}
		updated, err := encode(r)
		if err != nil {
			return err
		}
		if _, err := t.exec(ctx, "UPDATE runs SET doc = $1, status = $2, owner = $3, lease_until = $4, fence = $5 WHERE id = $6",
			updated, string(r.Status), owner, at.Add(lease).UnixMilli(), c.Fence, runID); err != nil {
			return err
		}
		if _, err := t.openLog(ctx, db, runID); err != nil { // for what owner publishes before its first commit
			return err
		}
		return t.appendEvents(ctx, db, runID, events)
	})
	return c, r, err
}

// RenewLeases extends the leases of those of the runs that owner holds, and
// returns the ids of all its runs that are to be cancelled. A run that owner
// holds but does not name is left to lapse: its execution ended without a word.
func (db *DB) RenewLeases(ctx context.Context, owner string, runs []string, lease time.Duration) (cancelling []string, err error) {
	err = db.update(ctx, func(ctx context.Context, t *tx) error {
		until := now().Add(lease).UnixMilli()
		for _, id := range runs {
			if _, err := t.exec(ctx, "UPDATE runs SET lease_until = $1 WHERE id = $2 AND owner = $3 AND "+active, until, id, owner); err != nil {
				return err
			}
		}
		cancelling, err = column(ctx, t, "SELECT id FROM runs WHERE owner = $1 AND status = 'cancelling'", owner)
		return err
	})
	return cancelling, err
}

// ReleaseRun gives a run back, so that another engine may claim it at once.
func (db *DB) ReleaseRun(ctx context.Context, c Claim) error {
	return db.update(ctx, func(ctx context.Context, t *tx) error {
		_, err := t.exec(ctx, "UPDATE runs SET owner = '', lease_until = 0 WHERE id = $1 AND fence = $2", c.RunID, c.Fence)
		return err
	})
}

// ReleaseRuns gives back all runs of owner, which must have stopped executing
// them: what an engine does first that takes the place of one that died.
func (db *DB) ReleaseRuns(ctx context.Context, owner string) error {
	return db.update(ctx, func(ctx context.Context, t *tx) error {
		_, err := t.exec(ctx, "UPDATE runs SET owner = '', lease_until = 0, fence = fence + 1 WHERE owner = $1 AND "+active, owner)
		return err
	})
}

// ClaimableRuns returns the ids of at most limit runs that wait for an engine,
// those that wait longest first.
func (db *DB) ClaimableRuns(ctx context.Context, limit int) ([]string, error) {
	at := now()
	return column(ctx, db, "SELECT id FROM runs WHERE "+active+
		" AND lease_until <= $1 AND (status <> 'requires_action' OR expires_at <= $2) ORDER BY seq LIMIT $3",
		at.UnixMilli(), at.Unix(), limit)
}

// RunTx is one step of executing a run: whatever is done with it is committed
// together with the events that tell it, in the order in which it was done.
type RunTx struct {
	ctx    context.Context
	t      *tx
	run    *understudy.Run
	dirty  bool
	events []understudy.Event
}

// Commit executes one step of a claimed run. do sees the run as it is stored,
// with what others changed meanwhile (metadata, a wish to cancel). It returns
// [ErrLeaseLost] if the claim no longer holds. do must not keep its argument.
func (db *DB) Commit(ctx context.Context, c Claim, do func(*RunTx) error) error {
	return db.update(ctx, func(ctx context.Context, t *tx) error {
		var doc []byte
		err := one(ctx, t, "SELECT doc FROM runs WHERE id = $1 AND fence = $2 AND "+active, []any{c.RunID, c.Fence}, &doc)
		if errors.Is(err, sql.ErrNoRows) {
			return ErrLeaseLost
		}
		if err != nil {
			return err
		}
		r, err := decode[understudy.Run](doc)
		if err != nil {
			return err
		}
		rt := &RunTx{ctx: ctx, t: t, run: r}
		if err := do(rt); err != nil {
			return err
		}
		if rt.dirty {
			if err := t.saveRun(ctx, r); err != nil {
				return err
			}
		}
		return t.appendEvents(ctx, db, c.RunID, rt.events)
	})
}

// Run returns the run. Change its status with [RunTx.Become] only.
func (x *RunTx) Run() *understudy.Run { return x.run }

// Become moves the run to its next status. set, which may be nil, fills in what
// belongs to it before the event is made.
func (x *RunTx) Become(next understudy.RunStatus, set func(*understudy.Run)) error {
	if err := x.run.Become(next, now()); err != nil {
		return err
	}
	if set != nil {
		set(x.run)
	}
	x.dirty = true
	return x.emit(understudy.EventRun(next), x.run)
}

// AddMessage stores a new message that the run writes, with its events.
func (x *RunTx) AddMessage(m *understudy.Message) error {
	doc, err := encode(m)
	if err != nil {
		return err
	}
	if _, err := x.t.exec(x.ctx, "INSERT INTO messages (id, thread_id, run_id, doc) VALUES ($1, $2, $3, $4)", m.ID, m.ThreadID, m.RunID, doc); err != nil {
		return err
	}
	data := json.RawMessage(doc)
	x.events = append(x.events,
		understudy.Event{Name: understudy.EventMessageCreated, Data: data},
		understudy.Event{Name: understudy.EventMessageInProgress, Data: data})
	return nil
}

// EndMessage stores a message that the run has finished or given up, with its
// event.
func (x *RunTx) EndMessage(m *understudy.Message) error {
	if err := x.t.save(x.ctx, "messages", m.ID, m); err != nil {
		return err
	}
	name := understudy.EventMessageCompleted
	if m.Status == understudy.MessageIncomplete {
		name = understudy.EventMessageIncomplete
	}
	return x.emit(name, m)
}

// AddStep stores a new step, with its events.
func (x *RunTx) AddStep(s *understudy.Step) error {
	doc, err := encode(s)
	if err != nil {
		return err
	}
	if _, err := x.t.exec(x.ctx, "INSERT INTO steps (id, run_id, thread_id, doc) VALUES ($1, $2, $3, $4)", s.ID, s.RunID, s.ThreadID, doc); err != nil {
		return err
	}
	data := json.RawMessage(doc)
	x.events = append(x.events,
		understudy.Event{Name: understudy.EventStepCreated, Data: data},
		understudy.Event{Name: understudy.EventStepInProgress, Data: data})
	return nil
}

// Progress is what an engine knows of a step under way that the step does not
// show: what it has cost so far, and the ids of the tool calls that are over,
// so that another engine does not make them again.
type Progress struct {
	Usage *understudy.Usage `json:"usage,omitempty"`
	Done  []string          `json:"done,omitempty"`
}

// OpenStep is a step under way.
type OpenStep struct {
	*understudy.Step
	Progress Progress
}

// SaveStep stores a step that stays under way.
func (x *RunTx) SaveStep(s OpenStep) error {
	progress, err := encode(s.Progress)
	if err != nil {
		return err
	}
	doc, err := encode(s.Step)
	if err != nil {
		return err
	}
	_, err = x.t.exec(x.ctx, "UPDATE steps SET doc = $1, progress = $2 WHERE id = $3", doc, progress, s.ID)
	return err
}

// EndStep moves a step to a terminal status and stores it, with its event. From
// now on it shows what it has cost.
func (x *RunTx) EndStep(s OpenStep, status understudy.StepStatus) error {
	e, err := x.t.endStep(x.ctx, s, status)
	if err == nil {
		x.events = append(x.events, e)
	}
	return err
}

// OpenSteps returns the steps that are under way.
func (x *RunTx) OpenSteps() ([]OpenStep, error) { return x.t.openSteps(x.ctx, x.run.ID) }

// Message returns a message of the run's thread.
func (x *RunTx) Message(id string) (*understudy.Message, error) {
	m, err := document[understudy.Message](x.ctx, x.t, selectMessage, id, x.run.ThreadID)
	return m, notFound(err, "message", id)
}

func (x *RunTx) emit(name understudy.EventName, object any) error {
	e, err := understudy.NewEvent(name, object)
	x.events = append(x.events, e)
	return err
}

func (t *tx) endStep(ctx context.Context, s OpenStep, status understudy.StepStatus) (understudy.Event, error) {
	if err := s.End(status, now()); err != nil {
		return understudy.Event{}, err
	}
	s.Usage = s.Progress.Usage
	if err := t.save(ctx, "steps", s.ID, s.Step); err != nil {
		return understudy.Event{}, err
	}
	return understudy.NewEvent(understudy.EventStepEnd(status), s.Step)
}

func (t *tx) openSteps(ctx context.Context, runID string) ([]OpenStep, error) {
	rows, err := t.query(ctx, "SELECT doc, progress FROM steps WHERE run_id = $1 AND doc ->> 'status' = 'in_progress' ORDER BY seq", runID)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var all []OpenStep
	for rows.Next() {
		var doc, progress []byte
		if err := rows.Scan(&doc, &progress); err != nil {
			return nil, err
		}
		s := OpenStep{}
		if s.Step, err = decode[understudy.Step](doc); err != nil {
			return nil, err
		}
		if err := json.Unmarshal(progress, &s.Progress); err != nil {
			return nil, fmt.Errorf("progress of step %s: %w", s.ID, err)
		}
		all = append(all, s)
	}
	return all, rows.Err()
}
