package pyenv

import (
	"cmp"
	"fmt"
	"io"
	"os"
	"sync"
	"time"

	"github.com/schollz/progressbar/v3"
	"golang.org/x/term"
)

// plainEvery is the pause between two lines of progress where there is no terminal.
const plainEvery = 3 * time.Second

// progress shows how an installation goes. Its methods are safe for concurrent use. It is quiet without a writer.
type progress struct {
	out   io.Writer
	start time.Time
	stop  chan struct{}
	done  sync.WaitGroup

	mu     sync.Mutex
	bar    *progressbar.ProgressBar // on a terminal
	name   string                   // of the stage
	detail string
	n      int
	total  int // 0: not countable
	count  func() int
}

// newProgress starts to show progress on out, until close. Out may be nil.
func newProgress(out io.Writer) *progress {
	p := &progress{out: out, start: time.Now(), stop: make(chan struct{})}
	if out == nil {
		return p
	}
	every := plainEvery
	if f, ok := out.(*os.File); ok && term.IsTerminal(int(f.Fd())) {
		p.bar = progressbar.NewOptions(-1, progressbar.OptionSetWriter(out), progressbar.OptionSetWidth(24),
			progressbar.OptionClearOnFinish(), progressbar.OptionSetElapsedTime(true), progressbar.OptionSetPredictTime(false),
			progressbar.OptionShowCount(), progressbar.OptionUseANSICodes(true))
		every = 200 * time.Millisecond
	}
	p.done.Go(func() {
		tick := time.NewTicker(every)
		defer tick.Stop()
		for {
			select {
			case <-p.stop:
				return
			case <-tick.C:
				p.mu.Lock()
				p.show()
				p.mu.Unlock()
			}
		}
	})
	return p
}

// stage begins a stage of total steps, 0 if they cannot be counted.
func (p *progress) stage(name string, total int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.name, p.detail, p.n, p.total = name, "", 0, total
	if p.bar != nil {
		p.bar.Reset()
		p.bar.ChangeMax(cmp.Or(total, -1))
	}
	p.show()
}

// step says that n steps of the stage are done and detail is the current one.
func (p *progress) step(n int, detail string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.n, p.detail = n, detail
}

// watch has count asked, while progress is shown, for steps that nobody reports.
func (p *progress) watch(count func() int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.count = count
}

// close stops showing progress and waits until it has stopped.
func (p *progress) close() {
	close(p.stop)
	p.done.Wait()
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.bar != nil {
		p.bar.Finish()
	}
}

// show draws the current state. The caller has the mutex.
func (p *progress) show() {
	if p.out == nil {
		return
	}
	if p.count != nil && p.detail == "" {
		p.n = max(p.n, p.count())
	}
	line := p.name
	if p.detail != "" {
		line += " " + p.detail
	}
	if p.bar != nil {
		p.bar.Describe("python packages: " + line)
		p.bar.Set(min(p.n, max(p.total-1, 0)))
		return
	}
	if p.total > 0 {
		line = fmt.Sprintf("%s, %d of %d", line, p.n, p.total)
	}
	fmt.Fprintf(p.out, "python packages: %s (%d s)\n", line, int(time.Since(p.start).Seconds()))
}
