package sandbox

import (
	"strings"
	"testing"
	"time"
)

// TestZombiesAreCollected has the session inherit more processes than it may have, in one
// cell and in several. Its own children are left to it.
func TestZombiesAreCollected(t *testing.T) {
	t.Parallel()
	m := newManager(t, func(c *Config) { c.Limits.Processes = 48 })
	run(t, m, "k", "import os, subprocess, time\nmine = subprocess.Popen(['sh', '-c', 'exit 3'])\nmany = [subprocess.Popen(['sh', '-c', 'exit 4']) for _ in range(10)]\n"+
		"forked = []\nfor i in range(10):\n  forked.append(os.fork())\n  if forked[-1] == 0: os._exit(i)\n"+
		"spawned = [os.posix_spawn('/bin/sh', ['sh', '-c', 'exit 5'], {}) for _ in range(4)]")
	const orphans = `
for _ in range(20):
    if (child := os.fork()) == 0:
        try:
            if os.fork() == 0: os._exit(0)
            os._exit(0)
        except OSError: os._exit(1)
    assert os.waitpid(child, 0)[1] == 0
`
	for range 8 {
		if r := run(t, m, "k", orphans); r.Status != StatusOK {
			t.Fatalf("a cell of several: %s %s", r.Status, r.Text())
		}
	}
	if r := run(t, m, "k", "for _ in range(200): subprocess.check_output('true &', shell=True)"); r.Status != StatusOK {
		t.Fatalf("in one cell: %s %s", r.Status, r.Text())
	}
	const ends = "code = lambda pid: os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])\n" +
		"mine.wait(), {p.wait() for p in many}, [code(pid) for pid in forked] == [*range(10)], {code(pid) for pid in spawned}"
	if r := run(t, m, "k", ends); r.Text() != "(3, {4}, True, {5})\n" {
		t.Errorf("got %q, want how the children ended", r.Text())
	}
}

// TestInterruptWhileForking: Python loses what is raised in the functions around a fork, and
// a process as large as this one spends most of its time there.
func TestInterruptWhileForking(t *testing.T) {
	t.Parallel()
	m, key := shared(t)
	run(t, m, key, "import os, logging; x = b'1' * (256 << 20)")
	const forks = "while True:\n  if (child := os.fork()) == 0: os._exit(0)\n  os.waitpid(child, 0)"
	for range 3 {
		r, err := m.Run(t.Context(), key, Cell{Code: forks, Timeout: 300 * time.Millisecond})
		if err != nil || r.Status != StatusTimeout || strings.Contains(r.Text(), "Exception ignored") {
			t.Errorf("got %q, %v and %q", r.Status, err, r.Text())
		}
		if r := run(t, m, key, "len(x) >> 20"); r.Text() != "256\n" {
			t.Fatalf("the session did not go on: %q", r.Text())
		}
	}
}

// TestChildInterpreters are started with the flags of the session's own one, which is isolated:
// they find the packages all the same.
func TestChildInterpreters(t *testing.T) {
	t.Parallel()
	m, key := shared(t)
	needPackages(t, m, "pandas")
	const code = "import subprocess, sys\n" +
		"subprocess.run([sys.executable, *subprocess._args_from_interpreter_flags(), '-c', 'import pandas; print(pandas.__name__)'], capture_output=True, text=True)"
	if r := run(t, m, key, code); !strings.Contains(r.Text(), `stdout='pandas\n', stderr=''`) {
		t.Errorf("got %s", r.Text())
	}
}

// TestChildrenLog by a handler that holds the stream of their parent, in which a thread is
// writing all the time.
func TestChildrenLog(t *testing.T) {
	t.Parallel()
	m, key := shared(t)
	const code = `import logging, multiprocessing as mp, sys, threading
logging.basicConfig()
done = threading.Event()
def write():
    while not done.is_set(): sys.stderr.write("x\r")
threading.Thread(target=write).start()
ends = []
for _ in range(30):
    p = mp.get_context('fork').Process(target=logging.warning, args=('from a child',))
    p.start(); p.join(5); ends.append(p.exitcode); p.kill()
done.set()
set(ends)`
	if got := run(t, m, key, code).Text(); !strings.HasSuffix(got, "{0}\n") || strings.Count(got, "WARNING:root:from a child\n") != 30 {
		t.Errorf("got %q", got)
	}
}
