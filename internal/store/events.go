package store

import (
	"bytes"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"iter"
	"slices"
	"sync"

	"github.com/understudy-dev/understudy"
)

// ErrGone says that a run no longer exists: its thread was deleted.
var ErrGone = errors.New("the run no longer exists")

// runLogs are the logs of the runs that somebody may be writing or following,
// in memory. A log enters with the first event of a run (or of a run's next
// round, after it waited for tool outputs) and leaves with the event that ends
// the stream; the database has them all.
type runLogs struct {
	mu    sync.Mutex
	byRun map[string]*runLog
}

// runLog is the tail of a run's events, from position base on. Committed
// events and deltas that are not yet durable stand in the order in which they
// will be stored.
type runLog struct {
	mu       sync.Mutex
	base     int64
	events   []understudy.Event
	stored   int64              // positions below are in the database, or in the transaction under way
	held     []understudy.Event // deltas that arrived while commits is not 0
	commits  int                // transactions under way that write to this log
	closed   error              // set when no event will follow
	appended chan struct{}      // closed at the next change; nil if nobody waits
}

var errLogEnded = errors.New("the stream is over")

func (ls *runLogs) get(runID string) *runLog {
	ls.mu.Lock()
	defer ls.mu.Unlock()
	return ls.byRun[runID]
}

// drop closes the log of a run that was deleted.
func (ls *runLogs) drop(runID string) { ls.close(runID, ErrGone) }

func (ls *runLogs) close(runID string, why error) {
	ls.mu.Lock()
	l := ls.byRun[runID]
	delete(ls.byRun, runID)
	ls.mu.Unlock()
	if l != nil {
		l.mu.Lock()
		l.closed = why
		l.wake()
		l.mu.Unlock()
	}
}

func (ls *runLogs) closeAll() {
	ls.mu.Lock()
	ids := make([]string, 0, len(ls.byRun))
	for id := range ls.byRun {
		ids = append(ids, id)
	}
	ls.mu.Unlock()
	for _, id := range ids {
		ls.close(id, errClosed)
	}
}

func (l *runLog) first() int64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.base
}

// wake tells those who wait that something changed. l.mu is held.
func (l *runLog) wake() {
	if l.appended != nil {
		close(l.appended)
		l.appended = nil
	}
}

