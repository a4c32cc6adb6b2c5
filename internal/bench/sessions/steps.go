package main

import (
	"context"
	"errors"
	"fmt"
	"log"
	"os"
	"sync"
	"time"

	"github.com/understudy-dev/understudy/internal/bench/measure"
)

// plan says how much is measured.
type plan struct {
	rounds  int           // in which all products take their turns
	batch   int           // most sessions started one after the other, per round
	cells   int           // for the round trip, per round
	lives   int           // rounds of whole lives of sessions
	load    time.Duration // of each measurement of throughput
	at      []int         // sessions at once, for throughput
	memory  int           // most sessions over which memory is averaged
	density int           // idle sessions at once
}

var (
	full  = plan{rounds: 10, batch: 10, cells: 100, lives: 4, load: 1500 * time.Millisecond, at: []int{1, 8, 32}, memory: 20, density: 500}
	quick = plan{rounds: 1, batch: 2, cells: 10, lives: 1, load: 100 * time.Millisecond, at: []int{1, 8}, memory: 2, density: 20}
)

// bench measures columns, side by side.
type bench struct {
	plan    plan
	columns []*column
	report  *report
	began   time.Time // of the first step
	until   time.Time // when the step should be over: after that a loop ends with its first round
}

// share says which part of the whole time is over when what comes now is done.
func (b *bench) share(part float64) {
	b.until = b.began.Add(time.Duration(part * float64(limit)))
}

// wantOfTime ends the note on a measurement that was cut short.
const wantOfTime = "for want of time"

// turns calls measure for every column in every round, so that what disturbs the
// machine hits all alike. A column that fails is left out from then on.
func (b *bench) turns(ctx context.Context, what string, rounds int, measure func(*column) error) error {
	log.Print(what, " …")
	for round := range rounds {
		if round > 0 && time.Now().After(b.until) {
			b.report.note("%s: %d of %d rounds, %s", what, round, rounds, wantOfTime)
			break
		}
		for _, c := range b.columns {
			if c.failed {
				continue
			}
			if err := measure(c); err != nil {
				if ctx.Err() != nil {
					return ctx.Err()
				}
				c.failed = true
				b.report.note("%s: %s: %v", c.name, what, err)
			}
		}
	}
	return nil
}

// gaps between two starts: where control groups are of version 1, what a start
// costs depends on how long ago the last one was.
var gaps = []struct {
	name  string
	pause time.Duration
}{{"back to back", 0}, {"20 ms apart", 20 * time.Millisecond}, {"100 ms apart", 100 * time.Millisecond}}

