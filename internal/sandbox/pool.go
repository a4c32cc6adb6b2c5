package sandbox

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"time"
)

const (
	poolRetry = 2 * time.Second // after a session that could not be made
	poolPause = 20 * time.Millisecond
)

// seat is a session that nobody uses yet. It is used for one key only.
type seat struct {
	link   *link
	volume *volume
	limits Limits
}

// pool keeps sessions ready, so that a first cell does not wait for one: the zygote
// takes 5 to 40 ms to make one, most of it where control groups are of version 1, and
// gVisor 250. One at a time is made, between two requests rather than under one.
type pool struct {
	driver driver
	config Config
	ready  chan seat
	taken  chan struct{}
	cancel context.CancelFunc
	filler sync.WaitGroup
}

func newPool(d driver, c Config) *pool {
	ctx, cancel := context.WithCancel(context.Background()) // ends with close
	p := &pool{driver: d, config: c, ready: make(chan seat, c.Pool), taken: make(chan struct{}, 1), cancel: cancel}
	if c.Pool > 0 {
		p.filler.Go(func() { p.fill(ctx) })
	}
	return p
}

func (p *pool) size() int { return len(p.ready) }

// take returns a ready session, which has the limits of Config, or makes one with limits.
func (p *pool) take(ctx context.Context, limits Limits) (seat, source, error) {
	for {
		select {
		case s := <-p.ready:
			select {
			case p.taken <- struct{}{}:
			default:
			}
			select {
			case <-s.link.process.exited(): // died of age, or of a host short of memory
				p.discard(s)
				continue
			default:
				return s, fromPool, nil
			}
		default:
			s, err := p.make(ctx, limits)
			return s, onDemand, err
		}
	}
}

// make makes a session. One that does not start is tried once more, maybe in a second
// jail: what hinders one, such as a process that cannot be made just now, seldom lasts.
func (p *pool) make(ctx context.Context, limits Limits) (seat, error) {
	s, err := p.tryMake(ctx, limits)
	if err == nil || ctx.Err() != nil || errors.Is(err, ErrBusy) || errors.Is(err, ErrClosed) {
		return s, err
	}
	p.config.Logger.Warn("sandbox: a session did not start; it is tried once more", "error", err)
	return p.tryMake(ctx, limits)
}

// tryMake looks at the memory that is left, and take does not: a session that waits has
// its memory, and to ask the kernel takes longer than to hand it over.
func (p *pool) tryMake(ctx context.Context, limits Limits) (seat, error) {
	if err := p.config.checkMemory(0); err != nil {
		return seat{}, err
	}
	v, err := p.driver.makeVolume(ctx, limits)
	if err != nil {
		return seat{}, err
	}
	process, err := p.driver.start(ctx, v, limits)
	if err != nil {
		p.driver.dropVolume(v)
		return seat{}, err
	}
	return seat{link: newLink(process, p.config), volume: v, limits: limits}, nil
}

// fill keeps the pool full until ctx ends.
func (p *pool) fill(ctx context.Context) {
	level := slog.LevelWarn // of a session that cannot be made: the first in a row is told
	for {
		pause := poolPause
		if len(p.ready) < cap(p.ready) {
			s, err := p.make(ctx, p.config.Limits)
			switch {
			case err == nil:
				p.ready <- s // has room: nobody else fills
				level = slog.LevelWarn
			case ctx.Err() == nil:
				p.config.Logger.Log(ctx, level, "sandbox: make a session for the pool", "error", err)
				pause, level = poolRetry, slog.LevelDebug
			}
		} else {
			select {
			case <-p.taken:
			case <-ctx.Done():
			}
		}
		select {
		case <-time.After(pause):
		case <-ctx.Done():
			return
		}
	}
}

func (p *pool) discard(s seat) {
	s.link.close()
	p.driver.dropVolume(s.volume)
}

// close ends the sessions that nobody took.
func (p *pool) close() {
	p.cancel()
	p.filler.Wait()
	for {
		select {
		case s := <-p.ready:
			p.discard(s)
		default:
			return
		}
	}
}
