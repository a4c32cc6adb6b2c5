package sandbox

import (
	"errors"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

// scarce is how much memory a test pretends that the host has.
type scarce struct{ atomic.Int64 }

const plenty = 1 << 40

func scarceManager(t *testing.T, change func(*Config)) (*Manager, *scarce) {
	t.Helper()
	left := &scarce{}
	left.Store(plenty)
	m := newManager(t, func(c *Config) {
		c.available = func(int64) int64 { return left.Load() }
		if change != nil {
			change(c)
		}
	})
	return m, left
}

// refuses checks that no cell can be run for want of memory, and that one can later.
func refuses(t *testing.T, m *Manager, left *scarce, free int64, key string, c Cell) {
	t.Helper()
	left.Store(free)
	if _, err := m.Run(t.Context(), key, c); !errors.Is(err, ErrBusy) || !strings.Contains(err.Error(), "MiB of memory left") {
		t.Errorf("got %v, want %v", err, ErrBusy)
	}
	left.Store(plenty)
	if r, err := m.Run(t.Context(), key, c); err != nil || r.Status != StatusOK {
		t.Errorf("with memory again: got %+v, %v", r, err)
	}
}

// TestLittleMemory makes no session and puts no files into one where too little memory
// is left; what is there is used.
func TestLittleMemory(t *testing.T) {
	t.Parallel()
	const little = minAvailable - 1

	m, left := scarceManager(t, nil)
	refuses(t, m, left, little, "new", Cell{Code: "open('f', 'w').write('x' * (20 << 20)); x = 1"})
	left.Store(little)
	if r := run(t, m, "new", "x"); r.Text() != "1\n" {
		t.Errorf("a session that lives: got %q", r.Text())
	}
	run(t, m, "new", "import os; os._exit(0)")
	refuses(t, m, left, little, "new", Cell{Code: "1"})

	// Now the files have to be copied, and memory ends on the way.
	m.driver.(*jailDriver).current.retire()
	run(t, m, "new", "import os; os._exit(0)")
	asked := 0
	m.config.available = func(int64) int64 {
		if asked++; asked > 1 {
			return little
		}
		return plenty
	}
	if _, err := m.Run(t.Context(), "new", Cell{Code: "1"}); !errors.Is(err, ErrBusy) || asked != 2 {
		t.Errorf("copying files: got %v after it was asked %d times, want %v after 2", err, asked, ErrBusy)
	}
	m.config.available = func(int64) int64 { return plenty }
	if r := run(t, m, "new", "import os; os.path.getsize('f') >> 20"); r.Text() != "20\n" {
		t.Errorf("copied later: got %q", r.Text())
	}
}

func TestLittleMemoryForFiles(t *testing.T) {
	t.Parallel()
	const little = minAvailable - 1
	m, left := scarceManager(t, func(c *Config) { c.Pool = 1 })
	for m.Stats().Pooled == 0 {
		<-time.After(time.Millisecond)
	}
	left.Store(little)
	if r := run(t, m, "pooled", "1"); r.Text() != "1\n" {
		t.Errorf("a session of the pool: got %q", r.Text())
	}
	large := input("file-1", "large", strings.Repeat("x", 40<<20))
	refuses(t, m, left, little, "pooled", Cell{Code: "import os; assert os.path.getsize('large') == 40 << 20", Inputs: []Input{large}})

	kept := &shelf{files: map[string]keptBytes{"f": {content: strings.Repeat("x", 1<<20)}}, version: 1, saves: 1}
	refuses(t, m, left, minAvailable+1<<19, "kept", Cell{Code: "import os; assert os.path.getsize('f') == 1 << 20", Keep: kept})
}
