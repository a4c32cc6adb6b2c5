package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"time"

	"github.com/understudy-dev/understudy/internal/sandbox"
)

// life is what becomes of one session from its start to its end.
type life struct {
	name   string
	weight int // how often it is led, among the others
	cells  []cell
	// after, if not nil, is done with the session before it ends.
	after func(m *sandbox.Manager, key string) error
}

// cell is one cell of a life, and how it may end.
type cell struct {
	code    string
	want    []sandbox.Status
	timeout time.Duration // 0: the sandbox's own
	cancel  time.Duration // after which the caller goes away, 0: never
	input   bool          // it has a file to read
}

func fine(code string) cell { return cell{code: code, want: []sandbox.Status{sandbox.StatusOK}} }

func ends(code string, want ...sandbox.Status) cell {
	return cell{code: code, want: want, timeout: 10 * time.Second}
}

// benign are cells as models write them.
var benign = []life{
	{name: "assign", weight: 8, cells: []cell{fine("x = 1"), fine("assert x == 1")}},
	{name: "mistake", weight: 3, cells: []cell{ends("1 / 0", sandbox.StatusError), fine("print('again')")}},
	{name: "pandas", weight: 4, cells: []cell{
		fine("import pandas as pd\nframe = pd.DataFrame({'a': range(10_000)})\nframe.describe()"),
		fine("frame.to_csv('frame.csv')"),
	}, after: reads("frame.csv", 1000)},
	{name: "plot", weight: 2, cells: []cell{fine("import matplotlib.pyplot as plt\nplt.plot(range(100))\nplt.show()"), fine("plt.hist([1, 2, 2, 3])")}},
	{name: "input", weight: 3, cells: []cell{{code: "assert len(open('/mnt/data/input.txt').read()) == 4096", want: []sandbox.Status{sandbox.StatusOK}, input: true}}},
	{name: "large file", weight: 2, cells: []cell{fine("open('large', 'wb').write(b'x' * (16 << 20))")}, after: reads("large", 16<<20)},
	{name: "folders", weight: 2, cells: []cell{fine("import os\nfor i in range(200):\n    os.makedirs(f'd{i % 10}/e', exist_ok=True)\n    open(f'd{i % 10}/e/{i}', 'w').write('x')")}},
	{name: "program", weight: 2, cells: []cell{fine("import subprocess\nassert subprocess.run(['true']).returncode == 0")}},
	{name: "much text", weight: 1, cells: []cell{fine("print('x' * (8 << 20))")}},
}

// hostile are cells that take what they can get, break what they can reach, or
// leave things behind.
var hostile = []life{
	{name: "exit", weight: 2, cells: []cell{ends("import os; os._exit(3)", sandbox.StatusDied), fine("1")}},
	{name: "crash", weight: 2, cells: []cell{ends("import ctypes; ctypes.string_at(0)", sandbox.StatusDied), fine("1")}},
	{name: "endless", weight: 2, cells: []cell{
		{code: "while True: pass", want: []sandbox.Status{sandbox.StatusTimeout}, timeout: 300 * time.Millisecond}, fine("1"),
	}},
	{name: "endless in C", weight: 1, cells: []cell{
		{code: "sum(range(10**13))", want: []sandbox.Status{sandbox.StatusTimeout}, timeout: 200 * time.Millisecond}, fine("1"),
	}},
	{name: "caller goes away", weight: 2, cells: []cell{
		{code: "import time; time.sleep(100)", want: []sandbox.Status{sandbox.StatusInterrupted}, cancel: 50 * time.Millisecond}, fine("1"),
	}},
	{name: "all memory", weight: 1, cells: []cell{
		ends("l = []\nwhile True: l.append(bytearray(8 << 20))", sandbox.StatusOutOfMemory, sandbox.StatusError, sandbox.StatusDied), fine("1"),
	}},
	// On a busy machine it is still at it when its time is up.
	{name: "forks", weight: 1, cells: []cell{ends(`import os, time
try:
    for _ in range(1000):
        if os.fork() == 0:
            time.sleep(1e6)
except OSError as error:
    print(error)`, sandbox.StatusOK, sandbox.StatusError, sandbox.StatusOutOfMemory, sandbox.StatusDied, sandbox.StatusTimeout)}},
	{name: "threads", weight: 1, cells: []cell{ends(`import threading, time
try:
    for _ in range(1000):
        threading.Thread(target=time.sleep, args=(1e6,), daemon=True).start()
except RuntimeError as error:
    print(error)`, sandbox.StatusOK, sandbox.StatusError, sandbox.StatusDied)}},
	{name: "daemon", weight: 2, cells: []cell{
		fine("import os, time\nif os.fork() == 0:\n    os.setsid()\n    if os.fork() == 0:\n        time.sleep(1e6)\n    os._exit(0)\nos.wait()"),
	}},
	{name: "late output", weight: 1, cells: []cell{
		fine("import threading, time\ndef talk():\n    while True:\n        print('still here', flush=True)\n        time.sleep(0.001)\nthreading.Thread(target=talk, daemon=True).start()"),
		fine("import time; time.sleep(0.05)"),
	}},
	{name: "full disk", weight: 1, cells: []cell{ends(`try:
    with open('full', 'wb') as f:
        while True: f.write(b'x' * (1 << 20))
except OSError as error:
    print(error)`, sandbox.StatusOK, sandbox.StatusError, sandbox.StatusOutOfMemory, sandbox.StatusDied)}},
	{name: "many files", weight: 1, cells: []cell{ends(`try:
    for i in range(10**6): open(f'f{i}', 'w').close()
except OSError as error:
    print(error)`, sandbox.StatusOK, sandbox.StatusError, sandbox.StatusTimeout)}},
	{name: "descriptors", weight: 1, cells: []cell{ends(`import os
try:
    while True: os.dup(0)
except OSError as error:
    print(error)`, sandbox.StatusOK, sandbox.StatusError, sandbox.StatusDied)}},
	{name: "noise on the protocol", weight: 2, cells: []cell{ends(`import os
for fd in range(3, 64):
    try: os.write(fd, b'noise' * 100)
    except OSError: pass`, sandbox.StatusOK, sandbox.StatusError, sandbox.StatusDied, sandbox.StatusProtocolError)}},
	{name: "link to the host", weight: 1, cells: []cell{fine("import os; os.symlink('/etc/shadow', 'link'); os.mkdir('folder')")}, after: unsafeLinks},
}

