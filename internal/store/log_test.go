package store

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/understudy-dev/understudy"
)

// openWithRun opens a database with one claimed run.
func openWithRun(t *testing.T) (*DB, Claim) {
	t.Helper()
	db, err := Open(t.Context(), Config{Path: filepath.Join(t.TempDir(), "understudy.db")})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := db.Close(); err != nil {
			t.Error(err)
		}
	})
	th := &understudy.Thread{ID: "thread_1"}
	r := &understudy.Run{ID: "run_1", ThreadID: th.ID, Status: understudy.RunQueued, ExpiresAt: new(time.Now().Unix() + 600), Instructions: new("x")}
	if err := db.CreateRun(t.Context(), NewRun{Run: r, Thread: th}); err != nil {
		t.Fatal(err)
	}
	c, _, err := db.ClaimRun(t.Context(), r.ID, "me", time.Minute)
	if err != nil {
		t.Fatal(err)
	}
	return db, c
}

// together has the writer execute operations in one transaction, and returns
// their errors.
func together(t *testing.T, db *DB, before func(), dos ...func(context.Context, *tx) error) []error {
	t.Helper()
	entered, release := make(chan struct{}), make(chan struct{})
	var wg sync.WaitGroup
	wg.Go(func() {
		if err := db.update(t.Context(), func(context.Context, *tx) error {
			close(entered)
			<-release
			return nil
		}); err != nil {
			t.Logf("first of the batch: %v", err)
		}
	})
	<-entered
	ops := make([]*operation, len(dos))
	for i, do := range dos {
		ops[i] = &operation{do: do, done: make(chan struct{})}
		db.writer.ops <- ops[i]
	}
	before()
	close(release)
	wg.Wait()
	errs := make([]error, len(ops))
	for i, op := range ops {
		<-op.done
		errs[i] = op.err
	}
	return errs
}

func delta(n int) understudy.Event {
	return understudy.Event{Name: understudy.EventMessageDelta, Data: fmt.Append(nil, n)}
}

func (db *DB) appendOne(n int) func(context.Context, *tx) error {
	return func(ctx context.Context, t *tx) error {
		// A delta that arrives in the middle of a transaction stands behind what is in it.
		err := t.appendEvents(ctx, db, "run_1", []understudy.Event{delta(n)})
		return errors.Join(err, db.Publish("run_1", delta(n+1)))
	}
}

// events reads the numbers of the run's deltas, from where a reader gets them.
func (db *DB) numbers(t *testing.T, memory bool) string {
	t.Helper()
	var all []understudy.Event
	if memory {
		l := db.logs.get("run_1")
		l.mu.Lock()
		all = l.events
		l.mu.Unlock()
	} else {
		var err error
		if all, err = db.storedEvents(t.Context(), "run_1", 0); err != nil {
			t.Fatal(err)
		}
	}
	var b strings.Builder
	for _, e := range all {
		if e.Name == understudy.EventMessageDelta {
			fmt.Fprintf(&b, " %s", e.Data)
		}
	}
	return b.String()
}

func TestDeltasKeepTheirPlaceAmongCommits(t *testing.T) {
	db, c := openWithRun(t)
	errs := together(t, db, func() { _ = db.Publish(c.RunID, delta(0)) }, db.appendOne(1), db.appendOne(3))
	if errs[0] != nil || errs[1] != nil {
		t.Fatal(errs)
	}
	if got, want := db.numbers(t, true), " 0 1 3 2 4"; got != want {
		t.Errorf("readers see%s, want%s", got, want)
	}
	if err := db.Commit(t.Context(), c, func(x *RunTx) error { return x.emit(understudy.EventMessageDelta, 5) }); err != nil {
		t.Fatal(err)
	}
	if got, want := db.numbers(t, false), " 0 1 3 2 4 5"; got != want {
		t.Errorf("stored are%s, want%s", got, want)
	}
}