// Publish appends deltas to the log of a run that this process executes.
// Readers see them at once; they become durable with the run's next commit.
// It returns [ErrGone] if the run is no more, or over. It never blocks on readers
// or on the disk.
func (db *DB) Publish(runID string, events ...understudy.Event) error {
	l := db.logs.get(runID)
	if l == nil {
		return ErrGone
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.commits > 0 {
		l.held = append(l.held, events...)
		return nil
	}
	l.events = append(l.events, events...)
	l.wake()
	return nil
}

// appendEvents writes events, and the run's deltas that are not yet durable, to
// the log. Readers see the events once the transaction has committed.
func (t *tx) appendEvents(ctx context.Context, db *DB, runID string, events []understudy.Event) error {
	if len(events) == 0 && db.logs.get(runID) == nil {
		return nil
	}
	l, err := t.openLog(ctx, db, runID)
	if err != nil {
		return err
	}
	l.mu.Lock()
	first := l.stored
	pending := l.events[min(int64(len(l.events)), first-l.base):]
	size := int64(len(pending) + len(events))
	if size == 0 {
		l.mu.Unlock()
		return nil
	}
	batch := encodeBatch(pending, events)
	l.stored += size
	l.commits++
	l.mu.Unlock()
	ends := len(events) > 0 && events[len(events)-1].Name.EndsStream()
	t.effects = append(t.effects, effect{
		committed: func() {
			l.mu.Lock()
			l.events = append(l.events, events...)
			l.trim()
			l.release()
			l.mu.Unlock()
			if ends {
				db.logs.close(runID, errLogEnded)
				db.watches.settle(runID)
			}
		},
		rolledBack: func() {
			l.mu.Lock()
			l.stored -= size
			l.release()
			l.mu.Unlock()
		},
	})
	_, err = t.exec(ctx, "INSERT INTO events (run_id, first, size, batch) VALUES ($1, $2, $3, $4)", runID, first, size, batch)
	return err
}

// keepStored is how many durable events a log keeps for readers that are close
// behind; those further behind read the database.
const keepStored = 512

// trim forgets durable events beyond keepStored. l.mu is held, and l.events holds
// no delta that is not durable, nor l.held any that is.
func (l *runLog) trim() {
	if drop := len(l.events) - keepStored; drop >= keepStored {
		l.events = slices.Clone(l.events[drop:])
		l.base += int64(drop)
	}
}

// release ends one transaction's claim on the order of events. l.mu is held.
func (l *runLog) release() {
	if l.commits--; l.commits == 0 {
		l.events = append(l.events, l.held...)
		l.held = nil
	}
	l.wake()
}

// openLog returns the log of a run in memory, making it if this process has not
// written to it yet.
func (t *tx) openLog(ctx context.Context, db *DB, runID string) (*runLog, error) {
	if l := db.logs.get(runID); l != nil {
		return l, nil
	}
	var end int64
	if err := one(ctx, t, "SELECT COALESCE(MAX(first + size), 0) FROM events WHERE run_id = $1", []any{runID}, &end); err != nil {
		return nil, err
	}
	l := &runLog{base: end, stored: end}
	db.logs.mu.Lock()
	db.logs.byRun[runID] = l
	db.logs.mu.Unlock()
	t.effects = append(t.effects, effect{
		committed: func() {},
		rolledBack: func() {
			db.logs.close(runID, errLogEnded) // readers look again
		},
	})
	return l, nil
}

// Follow yields the events of a run after the first after ones, waiting for
// those to come. It ends after an event that ends a stream
// ([understudy.EventName.EndsStream]), or with an error: ctx's, [ErrGone], or
// an internal one. A slow reader delays nobody.
func (db *DB) Follow(ctx context.Context, runID string, after int64) iter.Seq2[understudy.Event, error] {
	return func(yield func(understudy.Event, error) bool) {
		for {
			next, ended, err := db.follow(ctx, runID, after, yield)
			if err != nil {
				yield(understudy.Event{}, err)
				return
			}
			if ended {
				return
			}
			after = next
		}
	}
}

// follow yields what there is after position after: from the database what
// memory does not have, then from memory, until nothing is left to wait for. It
// returns the position it reached, and whether the reader is done.
func (db *DB) follow(ctx context.Context, runID string, after int64, yield func(understudy.Event, error) bool) (int64, bool, error) {
	l := db.logs.get(runID)
	if l == nil || after < l.first() {
		stored, err := db.storedEvents(ctx, runID, after)
		if err != nil {
			return after, true, err
		}
		for _, e := range stored {
			after++
			if !yield(e, nil) || e.Name.EndsStream() {
				return after, true, nil
			}
		}
		if l == nil && len(stored) == 0 {
			if err := db.expectEvents(ctx, runID, after); err != nil {
				return after, true, err
			}
		}
		return after, false, nil // look again, in memory
	}
	for {
		l.mu.Lock()
		if after < l.base {
			l.mu.Unlock()
			return after, false, nil // trimmed meanwhile
		}
		events := l.events[min(after-l.base, int64(len(l.events))):]
		closed := l.closed
		var wait chan struct{}
		if len(events) == 0 && closed == nil {
			if l.appended == nil {
				l.appended = make(chan struct{})
			}
			wait = l.appended
		}
		l.mu.Unlock()
		for _, e := range events {
			after++
			if !yield(e, nil) || e.Name.EndsStream() {
				return after, true, nil
			}
		}
		if len(events) > 0 {
			continue
		}
		switch {
		case errors.Is(closed, errLogEnded):
			return after, false, nil // the run may have another round, in a log of its own
		case closed != nil:
			return after, true, closed
		}
		select {
		case <-wait:
		case <-ctx.Done():
			return after, true, context.Cause(ctx)
		}
	}
}

// expectEvents makes a log in memory for a run that nobody writes to now, so
// that a reader at position after can wait for what is to come. It does nothing if
// there is more to read already, and returns [ErrGone] if nothing is to come: the
// run is over or no more. Only the writer makes logs, or one could begin at a
// position that a commit under way is about to pass.
func (db *DB) expectEvents(ctx context.Context, runID string, after int64) error {
	return db.update(ctx, func(ctx context.Context, t *tx) error {
		var waits bool
		var end int64
		err := one(ctx, t, "SELECT "+active+", (SELECT COALESCE(MAX(first + size), 0) FROM events WHERE run_id = runs.id) FROM runs WHERE id = $1",
			[]any{runID}, &waits, &end)
		switch {
		case errors.Is(err, sql.ErrNoRows):
			return ErrGone
		case err != nil:
			return err
		case end > after:
			return nil
		case !waits:
			return ErrGone
		}
		_, err = t.openLog(ctx, db, runID)
		return err
	})
}

// storedEvents reads the events of a run after position after.
func (db *DB) storedEvents(ctx context.Context, runID string, after int64) ([]understudy.Event, error) {
	rows, err := db.query(ctx, "SELECT first, batch FROM events WHERE run_id = $1 AND first + size > $2 ORDER BY first", runID, after)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var all []understudy.Event
	for rows.Next() {
		var first int64
		var batch []byte
		if err := rows.Scan(&first, &batch); err != nil {
			return nil, err
		}
		events, err := decodeBatch(batch)
		if err != nil {
			return nil, fmt.Errorf("events of %s from %d: %w", runID, first, err)
		}
		all = append(all, events[max(0, after-first):]...)
	}
	return all, rows.Err()
}

// encodeBatch writes events as lines of name, tab, data: data is JSON on one
// line.
func encodeBatch(lists ...[]understudy.Event) []byte {
	var b bytes.Buffer
	for _, events := range lists {
		for _, e := range events {
			b.WriteString(string(e.Name))
			b.WriteByte('\t')
			b.Write(e.Data)
			b.WriteByte('\n')
		}
	}
	return b.Bytes()
}

func decodeBatch(batch []byte) ([]understudy.Event, error) {
	var events []understudy.Event
	for line := range bytes.Lines(batch) {
		name, data, ok := bytes.Cut(bytes.TrimSuffix(line, []byte("\n")), []byte("\t"))
		if !ok {
			return nil, errors.New("malformed batch")
		}
		events = append(events, understudy.Event{Name: understudy.EventName(name), Data: data})
	}
	return events, nil
}
