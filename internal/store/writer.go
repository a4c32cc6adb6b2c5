package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"runtime/debug"
)

// maxBatch bounds how many operations share a transaction, and so how long the
// first of them waits for the last.
const maxBatch = 64

var errClosed = errors.New("the database is closed")

// writer executes all writes, one at a time, and commits those that have
// queued up together: a commit costs a flush to disk however much it holds.
// Each operation has a savepoint, so that one that fails takes nothing of the
// others with it.
type writer struct {
	conn  *sql.Conn
	stmts map[string]*sql.Stmt // owned by the writer's goroutine
	ops   chan *operation
	stop  chan struct{}
	done  chan struct{}
}

// operation is one caller's unit of work: all of it is committed, or nothing.
type operation struct {
	do   func(context.Context, *tx) error
	err  error
	done chan struct{}
}

func newWriter(ctx context.Context, db *sql.DB) (*writer, error) {
	conn, err := db.Conn(ctx)
	if err != nil {
		return nil, fmt.Errorf("open writer: %w", err)
	}
	w := &writer{
		conn:  conn,
		stmts: make(map[string]*sql.Stmt),
		ops:   make(chan *operation, maxBatch),
		stop:  make(chan struct{}),
		done:  make(chan struct{}),
	}
	go w.loop()
	return w, nil
}

func (w *writer) close() error {
	close(w.stop)
	<-w.done
	var errs []error
	for _, s := range w.stmts {
		errs = append(errs, s.Close())
	}
	return errors.Join(append(errs, w.conn.Close())...)
}

// update executes do in a transaction and returns when it is durable. ctx
// bounds the wait for a place in the queue; from then on the work is done
// whatever becomes of the caller. do gets a context of its own, because a
// statement that is interrupted would take the transactions of others with it.
func (db *DB) update(ctx context.Context, do func(context.Context, *tx) error) error {
	op := &operation{do: do, done: make(chan struct{})}
	select {
	case db.writer.ops <- op:
	case <-db.writer.stop:
		return errClosed
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	select {
	case <-op.done:
		return op.err
	case <-db.writer.done:
	}
	select {
	case <-op.done: // in the last commit
		return op.err
	default:
		return errClosed
	}
}

func (w *writer) loop() {
	defer close(w.done)
	batch := make([]*operation, 0, maxBatch)
	for {
		select {
		case op := <-w.ops:
			batch = w.commit(op, batch[:0])
			for _, op := range batch {
				close(op.done)
			}
		case <-w.stop:
			return
		}
	}
}

// commit executes first and whatever has queued up in one transaction. It
// returns all the operations, whose errors are set.
func (w *writer) commit(first *operation, batch []*operation) []*operation {
	ctx := context.Background()
	batch = append(batch, first)
	if _, err := w.exec(ctx, "BEGIN IMMEDIATE"); err != nil {
		first.err = fmt.Errorf("begin: %w", err)
		return batch
	}
	t := &tx{w: w}
	for op := first; ; {
		op.err = t.run(ctx, op.do)
		if t.broken != nil || len(batch) == maxBatch {
			break
		}
		select {
		case op = <-w.ops:
			batch = append(batch, op)
			continue
		default:
		}
		break
	}
	err := t.broken
	if err == nil {
		if _, err = w.exec(ctx, "COMMIT"); err != nil {
			err = fmt.Errorf("commit: %w", err)
		}
	}
	if err != nil {
		_, _ = w.exec(ctx, "ROLLBACK") // fails where the database has done it already
		t.undo(0)
		for _, op := range batch {
			op.err = errors.Join(op.err, err)
		}
		return batch
	}
	for _, e := range t.effects {
		e.committed()
	}
	return batch
}

func (w *writer) stmt(ctx context.Context, q string) (*sql.Stmt, error) {
	if s := w.stmts[q]; s != nil {
		return s, nil
	}
	s, err := w.conn.PrepareContext(ctx, q)
	if err != nil {
		return nil, fmt.Errorf("prepare %q: %w", q, err)
	}
	w.stmts[q] = s
	return s, nil
}

func (w *writer) exec(ctx context.Context, q string, args ...any) (sql.Result, error) {
	s, err := w.stmt(ctx, q)
	if err != nil {
		return nil, err
	}
	return s.ExecContext(ctx, args...)
}

// tx is what an operation may use: statements inside the transaction, and
// effects that wait for its commit.
type tx struct {
	w       *writer
	effects []effect
	broken  error // the transaction is gone: a full disk rolls back all of it, not only a savepoint
}

// effect is something in memory that follows the fate of a transaction.
type effect struct {
	committed  func()
	rolledBack func()
}

// run executes do behind a savepoint. A panic is returned as an error.
func (t *tx) run(ctx context.Context, do func(context.Context, *tx) error) (err error) {
	if _, err := t.exec(ctx, "SAVEPOINT op"); err != nil {
		return err
	}
	mark := len(t.effects)
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("panic in transaction: %v\n%s", p, debug.Stack())
		}
		if err != nil {
			t.undo(mark)
			if _, e := t.exec(ctx, "ROLLBACK TO op"); e != nil {
				t.broken = fmt.Errorf("transaction lost: %w", err)
				return
			}
		}
		if _, e := t.exec(ctx, "RELEASE op"); e != nil {
			t.broken = fmt.Errorf("release savepoint: %w", e)
		}
	}()
	return do(ctx, t)
}

// undo rolls back the effects from mark on, newest first.
func (t *tx) undo(mark int) {
	for i := len(t.effects) - 1; i >= mark; i-- {
		t.effects[i].rolledBack()
	}
	t.effects = t.effects[:mark]
}

func (t *tx) exec(ctx context.Context, q string, args ...any) (sql.Result, error) {
	return t.w.exec(ctx, q, args...)
}

func (t *tx) query(ctx context.Context, q string, args ...any) (*sql.Rows, error) {
	s, err := t.w.stmt(ctx, q)
	if err != nil {
		return nil, err
	}
	return s.QueryContext(ctx, args...)
}
