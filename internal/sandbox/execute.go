package sandbox

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"strings"
	"time"
)

// execution is one cell on its way.
type execution struct {
	session  *keyed
	sink     *collector
	cell     Cell
	shown    transcript
	stopping Status    // why the cell was interrupted, "" if it was not
	until    time.Time // when an interrupted cell is killed
	killed   bool
}

// nudges is how often an interrupted cell is interrupted again before it is killed.
// Python notes a signal and looks at the note between two instructions; one that
// comes just before a blocking call stays unseen until the next wakes the call. The
// session raises only one KeyboardInterrupt for all of them.
const nudges = 8

// execute runs a cell in the session's process and sees it to its end, whatever
// the code does.
func (m *Manager) execute(ctx context.Context, s *keyed, cell Cell) Result {
	began := time.Now()
	x := &execution{session: s, sink: newCollector(m.config.Limits), cell: cell}
	if err := s.link.begin(cell.Code, x.sink); err != nil {
		m.config.Logger.Debug("sandbox: send cell", "error", err) // the wait sees why
		s.link.process.kill()
	}
	result := Result{Status: m.wait(ctx, x)}
	cut := x.sink.finish()
	x.deliver()
	result.Outputs = x.shown.take()
	result.Duration = time.Since(began)
	m.countCell(result, s.link == nil)
	result.Files = m.changes(s)
	unsaved := m.save(ctx, s, cell.Keep)
	result.Notice = joinNotices(s.takeNotice(), m.explain(s, cell, result.Status), cut, unsaved)
	if s.link == nil {
		s.notice = freshSession
	}
	return result
}

// wait returns when the cell is over. If it took the session with it, the
// session's link is nil afterwards.
func (m *Manager) wait(ctx context.Context, x *execution) Status {
	s, k := x.session, x.session.link
	timer := time.NewTimer(m.timeLimit(x.cell))
	defer timer.Stop()
	cancelled := ctx.Done()
	stop := func(why Status) {
		if x.stopping == "" {
			x.stopping, x.until = why, time.Now().Add(m.config.Limits.Grace)
		}
		if !time.Now().Before(x.until) {
			if len(k.done) == 0 { // else it has just ended by itself
				x.killed = true
				k.process.kill()
			}
			return
		}
		if err := k.process.interrupt(x.until); err != nil {
			x.killed = true // or the interrupt would come late, to the next cell
			k.process.kill()
			return
		}
		timer.Reset(m.config.Limits.Grace / nudges)
	}
	for {
		select {
		case <-x.sink.wake:
			x.deliver()
		case done := <-k.done:
			if x.killed {
				continue // sent before the kill arrived; the session ends all the same
			}
			k.end()
			if done.Status == StatusInterrupted {
				done.Status = StatusError // it raised KeyboardInterrupt itself
			}
			return cmp.Or(x.stopping, done.Status)
		case <-timer.C:
			stop(StatusTimeout)
		case <-cancelled:
			cancelled = nil
			if x.stopping == "" {
				stop(StatusInterrupted)
			}
		case <-k.broken:
			cause := k.fault()
			m.unbind(s)
			m.config.Logger.Warn("sandbox: session broke the protocol", "error", cause)
			if errors.Is(cause, errFlood) {
				s.notice = "The session was killed because it printed far too much."
			}
			return StatusProtocolError
		case <-k.process.exited():
			m.unbind(s)
			switch {
			case k.process.outOfMemory():
				return StatusOutOfMemory
			case x.stopping != "":
				return x.stopping
			default:
				return StatusDied
			}
		}
	}
}

// deliver passes on what the cell showed since the last call.
func (x *execution) deliver() {
	for _, o := range x.sink.take() {
		x.shown.add(o)
		if x.cell.Output != nil {
			x.cell.Output(o)
		}
	}
}

// takeNotice returns what the next result has to tell, once.
func (s *keyed) takeNotice() string {
	notice := s.notice
	s.notice = ""
	return notice
}

// timeLimit is how long a cell may run.
func (m *Manager) timeLimit(cell Cell) time.Duration {
	return min(cmp.Or(cell.Timeout, m.config.Limits.CellTimeout), m.config.Limits.MaxTimeout)
}

// explain says in one line what the status of a cell means for the session.
func (m *Manager) explain(s *keyed, cell Cell, status Status) string {
	lost := s.link == nil
	const fresh = "All variables are gone, the files in /mnt/data are kept."
	m.mu.Lock()
	ended := s.ended
	m.mu.Unlock()
	switch {
	case ended == "expired" && cell.Keep != nil:
		return "The session is over (expired). " + fresh
	case ended != "":
		return fmt.Sprintf("The session is over (%s): variables and files are gone.", ended)
	case status == StatusTimeout && lost:
		return fmt.Sprintf("The code ran longer than the %g s it may, did not stop when interrupted, and was killed. ", m.timeLimit(cell).Seconds()) + fresh
	case status == StatusTimeout:
		return fmt.Sprintf("The code ran longer than the %g s it may and was interrupted. The session goes on with its variables.", m.timeLimit(cell).Seconds())
	case status == StatusInterrupted && lost:
		return "The code was stopped and killed. " + fresh
	case status == StatusOutOfMemory:
		return fmt.Sprintf("The code used more than the %d MiB of memory it may have and was killed. ", s.limits.Memory>>20) + fresh
	case lost:
		return "The session ended while the code ran. " + fresh
	default:
		return ""
	}
}

func joinNotices(notices ...string) string {
	var said []string
	for _, n := range notices {
		if n != "" {
			said = append(said, n)
		}
	}
	return strings.Join(said, " ")
}
