package sandbox

import (
	"strings"
	"testing"
	"time"
)

// alarms defines rounds, which runs code for 20 ms and a bit, over and over, with an alarm
// in it that must end it: it prints how often it did not.
const alarms = `
import os, signal, time
class Late(Exception): pass
def ring(*args): raise Late
signal.signal(signal.SIGALRM, ring)
def rounds(step, count=40):
    missed = 0
    for i in range(count):
        try:
            signal.setitimer(signal.ITIMER_REAL, 0.02 + 0.0007 * (i % 29))
            end = time.monotonic() + 2
            while time.monotonic() < end: step()
            missed += 1
        except Late: pass
    print('missed', missed)
`

// TestSignalHandlers has handlers called where a frame is under way, or nobody would catch
// what they raise.
func TestSignalHandlers(t *testing.T) {
	t.Parallel()
	m, key := shared(t)
	run(t, m, key, alarms)
	for _, test := range []struct{ name, code, want string }{
		{"programs", "rounds(lambda: os.system('true'))", "missed 0\n"},
		{"threads", "import threading\nhere = threading.Event()\nthread = threading.Thread(target=here.wait); thread.start()\n" +
			"rounds(lambda: os.system('true'))\nhere.set()", "missed 0\n"},
		{"long lines", "rounds(lambda: print('x' * 900_000), 10)", "missed 0\n"},
		{"handler that prints", "said = 0\ndef say(*args):\n  global said\n  said += 1; print('tick' * 1000)\n" +
			"signal.signal(signal.SIGALRM, say); signal.setitimer(signal.ITIMER_REAL, .001, .001)\n" +
			"for _ in range(2000): print('line')\n" +
			"signal.setitimer(signal.ITIMER_REAL, 0); print('missed', 0 if said > 3 else 1)", "missed 0\n"},
		{"handler slower than its signal", "done = 0\ndef slow(*args):\n  global done\n  time.sleep(.005); done += 1\n" +
			"signal.signal(signal.SIGALRM, slow); signal.setitimer(signal.ITIMER_REAL, .001, .001)\n" +
			"while done < 100: pass\nsignal.setitimer(signal.ITIMER_REAL, 0)", ""},
		{"what is set", "before = signal.signal(signal.SIGALRM, ring)\nbefore is slow, signal.getsignal(signal.SIGALRM) is ring, signal.signal(signal.SIGALRM, signal.SIG_IGN) is ring", "(True, True, True)\n"},
		{"own interrupt", "got = []\nsignal.signal(signal.SIGINT, lambda *args: got.append(1))\nos.kill(os.getpid(), signal.SIGINT); got", "[1]\n"},
		{"in a child", "def other(*args): os._exit(5)\nsignal.signal(signal.SIGALRM, other)\n" +
			"if (pid := os.fork()) == 0:\n  signal.setitimer(signal.ITIMER_REAL, .01)\n  while True: pass\n" +
			"os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])", "5\n"},
	} {
		r, err := m.Run(t.Context(), key, Cell{Code: test.code, Timeout: 2 * time.Minute})
		if got := r.Text(); err != nil || r.Status != StatusOK || !strings.HasSuffix(got, test.want) {
			t.Errorf("%s: got %q %v %.2000q, want %q", test.name, r.Status, err, got[max(0, len(got)-2000):], test.want)
		}
	}
}

// TestAlarmBetweenCells has a handler raise when no cell runs.
func TestAlarmBetweenCells(t *testing.T) {
	t.Parallel()
	m, key := shared(t)
	run(t, m, key, "import os, signal, time\nrung = 0\ndef ring(*args):\n  global rung\n  rung += 1\n  raise TimeoutError\n"+
		"signal.signal(signal.SIGALRM, ring); signal.setitimer(signal.ITIMER_REAL, .01, .01)\ntry: time.sleep(.001)\nexcept TimeoutError: pass")
	tick := time.NewTicker(50 * time.Millisecond) // for the alarm to come between two cells
	defer tick.Stop()
	for {
		<-tick.C
		r, err := m.Run(t.Context(), key, Cell{Code: "try:\n  signal.setitimer(signal.ITIMER_REAL, 0)\nexcept TimeoutError: signal.setitimer(signal.ITIMER_REAL, 0)\nx = rung"})
		if err != nil || r.Notice != "" {
			t.Fatalf("got notice %q and %v, after %.500q", r.Notice, err, r.Text())
		}
		if run(t, m, key, "rung > 0").Text() == "True\n" {
			return
		}
		run(t, m, key, "signal.setitimer(signal.ITIMER_REAL, .01)")
	}
}

// TestInterruptsThatCodeHides: it has not seen them, or has said that it does not want to.
func TestInterruptsThatCodeHides(t *testing.T) {
	t.Parallel()
	m, key := shared(t)
	for _, test := range []struct{ name, before, code string }{
		{"in a destructor", "class A:\n  def __del__(self): sum(range(20))", "while True: A(); sum(range(20))"},
		{"blocked", "import signal; signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGINT])", "while True: pass"},
		{"ignored", "import signal; signal.signal(signal.SIGINT, signal.SIG_IGN)", "while True: pass"},
	} {
		run(t, m, key, "x = 5\n"+test.before)
		r, err := m.Run(t.Context(), key, Cell{Code: test.code, Timeout: 300 * time.Millisecond})
		if err != nil || r.Status != StatusTimeout {
			t.Errorf("%s: got %q and %v", test.name, r.Status, err)
		}
		if got := run(t, m, key, "x").Text(); got != "5\n" {
			t.Errorf("%s: got %q, want the variable kept", test.name, got)
		}
	}
	r, err := m.Run(t.Context(), key, Cell{Timeout: 200 * time.Millisecond,
		Code: "import time\nsignal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGINT])\ntime.sleep(.5)"})
	if err != nil {
		t.Fatal(err)
	}
	if got := run(t, m, key, "signal.pthread_sigmask(signal.SIG_UNBLOCK, [signal.SIGINT]); time.sleep(.01); x").Text(); got != "5\n" {
		t.Errorf("after %q got %q: the interrupt was for the cell before", r.Status, got)
	}
}

// TestDetachedStreams are of no use any more, and are replaced.
func TestDetachedStreams(t *testing.T) {
	t.Parallel()
	m, key := shared(t)
	for _, code := range []string{
		"x = 5; import io, sys; kept = sys.stdin.detach()",
		"sys.stdout = io.TextIOWrapper(io.BytesIO()); kept = sys.stdout.detach()",
		"del sys.stdin",
	} {
		run(t, m, key, code)
		if r := run(t, m, key, "print(x, sys.stdin.read() == '')"); r.Text() != "5 True\n" {
			t.Errorf("after %q: got %q, notice %q", code, r.Text(), r.Notice)
		}
	}
}
