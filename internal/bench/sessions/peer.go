package main

import (
	"context"
	"time"
)

// A peer runs cells of Python in sessions that keep their variables. Its methods
// may be called concurrently.
type peer interface {
	// start makes a session and runs its first cell. ready is when the session
	// waited for that, ended when the cell was done, both counted from the call.
	start(ctx context.Context, code string) (s session, ready, ended time.Duration, err error)
	close() error
}

// session is one of a peer. One method runs at a time.
type session interface {
	// run runs a cell and returns how long it took.
	run(ctx context.Context, code string) (time.Duration, error)
	// interrupt runs endless, interrupts it, and returns how long it took from the
	// interrupt until the session could run another cell.
	interrupt(ctx context.Context) (time.Duration, error)
	// kill ends the session and returns how long it took until nothing of it ran.
	kill() (time.Duration, error)
}

// The cells that are measured.
const (
	assign  = "x = 1"
	pandas  = "import pandas\nframe = pandas.DataFrame({'a': range(100), 'b': range(100)})\nframe.describe()"
	plot    = "import matplotlib.pyplot as plt\nlines = plt.plot([1, 2, 3])"
	endless = "print('on', flush=True)\nwhile True: pass"
)

// column is a column of the table: one product, with what it costs to measure it.
type column struct {
	name   string
	bare   peer                        // makes sessions when they are asked for
	pooled peer                        // has some ready; nil if the product has no pool
	full   func(context.Context) error // waits until the pool is full
	batch  int                         // sessions started one after the other in each round
	memory int                         // sessions over which memory is averaged
	failed bool                        // and is left out from then on
}

// managed reports whether it is the sandbox.
func (c *column) managed() bool { return c.pooled != nil }

// best is how the product would be used.
func (c *column) best() peer {
	if c.pooled != nil {
		return c.pooled
	}
	return c.bare
}

// rest waits until the pool, if there is one, is full.
func (c *column) rest(ctx context.Context) error {
	if c.full == nil {
		return nil
	}
	return c.full(ctx)
}
