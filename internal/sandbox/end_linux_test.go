package sandbox

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"
)

// TestEnds is about cells that do not end by themselves, or take the session along.
func TestEnds(t *testing.T) {
	t.Parallel()
	m := newManager(t, func(c *Config) {
		c.Limits = Limits{
			Memory: 300 << 20, CellTimeout: 300 * time.Millisecond, Grace: time.Second,
			FloodBytes: 8 << 20, OutputBytes: 1 << 20, Processes: 32,
		}
	})
	const swallow = "import time\nwhile True:\n    try:\n        while True: time.sleep(1)\n    except BaseException: pass"
	for _, c := range []struct {
		name   string
		code   string
		status Status
		keeps  bool // the session
	}{
		{"endless loop", "while True: pass", StatusTimeout, true},
		{"endless sleep", "import time; time.sleep(1e6)", StatusTimeout, true},
		{"interrupt swallowed", swallow, StatusTimeout, false},
		{"interrupt ignored", "import signal\nsignal.signal(signal.SIGINT, signal.SIG_IGN)\nwhile True: pass", StatusTimeout, false},
		{"loop in C", "sum(range(10**12))", StatusTimeout, false},
		{"subprocess in the way", "import subprocess; subprocess.run(['sleep', '1000'])", StatusTimeout, true},
		{"stopped", "import os, signal; os.kill(os.getpid(), signal.SIGSTOP); import time; time.sleep(1e6)", StatusTimeout, !onGVisor()},
		{"exit", "import os; os._exit(0)", StatusDied, false},
		{"abort", "import os; os.abort()", StatusDied, false},
		{"null pointer", "import ctypes; ctypes.string_at(0)", StatusDied, false},
		{"exec", "import os; os.execv('/bin/true', ['true'])", StatusDied, false},
		{"socket closed", "import os; os.close(3); import time; time.sleep(1e6)", StatusTimeout, false},
		{"forged header", "import os, time\nos.write(3, b'x' * 64)\ntime.sleep(1e6)", StatusProtocolError, false},
		{"frame of 4 GB", "import os, time\nos.write(3, b'\\xff' * 4 + b'\\2' + b'\\0' * 8)\ntime.sleep(1e6)", StatusProtocolError, false},
		{"unknown frame", "import os, time\nos.write(3, b'\\x09\\0\\0\\0\\x63' + b'\\0' * 8)\ntime.sleep(1e6)", StatusProtocolError, false},
		{"end of another cell", "import os, struct, time\nj = b'{\"status\":\"ok\"}'\n" +
			"os.write(3, struct.pack('<IBII', 9 + len(j), 7, 10**6, len(j)) + j)\ntime.sleep(1e6)", StatusProtocolError, false},
		{"sync without end", "import os, struct\nwhile True: os.write(3, struct.pack('<IBII', 9, 9, 1, 0) * 100)", StatusProtocolError, false},
		{"too much output", "while True: print('x' * 10000)", StatusProtocolError, false},
		{"too much output of a subprocess", "import subprocess; subprocess.run(['yes'])", StatusProtocolError, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			run(t, m, c.name, "kept = 1\nopen('kept', 'w').write('x')")
			began := time.Now()
			cell := Cell{Code: c.code}
			if c.status == StatusProtocolError {
				cell.Timeout = 30 * time.Second // long enough for a slow machine to flood
			}
			r, err := m.Run(t.Context(), c.name, cell)
			if err != nil {
				t.Fatal(err)
			}
			if r.Status != c.status {
				t.Errorf("got status %q, want %q; logs: %.300q", r.Status, c.status, r.Text())
			}
			if took := time.Since(began); took > 20*time.Second {
				t.Errorf("took %v", took)
			}
			if r.Notice == "" {
				t.Error("got no notice")
			}
			r = run(t, m, c.name, "import os; print('kept' in globals(), os.listdir())")
			if got, want := r.Text(), map[bool]string{true: "True ['kept']\n", false: "False ['kept']\n"}[c.keeps]; got != want {
				t.Errorf("afterwards: got %q, want %q", got, want)
			}
			if fresh := strings.Contains(r.Notice, "variables"); fresh == c.keeps {
				t.Errorf("afterwards: got notice %q, want one about variables: %v", r.Notice, !c.keeps)
			}
			m.Kill(c.name)
		})
	}
}

func TestOutOfMemory(t *testing.T) {
	t.Parallel()
	m := newManager(t, func(c *Config) { c.Limits.Memory = 300 << 20 })
	other := run(t, m, "other", "x = 1")
	if other.Status != StatusOK {
		t.Fatalf("got status %q", other.Status)
	}
	for name, code := range map[string]string{
		"at once":      "bytearray(1 << 30)",
		"bit by bit":   "l = []\nwhile True: l.append(bytearray(1 << 20))",
		"in /mnt/data": "f = open('f', 'wb')\nwhile True: f.write(b'x' * (1 << 20))",
		"in a child":   "import os\nif os.fork() == 0:\n    bytearray(1 << 30)\n    os._exit(0)\nos.wait()",
		"impossible":   "b'a' * 2**60",
	} {
		r, err := m.Run(t.Context(), name, Cell{Code: code, Timeout: 20 * time.Second})
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		hard := m.Report().Cgroups != "none"
		switch {
		case name == "impossible":
			if r.Status != StatusError || !strings.Contains(r.Text(), "MemoryError") {
				t.Errorf("%s: got %q %q, want a MemoryError", name, r.Status, r.Text())
			}
		case name == "in a child", name == "in /mnt/data":
			// The kernel chooses whom to kill, and what the size limit of the volume stops first.
			if r.Status == StatusProtocolError {
				t.Errorf("%s: got status %q", name, r.Status)
			}
		case hard && r.Status != StatusOutOfMemory:
			t.Errorf("%s: got status %q, want %q", name, r.Status, StatusOutOfMemory)
		case !hard && r.Status != StatusOutOfMemory && !strings.Contains(r.Text(), "MemoryError"):
			t.Errorf("%s: got status %q and logs %q", name, r.Status, r.Text())
		}
		m.Kill(name)
	}
	if got := run(t, m, "other", "x").Text(); got != "1\n" {
		t.Errorf("the other session: got %q, want it unharmed", got)
	}
}

