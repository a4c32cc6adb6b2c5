package main

import (
	"context"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/understudy-dev/understudy/internal/sandbox"
	"github.com/understudy-dev/understudy/internal/sandbox/attacks"
)

// attackRound is how long it takes until every attack has had its turn.
const attackRound = 10 * time.Minute

// newHost puts out what attacks look for.
func (r *soak) newHost() (*attacks.Host, error) {
	return attacks.NewHost(attacks.Facts{
		Data: filepath.Dir(r.dir), Folder: r.dir, Shown: []string{r.packages}, Memory: limits.Memory, DataBytes: limits.DataBytes,
		TmpBytes: limits.TmpBytes, FileSize: limits.FileSize, OpenFiles: limits.OpenFiles, Processes: limits.Processes,
		CPU: limits.CPU, Controllers: r.manager.Report().Controllers,
	}, filepath.Dir(r.dir), os.TempDir())
}

// attack runs the attacks of the threat model one after the other, until ctx ends.
func (r *soak) attack(ctx context.Context, host *attacks.Host) error {
	all, err := attacks.All(r.Driver)
	if err != nil {
		return err
	}
	tick := time.NewTicker(attackRound / time.Duration(len(all)))
	defer tick.Stop()
	for i := 0; ; i++ {
		select {
		case <-tick.C:
		case <-ctx.Done():
			return nil
		}
		a := all[i%len(all)]
		verdict, err := r.strike(context.WithoutCancel(ctx), host, a)
		if err != nil {
			verdict.Breaches = append(verdict.Breaches, err.Error())
		}
		r.mu.Lock()
		if verdict.Breaches == nil {
			r.Attacks++
		}
		for _, why := range verdict.Breaches {
			r.Surprises = append(r.Surprises, "attack "+a.Name+": "+why)
		}
		r.mu.Unlock()
	}
}

// strike runs one attack, with a session beside it that must not notice.
func (r *soak) strike(ctx context.Context, host *attacks.Host, a attacks.Attack) (attacks.Verdict, error) {
	s := &struck{manager: r.manager, keys: map[string]bool{}}
	defer s.end()
	suite, err := attacks.NewSuite(ctx, s, host)
	if err != nil {
		return attacks.Verdict{}, err
	}
	suite.Patience = time.Minute // beside so many sessions that take all they can, a slow one proves nothing
	return suite.Attack(ctx, a)
}

// struck are the sessions of one attack.
type struck struct {
	manager *sandbox.Manager

	mu   sync.Mutex
	keys map[string]bool
}

// Run implements [attacks.Sessions].
func (s *struck) Run(ctx context.Context, key, code string, timeout time.Duration) (attacks.Outcome, error) {
	s.mu.Lock()
	s.keys[key] = true
	s.mu.Unlock()
	r, err := s.manager.Run(ctx, key, sandbox.Cell{Code: code, Timeout: timeout})
	return attacks.Outcome{Status: string(r.Status), Text: r.Text(), Notice: r.Notice}, err
}

// Kill ends a session.
func (s *struck) Kill(key string) { s.manager.Kill(key) }

// end ends all of them.
func (s *struck) end() {
	for key := range s.keys {
		s.manager.Kill(key)
	}
}
