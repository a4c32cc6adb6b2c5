package main

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/understudy-dev/understudy/internal/sandbox"
)

// managed are the sessions of a sandbox.
type managed struct {
	manager *sandbox.Manager
	pool    int
	next    atomic.Int64
}

func newManaged(ctx context.Context, c sandbox.Config) (*managed, error) {
	m, err := sandbox.New(ctx, c)
	if err != nil {
		return nil, err
	}
	if r := m.Report(); r.Level <= sandbox.LevelNone {
		return nil, errors.Join(errors.New(r.Problem), m.Close())
	}
	return &managed{manager: m, pool: c.Pool}, nil
}

func (m *managed) start(ctx context.Context, code string) (session, time.Duration, time.Duration, error) {
	s := &managedSession{manager: m.manager, key: fmt.Sprintf("session-%d", m.next.Add(1))}
	began := time.Now()
	result, err := s.cell(ctx, sandbox.Cell{Code: code}, sandbox.StatusOK)
	ended := time.Since(began)
	return s, result.Handover, ended, err
}

func (m *managed) close() error { return m.manager.Close() }

// full waits until as many sessions wait as the pool may have.
func (m *managed) full(ctx context.Context) error {
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for m.manager.Stats().Pooled < m.pool {
		select {
		case <-tick.C:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return nil
}

type managedSession struct {
	manager *sandbox.Manager
	key     string
}

func (s *managedSession) run(ctx context.Context, code string) (time.Duration, error) {
	began := time.Now()
	_, err := s.cell(ctx, sandbox.Cell{Code: code}, sandbox.StatusOK)
	return time.Since(began), err
}

// cell runs a cell that must end with that status.
func (s *managedSession) cell(ctx context.Context, c sandbox.Cell, want sandbox.Status) (sandbox.Result, error) {
	result, err := s.manager.Run(ctx, s.key, c)
	if err == nil && result.Status != want {
		err = fmt.Errorf("the cell ended %q, not %q: %s %v", result.Status, want, result.Notice, result.Outputs)
	}
	return result, err
}

func (s *managedSession) interrupt(ctx context.Context) (time.Duration, error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	var began time.Time
	_, err := s.cell(ctx, sandbox.Cell{Code: endless, Output: func(sandbox.Output) {
		if began.IsZero() {
			began = time.Now()
			cancel()
		}
	}}, sandbox.StatusInterrupted)
	return time.Since(began), err
}

func (s *managedSession) kill() (time.Duration, error) {
	began := time.Now()
	s.manager.Kill(s.key)
	return time.Since(began), nil
}