// starts makes batches of sessions, on demand and from the pool.
func (b *bench) starts(ctx context.Context) error {
	for i, gap := range gaps {
		b.share(0.15 * float64(i+1))
		err := b.turns(ctx, "sessions, "+gap.name, b.plan.rounds, func(c *column) error {
			if gap.pause > 0 && !c.managed() {
				return nil // nothing there depends on it
			}
			size := min(c.batch, b.plan.batch)
			ready, ended, err := batch(ctx, c.bare, size, gap.pause)
			if err != nil {
				return err
			}
			b.report.add("start on demand, "+gap.name, c, "ms", ready...)
			b.report.add("start on demand and first cell, "+gap.name, c, "ms", ended...)
			if c.pooled == nil {
				return nil
			}
			if err := c.rest(ctx); err != nil {
				return err
			}
			if ready, ended, err = batch(ctx, c.pooled, size, gap.pause); err != nil {
				return err
			}
			b.report.add("start with a pool, "+gap.name, c, "ms", ready...)
			b.report.add("start with a pool and first cell, "+gap.name, c, "ms", ended...)
			return nil
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// batch starts sessions, some time after one another, and ends them all.
func batch(ctx context.Context, p peer, size int, gap time.Duration) (ready, ended []float64, err error) {
	var live []session
	for range size {
		select {
		case <-time.After(gap):
		case <-ctx.Done():
			return nil, nil, errors.Join(ctx.Err(), endAll(live))
		}
		s, r, e, startErr := p.start(ctx, assign)
		if startErr != nil {
			err = startErr
			break
		}
		live = append(live, s)
		ready, ended = append(ready, measure.Milliseconds(r)), append(ended, measure.Milliseconds(e))
	}
	return ready, ended, errors.Join(err, endAll(live))
}

func endAll(live []session) error {
	var errs []error
	for _, s := range live {
		_, err := s.kill()
		errs = append(errs, err)
	}
	return errors.Join(errs...)
}

// lives follows sessions from their start to their end.
func (b *bench) lives(ctx context.Context) error {
	b.share(0.65)
	return b.turns(ctx, "cells", b.plan.lives, func(c *column) error {
		return errors.Join(b.smallCells(ctx, c), b.analysis(ctx, c))
	})
}

// smallCells measures what the way to the interpreter costs.
func (b *bench) smallCells(ctx context.Context, c *column) error {
	if err := c.rest(ctx); err != nil {
		return err
	}
	s, ready, ended, err := c.best().start(ctx, assign)
	if err != nil {
		return err
	}
	if c.pooled != nil {
		b.report.add("hand-over of a session that waits", c, "ms", measure.Milliseconds(ready))
		b.report.add("first cell, `x = 1`, hand-over included", c, "ms", measure.Milliseconds(ended))
	}
	trips, err := repeat(ctx, s, assign, b.plan.cells+5)
	if err != nil {
		return errors.Join(err, endAll([]session{s}))
	}
	b.report.add("round trip of `x = 1`", c, "ms", trips[5:]...)
	stopped, err := s.interrupt(ctx)
	if err != nil {
		return errors.Join(err, endAll([]session{s}))
	}
	b.report.add("interrupt of an endless loop", c, "ms", measure.Milliseconds(stopped))
	killed, err := s.kill()
	b.report.add("kill", c, "ms", measure.Milliseconds(killed))
	return err
}

// plots are drawn in one session.
const plots = 10

// analysis measures cells as models write them.
func (b *bench) analysis(ctx context.Context, c *column) error {
	if err := c.rest(ctx); err != nil {
		return err
	}
	s, _, ended, err := c.best().start(ctx, pandas)
	if err != nil {
		return err
	}
	drawn, err := repeat(ctx, s, plot, plots)
	if err := errors.Join(err, endAll([]session{s})); err != nil {
		return err
	}
	b.report.add("session and first cell, pandas `describe()`", c, "ms", measure.Milliseconds(ended))
	b.report.add("first plot after it", c, "ms", drawn[0])
	b.report.add("10th plot", c, "ms", drawn[plots-1])
	return nil
}

// repeat runs a cell some times, and returns the milliseconds of each.
func repeat(ctx context.Context, s session, code string, times int) ([]float64, error) {
	var took []float64
	for range times {
		t, err := s.run(ctx, code)
		if err != nil {
			return nil, err
		}
		took = append(took, measure.Milliseconds(t))
	}
	return took, nil
}

// memory measures what one session more takes.
func (b *bench) memory(ctx context.Context) error {
	return b.turns(ctx, "memory", 1, func(c *column) (err error) {
		if err := b.rest(ctx); err != nil {
			return err
		}
		before, err := footprintNow()
		if err != nil {
			return err
		}
		var live []session
		defer func() { err = errors.Join(err, endAll(live)) }()
		for range min(c.memory, b.plan.memory) {
			s, _, _, err := c.bare.start(ctx, assign)
			if err != nil {
				return err
			}
			live = append(live, s)
		}
		for _, stage := range []struct{ name, code string }{{"idle", ""}, {"after pandas", pandas}, {"after pandas and a plot", plot}} {
			for _, s := range live {
				if stage.code == "" {
					continue
				}
				if _, err := s.run(ctx, stage.code); err != nil {
					return err
				}
			}
			b.addFootprint("memory of a session, "+stage.name, c, before, len(live))
		}
		return nil
	})
}

// rest waits until every pool is full: what fills it would be counted.
func (b *bench) rest(ctx context.Context) error {
	for _, c := range b.columns {
		if c.failed {
			continue
		}
		if err := c.rest(ctx); err != nil {
			return err
		}
	}
	return nil
}

// footprint is the memory in use, in bytes.
type footprint struct {
	processes int64 // of all that this one started, shared pages once, with page tables
	available int64 // left on the machine; what others do shows in it too
}

func footprintNow() (footprint, error) {
	pids, err := measure.Descendants(os.Getpid())
	if err != nil {
		return footprint{}, err
	}
	var f footprint
	for _, pid := range pids {
		n, err := measure.Proportional(pid)
		if err != nil && !measure.Ended(err) {
			return footprint{}, err
		}
		f.processes += n
	}
	f.available, err = measure.MemInfo("MemAvailable")
	return f, err
}

// addFootprint reports what was taken since before, for each of n sessions.
func (b *bench) addFootprint(what string, c *column, before footprint, n int) {
	now, err := footprintNow()
	if err != nil {
		b.report.note("%s: %s: %v", c.name, what, err)
		return
	}
	b.report.add(what+": its processes", c, "MiB", measure.MiB(now.processes-before.processes)/float64(n))
	b.report.add(what+": less available on the machine", c, "MiB", measure.MiB(before.available-now.available)/float64(n))
}

// throughput has some workers make sessions, run a cell in each and end it.
func (b *bench) throughput(ctx context.Context) error {
	for _, workers := range b.plan.at {
		what := fmt.Sprintf("start, cell and kill, %d at once", workers)
		err := b.turns(ctx, what, 1, func(c *column) error {
			if err := c.rest(ctx); err != nil {
				return err
			}
			began := time.Now()
			times, cells, err := load(ctx, c.best(), workers, b.plan.load)
			elapsed := time.Since(began).Seconds()
			if err != nil {
				return err
			}
			b.report.add(what+", whole", c, "ms", times...)
			b.report.add(what+", to the end of the cell", c, "ms", cells...)
			b.report.add(what, c, "/s", float64(len(times))/elapsed)
			return nil
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// load returns the milliseconds that each session took from its start to its end,
// and to the end of its cell. Every worker makes one at least.
func load(ctx context.Context, p peer, workers int, length time.Duration) (whole, cells []float64, err error) {
	var (
		wg   sync.WaitGroup
		mu   sync.Mutex
		errs []error
	)
	until := time.Now().Add(length)
	for range workers {
		wg.Go(func() {
			for again := true; again && ctx.Err() == nil; again = time.Now().Before(until) {
				began := time.Now()
				s, _, ended, err := p.start(ctx, assign)
				if err == nil {
					_, err = s.kill()
				}
				mu.Lock()
				whole, cells = append(whole, measure.Milliseconds(time.Since(began))), append(cells, measure.Milliseconds(ended))
				errs = append(errs, err)
				mu.Unlock()
				if err != nil {
					return
				}
			}
		})
	}
	wg.Wait()
	return whole, cells, errors.Join(errs...)
}

// density keeps many sessions of the first column, and runs a cell in each again.
func (b *bench) density(ctx context.Context) (err error) {
	c, n := b.columns[0], b.plan.density
	if left, err := measure.MemInfo("MemAvailable"); err != nil || left < int64(n)*8<<20+1<<30 || c.failed {
		b.report.note("%d idle sessions are not measured: %d MiB available", n, left>>20)
		return err
	}
	log.Printf("%d idle sessions …", n)
	if err := b.rest(ctx); err != nil {
		return err
	}
	before, err := footprintNow()
	if err != nil {
		return err
	}
	var live []session
	defer func() { err = errors.Join(err, endAll(live)) }()
	for range n {
		s, _, _, err := c.bare.start(ctx, assign)
		if err != nil {
			return err
		}
		live = append(live, s)
	}
	b.addFootprint(fmt.Sprintf("memory of a session, %d idle", n), c, before, n)
	for _, s := range live {
		took, err := s.run(ctx, assign)
		if err != nil {
			return err
		}
		b.report.add(fmt.Sprintf("round trip in turn over %d sessions", n), c, "ms", measure.Milliseconds(took))
	}
	return nil
}
