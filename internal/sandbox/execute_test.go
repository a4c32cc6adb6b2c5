package sandbox

import (
	"net"
	"os"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// lastWords is a process whose cell ends just as it is killed, and that takes a moment
// to die of it.
type lastWords struct {
	connected
	link *link
	gone chan struct{}
	once sync.Once
	lost error // of an interrupt
}

func (p *lastWords) interrupt(time.Time) error { return p.lost }
func (p *lastWords) exited() <-chan struct{}   { return p.gone }
func (p *lastWords) outOfMemory() bool         { return false }
func (p *lastWords) release()                  {}

func (p *lastWords) kill() {
	p.once.Do(func() {
		p.link.done <- doneFrame{Status: StatusOK}
		time.AfterFunc(100*time.Millisecond, func() { close(p.gone) })
	})
}

// TestCellEndsAsItIsKilled is about a session that must not be taken for one that
// goes on: its next cell would die with it. An interrupt that was lost on its way could
// still reach that cell.
func TestCellEndsAsItIsKilled(t *testing.T) {
	t.Run("interrupted in vain", func(t *testing.T) { testEndsAsItIsKilled(t, nil) })
	t.Run("an interrupt is lost", func(t *testing.T) { testEndsAsItIsKilled(t, os.ErrDeadlineExceeded) })
}

func testEndsAsItIsKilled(t *testing.T, lost error) {
	synctest.Test(t, func(t *testing.T) {
		ours, theirs := net.Pipe()
		defer theirs.Close()
		p := &lastWords{connected: connected{c: ours}, gone: make(chan struct{}), lost: lost}
		p.link = &link{process: p, done: make(chan doneFrame, 1), broken: make(chan struct{})}
		m := &Manager{config: Config{Limits: Limits{CellTimeout: time.Second}}.withDefaults()}
		s := &keyed{link: p.link}
		x := &execution{session: s, sink: newCollector(m.config.Limits)}
		if got := m.wait(t.Context(), x); got != StatusTimeout || s.link != nil {
			t.Errorf("got %s, and a link %v; want %s, and none", got, s.link, StatusTimeout)
		}
	})
}