func TestForkBomb(t *testing.T) {
	t.Parallel()
	m := newManager(t, func(c *Config) { c.Limits.Processes = 32 })
	if len(m.Report().Controllers) == 0 {
		unavailable(t, "control groups")
	}
	timeout := 20 * time.Second // long enough for a slow machine to fork so often
	if onGVisor() {             // which knows no such limit
		timeout = time.Second
	}
	r, err := m.Run(t.Context(), "k", Cell{Timeout: timeout, Code: `
import os, time
try:
    while True:
        if os.fork() == 0:
            time.sleep(1000)
except OSError as e:
    print(e.errno)
`})
	if err != nil {
		t.Fatal(err)
	}
	if got := r.Text(); got != "11\n" && !onGVisor() {
		t.Errorf("got %q, want EAGAIN", got)
	}
	began := time.Now()
	m.Kill("k")
	if took := time.Since(began); took > 2*time.Second {
		t.Errorf("the kill took %v", took)
	}
}

// TestFolderIsClosed: a session that closes its folder to itself goes on, and does not make
// what sessions come from look damaged.
func TestFolderIsClosed(t *testing.T) {
	t.Parallel()
	m, key := shared(t)
	for range 3 * maxFailures {
		run(t, m, key, "import os; os.chmod('/mnt/data', 0); os._exit(0)")
	}
	const reopen = "import os; os.chmod('/mnt/data', 0o700); open('/mnt/data/f', 'w').write('x')"
	if r := run(t, m, key, reopen); r.Text() != "1\n" || r.Notice != freshSession || len(r.Files) != 1 {
		t.Errorf("got %q, notice %q and files %v", r.Text(), r.Notice, r.Files)
	}
}

// TestFirstInterruptCounts: a cell that has just begun is interrupted too, and not only
// by the next interrupt, which comes ten seconds later here.
func TestFirstInterruptCounts(t *testing.T) {
	t.Parallel()
	m := newManager(t, func(c *Config) { c.Limits.Grace = nudges * 10 * time.Second })
	run(t, m, "k", "x = 5")
	for range 3 {
		ctx, cancel := context.WithCancel(t.Context())
		began := time.Now()
		r, err := m.Run(ctx, "k", Cell{
			Code:   "print('now')\nwhile True: pass",
			Output: func(Output) { cancel() },
		})
		if took := time.Since(began); err != nil || r.Status != StatusInterrupted || took > 9*time.Second {
			t.Errorf("got %q, %v after %s, want it interrupted at once", r.Status, err, took)
		}
	}
	if got := run(t, m, "k", "x").Text(); got != "5\n" {
		t.Errorf("got %q, want the variable kept", got)
	}
}

func TestCancelWhileRunning(t *testing.T) {
	t.Parallel()
	m, key := shared(t)
	run(t, m, key, "x = 5")
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	r, err := m.Run(ctx, key, Cell{Code: "while True: pass"})
	if err != nil || r.Status != StatusInterrupted {
		t.Errorf("got %q, %v, want interrupted", r.Status, err)
	}
	if got := run(t, m, key, "x").Text(); got != "5\n" {
		t.Errorf("got %q, want the variable kept", got)
	}
}

func TestKillWhileRunning(t *testing.T) {
	t.Parallel()
	m, key := shared(t)
	started := make(chan struct{})
	done := make(chan Result, 1)
	go func() {
		r, err := m.Run(t.Context(), key, Cell{
			Code:   "print('x')\nimport time; time.sleep(1e6)",
			Output: func(Output) { close(started) },
		})
		if err != nil {
			t.Error(err)
		}
		done <- r
	}()
	<-started
	m.Kill(key)
	if r := <-done; r.Status != StatusDied || !strings.Contains(r.Notice, "deleted") {
		t.Errorf("got status %q, notice %q", r.Status, r.Notice)
	}
	if _, err := m.Open(key, "x"); !errors.Is(err, ErrNoSession) {
		t.Errorf("afterwards: got error %v, want %v", err, ErrNoSession)
	}
}

func TestLateOutputBelongsToNobody(t *testing.T) {
	t.Parallel()
	m, key := shared(t)
	run(t, m, key, `
import threading, time
go = threading.Event()
def late():
    go.wait()
    print("late")
    said.set()
said = threading.Event()
threading.Thread(target=late, daemon=True).start()
`)
	r := run(t, m, key, "go.set(); said.wait(); print('now')")
	if got := r.Text(); got != "now\n" {
		t.Errorf("got %q, want only what the cell itself printed", got)
	}
}

func TestFloodBetweenCells(t *testing.T) {
	t.Parallel()
	m := newManager(t, func(c *Config) { c.Limits.FloodBytes = 4 << 20 })
	for _, code := range []string{
		"import threading\ndef flood():\n    while True: print('x' * 10000)\nthreading.Thread(target=flood, daemon=True).start()",
		"import subprocess; p = subprocess.Popen(['yes'])",
	} {
		run(t, m, "k", code)
		<-m.sessions["k"].link.process.exited()
		if r := run(t, m, "k", "1 + 1"); r.Text() != "2\n" || r.Notice == "" {
			t.Errorf("%s: afterwards got %+v, want a fresh session", code, r)
		}
	}
}