// lives are all of them.
var lives = slices.Concat(benign, hostile)

// pick returns the life that number, from 0 on, falls on by the weights.
func pick(lives []life, number uint64) life {
	total := uint64(0)
	for _, l := range lives {
		total += uint64(l.weight)
	}
	number %= total
	for _, l := range lives {
		if number < uint64(l.weight) {
			return l
		}
		number -= uint64(l.weight)
	}
	panic("the weights do not add up")
}

// lead runs the cells of l in the session of key, which it does not end.
func (l life) lead(ctx context.Context, m *sandbox.Manager, key string) error {
	for i, c := range l.cells {
		result, err := c.run(ctx, m, key)
		if err != nil {
			return fmt.Errorf("%s, cell %d: %w", l.name, i, err)
		}
		if !slices.Contains(c.want, result.Status) {
			return fmt.Errorf("%s, cell %d: ended %q (%s), want one of %q: %.300v", l.name, i, result.Status, result.Notice, c.want, result.Outputs)
		}
	}
	if l.after == nil {
		return nil
	}
	if err := l.after(m, key); err != nil {
		return fmt.Errorf("%s: %w", l.name, err)
	}
	return nil
}

func (c cell) run(ctx context.Context, m *sandbox.Manager, key string) (sandbox.Result, error) {
	if c.cancel > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, c.cancel)
		defer cancel()
	}
	run := sandbox.Cell{Code: c.code, Timeout: c.timeout}
	if c.input {
		run.Inputs = []sandbox.Input{{ID: "file-1", Name: "input.txt", Open: func(context.Context) (io.ReadCloser, error) {
			return io.NopCloser(bytes.NewReader(bytes.Repeat([]byte("text"), 1024))), nil
		}}}
	}
	result, err := m.Run(ctx, key, run)
	if c.cancel > 0 && errors.Is(err, context.DeadlineExceeded) {
		return sandbox.Result{Status: sandbox.StatusInterrupted}, nil // before the cell began
	}
	return result, err
}

// reads returns a check that a file can be fetched and is that long at least.
func reads(name string, size int64) func(*sandbox.Manager, string) error {
	return func(m *sandbox.Manager, key string) error {
		f, err := m.Open(key, name)
		if err != nil {
			return err
		}
		defer f.Close()
		n, err := io.Copy(io.Discard, f)
		if err == nil && n < size {
			err = fmt.Errorf("%s has %d bytes, want %d or more", name, n, size)
		}
		return err
	}
}

// unsafeLinks checks that what is no regular file of the session is not opened.
func unsafeLinks(m *sandbox.Manager, key string) error {
	for _, name := range []string{"link", "folder"} {
		f, err := m.Open(key, name)
		if err == nil {
			f.Close()
		}
		if !errors.Is(err, sandbox.ErrUnsafe) {
			return fmt.Errorf("open %s: got error %v, want that it is unsafe", name, err)
		}
	}
	return nil
}