func TestRolledBackEventsLeaveTheirPlace(t *testing.T) {
	db, c := openWithRun(t)
	fail := func(ctx context.Context, t *tx) error {
		if err := db.appendOne(1)(ctx, t); err != nil {
			return err
		}
		return fmt.Errorf("changed my mind")
	}
	errs := together(t, db, func() { _ = db.Publish(c.RunID, delta(0)) }, fail, db.appendOne(3))
	if errs[0] == nil || errs[1] != nil {
		t.Fatal(errs)
	}
	if err := db.Commit(t.Context(), c, func(x *RunTx) error { return x.emit(understudy.EventMessageDelta, 5) }); err != nil {
		t.Fatal(err)
	}
	if memory, stored := db.numbers(t, true), db.numbers(t, false); memory != " 0 2 3 4 5" || memory != stored {
		t.Errorf("readers see%s, stored are%s, want 0 2 3 4 5 in both", memory, stored)
	}
}

// A full disk rolls the whole transaction back, not only the operation that met it.
func TestFullDiskFailsTheBatchWhole(t *testing.T) {
	db, c := openWithRun(t)
	limit := func(pages string) error {
		return db.update(t.Context(), func(ctx context.Context, t *tx) error {
			var n int
			return one(ctx, t, "PRAGMA max_page_count = "+pages, nil, &n)
		})
	}
	if err := limit("1"); err != nil { // that is: no more than there are
		t.Fatal(err)
	}
	errs := together(t, db, func() {},
		func(ctx context.Context, t *tx) error {
			_, err := t.exec(ctx, "INSERT INTO assistants (id, doc) VALUES ($1, $2)", "a", strings.Repeat("x", 1<<20))
			return err
		},
		db.appendOne(1))
	if errs[0] == nil {
		t.Fatal("the disk is not full")
	}
	if err := limit("1000000"); err != nil {
		t.Fatal(err)
	}
	if err := db.Commit(t.Context(), c, func(x *RunTx) error { return x.Become(understudy.RunCompleted, nil) }); err != nil {
		t.Errorf("after the disk was full: %v", err)
	}
	if got := db.numbers(t, false); errs[1] != nil && strings.Contains(got, " 1") {
		t.Errorf("stored are%s, but the caller was told %v", got, errs[1])
	}
}

// A reader found nothing new, and the run ended before it could ask what to expect.
func TestRunEndsWhileItsReaderLooksAway(t *testing.T) {
	db, c := openWithRun(t)
	stored, err := db.storedEvents(t.Context(), c.RunID, 0)
	if err != nil {
		t.Fatal(err)
	}
	if err := db.Commit(t.Context(), c, func(x *RunTx) error { return x.Become(understudy.RunCompleted, nil) }); err != nil {
		t.Fatal(err)
	}
	if err := db.expectEvents(t.Context(), c.RunID, int64(len(stored))); err != nil {
		t.Errorf("the reader gets %v instead of the end of the run", err)
	}
}

// TestLongStream follows a stream that is longer than what is kept in memory.
func TestLongStream(t *testing.T) {
	const commits, deltas = 20, 300
	db, c := openWithRun(t)
	read := func() (n int, err error) {
		for e, err := range db.Follow(t.Context(), c.RunID, 0) {
			if err != nil {
				return n, err
			}
			if e.Name == understudy.EventMessageDelta {
				if string(e.Data) != fmt.Sprint(n) {
					return n, fmt.Errorf("delta %s at place %d", e.Data, n)
				}
				n++
			}
		}
		return n, nil
	}
	var readers sync.WaitGroup
	for range 4 {
		readers.Go(func() {
			if n, err := read(); n != commits*deltas || err != nil {
				t.Errorf("live reader: %d deltas, %v", n, err)
			}
		})
	}
	for n := range commits * deltas {
		if err := db.Publish(c.RunID, delta(n)); err != nil {
			t.Fatal(err)
		}
		if n%deltas != deltas-1 {
			continue
		}
		if err := db.Commit(t.Context(), c, func(x *RunTx) error { return x.emit(understudy.EventStepDelta, n) }); err != nil {
			t.Fatal(err)
		}
		l := db.logs.get(c.RunID)
		l.mu.Lock()
		if len(l.events) > 2*keepStored+deltas {
			t.Errorf("%d events in memory", len(l.events))
		}
		l.mu.Unlock()
	}
	if err := db.Commit(t.Context(), c, func(x *RunTx) error { return x.Become(understudy.RunCompleted, nil) }); err != nil {
		t.Fatal(err)
	}
	readers.Wait()
	if n, err := read(); n != commits*deltas || err != nil {
		t.Errorf("late reader: %d deltas, %v", n, err)
	}
}
