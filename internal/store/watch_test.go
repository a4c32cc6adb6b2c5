package store

import (
	"context"
	"testing"

	"github.com/understudy-dev/understudy"
)

// TestWatch shows what wakes those who wait, and that nothing is kept for those
// who have left.
func TestWatch(t *testing.T) {
	db, c := openWithRun(t)
	told := func(settled <-chan struct{}) bool {
		select {
		case <-settled:
			return true
		default:
			return false
		}
	}
	one, leaveOne := db.Watch(c.RunID)
	two, leaveTwo := db.Watch(c.RunID)
	other, leaveOther := db.Watch("run_other")
	commit := func(do func(*RunTx) error) {
		t.Helper()
		if err := db.Commit(t.Context(), c, do); err != nil {
			t.Fatal(err)
		}
	}
	commit(func(x *RunTx) error { return x.Become(understudy.RunCancelling, nil) })
	leaveTwo()
	if told(one) {
		t.Error("told of a run that goes on")
	}
	_ = db.update(t.Context(), func(ctx context.Context, tx *tx) error {
		e := understudy.Event{Name: understudy.EventRun(understudy.RunFailed), Data: []byte("{}")}
		if err := tx.appendEvents(ctx, db, c.RunID, []understudy.Event{e}); err != nil {
			return err
		}
		return errClosed // anything: the transaction is rolled back
	})
	if told(one) {
		t.Error("told of what was rolled back")
	}
	commit(func(x *RunTx) error { return x.Become(understudy.RunCancelled, nil) })
	if !told(one) || !told(two) || told(other) {
		t.Errorf("told of the end: %t and, after leaving, %t; of another run's: %t", told(one), told(two), told(other))
	}
	again, leaveAgain := db.Watch(c.RunID)
	leaveOne()
	if told(again) || len(db.watches.byID) != 2 {
		t.Errorf("told of what was before: %t; watched: %v", told(again), db.watches.byID)
	}
	leaveAgain()
	leaveOther()
	if len(db.watches.byID) != 0 {
		t.Errorf("still watched: %v", db.watches.byID)
	}
}
