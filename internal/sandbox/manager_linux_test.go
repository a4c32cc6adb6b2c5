package sandbox

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestCells(t *testing.T) {
	t.Parallel()
	m, key := shared(t)
	for _, c := range []struct {
		name   string
		code   string
		status Status
		want   string // contained in the logs
	}{
		{"value of the last expression", "x = 20\nx + 1", StatusOK, "21\n"},
		{"variables stay", "x * 2", StatusOK, "40\n"},
		{"print", "print('a', 'b')", StatusOK, "a b\n"},
		{"stderr", "import sys\nprint('e', file=sys.stderr)", StatusOK, "e\n"},
		{"print without newline before a value", "print('a', end='')\n5", StatusOK, "a\n5\n"},
		{"progress in place", "for i in range(3):\n    print(f'\\rstep {i}', end='')\nprint()", StatusOK, "step 2\n"},
		{"binary output", "sys.stdout.buffer.write(b'\\xff\\n'); None", StatusOK, "\uFFFD\n"},
		{"lone surrogate", "print('\\ud800')", StatusOK, "?\n"},
		{"traceback", "def f():\n    1/0\nf()", StatusError, "ZeroDivisionError: division by zero\n"},
		{"syntax error", "1 +", StatusError, "SyntaxError"},
		{"NUL in the source", "x = 1\x00", StatusError, "Error"},
		{"carriage returns in the source", "a = 1\r\nb = 2\r\na + b\r\n", StatusOK, "3\n"},
		{"empty", "", StatusOK, ""},
		{"input", "input('name?')", StatusError, "EOFError"},
		{"getpass", "import getpass\ngetpass.getpass()", StatusError, "EOFError"},
		{"exit", "exit()", StatusOK, "nothing to exit from"},
		{"quit", "quit()", StatusOK, "nothing to exit from"},
		{"sys.exit", "sys.exit(3)", StatusError, "SystemExit: 3"},
		{"raise KeyboardInterrupt", "raise KeyboardInterrupt", StatusError, "KeyboardInterrupt"},
		{"still there", "x", StatusOK, "20\n"},
		{"subprocess output in order", "import os, subprocess\nprint('1')\nsubprocess.run(['echo', '2'])\nprint('3')", StatusOK, "1\n2\n3\n"},
		{"os.system output in order", "print('1', end='')\nos.system('echo 2')\nprint('3')", StatusOK, "12\n3\n"},
		{"subprocess return code", "subprocess.run('exit 3', shell=True).returncode", StatusOK, "3\n"},
		{"waitpid", "import os\nos.waitstatus_to_exitcode(os.waitpid(os.spawnlp(os.P_NOWAIT, 'false', 'false'), 0)[1])", StatusOK, "1\n"},
		{"child interpreter", "subprocess.check_output(['python3', '-c', 'print(6 * 7)'])", StatusOK, `b'42\n'`},
		{"forked child prints", "pid = os.fork()\nif pid == 0:\n    print('child')\n    os._exit(0)\nos.waitpid(pid, 0)[1]", StatusOK, "child\n"},
		{"multiprocessing", "import multiprocessing\nwith multiprocessing.Pool(2) as p:\n    print(p.map(abs, [-1, -2]))", StatusOK, "[1, 2]\n"},
		{"multiprocessing, spawned", "with multiprocessing.get_context('spawn').Pool(1) as p:\n    print(p.map(abs, [-3]))", StatusOK, "[3]\n"},
		{"threads", "import threading\nt = threading.Thread(target=print, args=('in thread',)); t.start(); t.join()", StatusOK, "in thread\n"},
		{"asyncio", "import asyncio\nasyncio.run(asyncio.sleep(0, 'slept'))", StatusOK, "'slept'\n"},
		{"recursion", "def f(): f()\nf()", StatusError, "RecursionError"},
		{"evil repr", "class E:\n    def __repr__(self): raise ValueError('no repr')\nprint(E())", StatusError, "no repr"},
		{"stdout replaced", "sys.stdout = None\n7", StatusOK, ""},
		{"stdout restored", "print('back')", StatusOK, "back\n"},
		{"stdout closed", "sys.stdout.close()", StatusOK, ""},
		{"stdout open again", "print('back')", StatusOK, "back\n"},
		{"huge value", "'v' * 200_000", StatusOK, "characters left out"},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := run(t, m, key, c.code)
			if r.Status != c.status {
				t.Errorf("got status %q, want %q; logs:\n%s", r.Status, c.status, r.Text())
			}
			if got := r.Text(); !strings.Contains(got, c.want) {
				t.Errorf("got logs %q, want them to contain %q", got, c.want)
			}
			if r.Notice != "" {
				t.Errorf("got notice %q, want none", r.Notice)
			}
		})
	}
}

func TestHistoryBegins(t *testing.T) {
	t.Parallel()
	m, key := shared(t)
	needPackages(t, m, "IPython")
	const code = "_i, _ii, _iii, get_ipython().execution_count"
	if got, want := run(t, m, key, code).Text(), "('', '', '', 2)\n"; got != want {
		t.Errorf("the first cell: got %q, want %q", got, want)
	}
}

func TestIPython(t *testing.T) {
	t.Parallel()
	m, key := shared(t)
	needPackages(t, m, "IPython")
	for _, c := range []struct {
		code string
		want string
	}{
		{"import asyncio\nawait asyncio.sleep(0, 'awaited')", "'awaited'\n"},
		{"1 + 1", "2\n"},
		{"_ + 1", "3\n"},
		{"Out[2]", "2\n"},
		{"In[2]", "'1 + 1'\n"},
		{"_i2, _i", "('1 + 1', 'In[2]')\n"},
		{"_ii, _iii", "('In[2]', 'Out[2]')\n"},
		{"%history 6-7", "_i2, _i\n_ii, _iii\n"},
		{"get_ipython().execution_count", "10\n"},
		{"len(get_ipython().history_manager.db_input_cache)", "0\n"},
		{"!echo hello; exit 3", "hello\n"},
		{"_exit_code", "3\n"},
		{"files = !echo a\nfiles", "['a']\n"},
		{"%%bash\necho from bash", "from bash\n"},
		{"%pip install x", "no network"},
		{"!pip install x", "no network"},
		{"!python3 -m pip install -q x", "no network"},
		{"!echo pip install", "pip install\n"},
		{"!true", ""},
		{"%matplotlib inline", ""},
		{"%timeit -n1 -r1 1", "per loop"},
		{"from IPython.display import Markdown, display\ndisplay(Markdown('**b**'))", "**b**\n"},
		{"def f(): f()\ntry: f()\nexcept RecursionError: get_ipython().showtraceback()", "RecursionError: maximum recursion depth"},
		{"pwd", "'/mnt/data'\n"},
		{"print('shown')\n[1, 2]", "shown\n[1, 2]\n"},
		{"dict(getattr(get_ipython().history_manager, 'outputs', {}))", "{}\n"}, // no copy is kept of what was shown
		{"print('''\n%time\n!ls\n''')", "\n%time\n!ls\n"},
		{"pwd = 3\npwd", "3\n"},
		{"pwd", "3\n"},
		{"leave = quit\n'set'", "'set'\n"},
		{"leave", "stays open"},
		{"%macro -q twice 2", ""},
		{"twice", "2\n"},
		{"In [1]: 1 + 4", "5\n"},
		{"# pasted\nIn [1]: five = 5\nIn [2]: five", "5\n"},
		{"async def numbers():\n    yield 4\n[n async for n in numbers()]", "[4]\n"},
		{"import warnings\nwith warnings.catch_warnings(record=True) as seen: get_ipython().run_cell('y = 1 is 1')\nlen(seen)", "1\n"},
		{"import ast\ncode = get_ipython().transform_cell('y = 6')\nast.dump(get_ipython().compile.ast_parse(code, symbol='single'))", "Interactive("},
		{"change = lambda lines: [line.replace('SIX', 'await later()') for line in lines]\nget_ipython().input_transformers_cleanup.append(change)\nasync def later(): return 6", ""},
		{"y = 1\nSIX", "6\n"},
		{"get_ipython().input_transformers_cleanup.remove(change)", ""},
		{"get_ipython().__class__.__mro__[1].__name__", "'InteractiveShell'\n"},
	} {
		r := run(t, m, key, c.code)
		if got := r.Text(); r.Status != StatusOK || !strings.Contains(got, c.want) {
			t.Errorf("%s: got status %q and logs %q, want ok and %q", c.code, r.Status, got, c.want)
		}
	}
}

func TestFigures(t *testing.T) {
	t.Parallel()
	m, key := shared(t)
	needPackages(t, m, "matplotlib", "numpy", "PIL")
	kinds := func(r Result) string {
		var b strings.Builder
		for _, o := range r.Outputs {
			switch {
			case o.Data != nil:
			case o.Image == nil:
				b.WriteString(strings.TrimSpace(o.Logs) + " ")
			case o.Image.MIME != "image/png":
				b.WriteString(o.Image.MIME + " ")
			case strings.HasPrefix(string(o.Image.Data), "\x89PNG\r\n") && o.Image.MIME == "image/png":
				b.WriteString("PNG ")
			default:
				b.WriteString("? ")
			}
		}
		return strings.TrimSpace(b.String())
	}
	for _, c := range []struct{ name, code, want string }{
		{"left open", "import matplotlib.pyplot as plt\n_ = plt.plot([1, 2])", "PNG"},
		{"closed after the cell", "len(plt.get_fignums())", "0"},
		{"show, in order", "print('a'); plt.plot([1]); plt.show(); print('b')\nplt.figure(); plt.plot([2]); print('c')", "a PNG b\nc PNG"},
		{"two figures", "for i in range(2):\n    plt.figure(); plt.plot([i])", "PNG PNG"},
		{"subplots, as value", "fig, ax = plt.subplots(1, 2)\nfig", "PNG"},
		{"figure outside pyplot", "from matplotlib.figure import Figure\nf = Figure(); f.subplots().plot([1]); f", "PNG"},
		{"after an error", "plt.plot([1]); 1/0", "PNG"},
		{"saved and closed", "plt.plot([1]); plt.savefig('a.png'); plt.close()", ""},
		{"empty figure", "plt.figure(); None", ""},
		{"another backend asked for", "import matplotlib; matplotlib.use('Agg'); _ = plt.plot([1])", "PNG"},
		{"shown and then the value", "plt.plot([1]); f = plt.gcf(); plt.show(); f", "PNG"},
		{"displayed twice", "plt.plot([1]); f = plt.gcf(); display(f); display(f)", "PNG"},
		{"changed between", "plt.plot([1]); f = plt.gcf(); display(f); f.suptitle('x'); display(f)", "PNG PNG"},
		{"again in the next cell", "f", "PNG"},
		{"returned", "def g():\n    f, a = plt.subplots(); a.plot([1]); return f\ng()", "PNG"},
		{"shown by pillow", "from PIL import Image; Image.new('RGB', (4, 4)).show()", "PNG"},
		{"other formats", "from IPython.display import Image as Shown\nfor k in 'gif', 'webp': Image.new('RGB', (4, 4)).save('x.' + k); display(Shown('x.' + k))", "image/gif image/webp"},
		{"a file", "Shown('a.png')", "PNG"},
		{"SVG", "from IPython.display import SVG; SVG('<svg/>')", "[SVG picture, saved as /mnt/data/figure-1.svg]"},
		{"picture as value", "from PIL import Image; Image.new('RGB', (4, 4))", "PNG"},
	} {
		r := run(t, m, key, c.code)
		got := kinds(r)
		if c.name == "after an error" {
			got = strings.TrimPrefix(got[strings.LastIndex(got, "\n")+1:], "ZeroDivisionError: division by zero ")
		}
		if got != c.want {
			t.Errorf("%s: got %q, want %q", c.name, got, c.want)
		}
	}
}

func TestOutputArrivesBeforeTheEnd(t *testing.T) {
	t.Parallel()
	m, key := shared(t)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var streamed strings.Builder
	r, err := m.Run(ctx, key, Cell{
		Code: "import time\nprint('now')\ntime.sleep(60)",
		Output: func(o Output) {
			streamed.WriteString(o.Logs)
			cancel() // only what arrives early ends the cell early
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	if r.Status != StatusInterrupted || !strings.HasPrefix(streamed.String(), "now\n") {
		t.Errorf("got status %q and streamed %q, want interrupted and now", r.Status, streamed.String())
	}
	if got := r.Text(); got != streamed.String() {
		t.Errorf("streamed %q, but the result has %q", streamed.String(), got)
	}
	if r := run(t, m, key, "print('alive')"); r.Text() != "alive\n" || r.Notice != "" {
		t.Errorf("after an interrupt: got %+v, want a session that goes on", r)
	}
}

func TestSessionsAreApart(t *testing.T) {
	t.Parallel()
	m := newManager(t, nil)
	run(t, m, "a", "x = 1\nopen('f', 'w').write('a')\nopen('/tmp/f', 'w').write('a')\nopen('/dev/shm/f', 'w').write('a')")
	r := run(t, m, "b", "import os\nprint('x' in globals(), os.listdir('.'), os.path.exists('/tmp/f'), os.listdir('/dev/shm'))")
	if got, want := r.Text(), "False [] False []\n"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestRunRefuses(t *testing.T) {
	t.Parallel()
	m := newManager(t, func(c *Config) { c.MaxSessions, c.Limits.CodeBytes = 1, 100 })
	run(t, m, "k", "1")
	cancelled, cancel := context.WithCancel(t.Context())
	cancel()
	for _, c := range []struct {
		name string
		ctx  context.Context
		key  string
		code string
		want error
	}{
		{"too much code", t.Context(), "k", strings.Repeat("1", 101), ErrTooLarge},
		{"cancelled", cancelled, "k", "1", context.Canceled},
	} {
		if _, err := m.Run(c.ctx, c.key, Cell{Code: c.code}); !errors.Is(err, c.want) {
			t.Errorf("%s: got error %v, want %v", c.name, err, c.want)
		}
	}
	m.Kill("k")
	run(t, m, "other", "1")
	if err := m.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := m.Run(t.Context(), "k", Cell{}); !errors.Is(err, ErrClosed) {
		t.Errorf("after Close: got error %v, want %v", err, ErrClosed)
	}
}

func TestCellsOfAKeyTakeTurns(t *testing.T) {
	t.Parallel()
	m, key := shared(t)
	run(t, m, key, "n = 0")
	const cells = 8
	errs := make(chan error, cells)
	for range cells {
		go func() {
			_, err := m.Run(t.Context(), key, Cell{Code: "v = n\nimport time; time.sleep(0.005)\nn = v + 1"})
			errs <- err
		}()
	}
	for range cells {
		if err := <-errs; err != nil {
			t.Error(err)
		}
	}
	if got := run(t, m, key, "n").Text(); got != "8\n" {
		t.Errorf("got n = %q, want 8", got)
	}
}

func TestMinIsolation(t *testing.T) {
	t.Parallel()
	m, err := New(t.Context(), Config{Dir: t.TempDir(), Python: "/nonexistent/python3"})
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	if r := m.Report(); r.Level != LevelNone || r.Problem == "" {
		t.Errorf("got report %v, want level none with a problem", r)
	}
	if _, err := m.Run(t.Context(), "k", Cell{Code: "1"}); !errors.Is(err, ErrIsolation) {
		t.Errorf("got error %v, want %v", err, ErrIsolation)
	}
}

func TestStats(t *testing.T) {
	t.Parallel()
	m := newManager(t, nil)
	run(t, m, "a", "1")
	run(t, m, "b", "1")
	m.Kill("a")
	run(t, m, "b", "import os; os._exit(0)")
	run(t, m, "b", "1/0")
	got := m.Stats()
	times := [2]uint64{}
	for i, h := range []Histogram{got.CellTime, got.OnDemand} {
		for _, n := range h.Counts {
			times[i] += n
		}
		if h.Sum <= 0 {
			t.Errorf("got sum %v", h.Sum)
		}
	}
	if want := [2]uint64{4, 3}; times != want {
		t.Errorf("got %d times of cells and hand-overs, want %d", times, want)
	}
	got.CellTime, got.OnDemand = Histogram{}, Histogram{}
	want := Stats{
		Live: 1, Started: 2, Killed: map[string]int{"deleted": 1, "died": 1},
		Cells: map[Status]int{StatusOK: 2, StatusError: 1, StatusDied: 1},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("stats (-want +got):\n%s", diff)
	}
	if u := m.Usage(); len(u.Memory) != 1 || u.Restarts != 0 || u.Memory[0] < 1<<20 && m.Report().Cgroups != "none" {
		t.Errorf("got usage %+v", u)
	}
}

func TestHistogram(t *testing.T) {
	t.Parallel()
	var h Histogram
	for _, d := range []time.Duration{0, time.Millisecond, time.Millisecond + 1, time.Hour} {
		h.add(d)
	}
	want := Histogram{Sum: time.Hour + 2*time.Millisecond + 1}
	want.Counts[0], want.Counts[1], want.Counts[2], want.Counts[len(want.Counts)-1] = 1, 1, 1, 1
	if diff := cmp.Diff(want, h); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestLifetime(t *testing.T) {
	t.Parallel()
	m := newManager(t, func(c *Config) { c.Lifetime = 500 * time.Millisecond })
	r := run(t, m, "k", "open('f', 'w').write('x')\nimport time; time.sleep(60)")
	if r.Status != StatusDied || !strings.Contains(r.Notice, "expired") {
		t.Errorf("got status %q and notice %q, want died and expired", r.Status, r.Notice)
	}
	r = run(t, m, "k", "import os; os.listdir()")
	if got := r.Text(); got != "[]\n" {
		t.Errorf("files after the end of the session: %q, want none", got)
	}
}

// TestManyAtOnce makes, uses and ends sessions from many goroutines, some of them
// in the middle of a cell or of their start.
func TestManyAtOnce(t *testing.T) {
	t.Parallel()
	m := newManager(t, func(c *Config) { c.Pool, c.MaxSessions = 2, 24 })
	var wg sync.WaitGroup
	for i := range 24 {
		wg.Go(func() {
			key := fmt.Sprint(i)
			for range 2 {
				ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
				switch i % 4 {
				case 0: // the caller goes away
					cancel()
				case 1: // the thread is deleted
					go m.Kill(key)
				}
				r, err := m.Run(ctx, key, Cell{Code: fmt.Sprintf("open('f', 'w').write('x')\nprint(%d)", i)})
				cancel()
				if i%4 >= 2 && (err != nil || r.Status != StatusOK || r.Text() != key+"\n") {
					t.Errorf("%s: got %+v, %v", key, r, err)
				}
				if i%4 == 3 {
					m.Kill(key)
				}
			}
		})
	}
	wg.Wait()
	if n := m.Stats().Live; n > 24 {
		t.Errorf("%d sessions live, want at most 24", n)
	}
}

// TestOutputKeepsItsOrder is about two ways out of a session, the frames and the
// pipe of its children, that meet in one text.
func TestOutputKeepsItsOrder(t *testing.T) {
	t.Parallel()
	m, key := shared(t)
	r := run(t, m, key, "import os\nfor i in range(100):\n    print('p', i)\n    os.system(f'echo c {i}')")
	var want strings.Builder
	for i := range 100 {
		fmt.Fprintf(&want, "p %d\nc %d\n", i, i)
	}
	if diff := cmp.Diff(want.String(), r.Text()); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// TestFullHouse checks that a session too many takes the place of the one that has
// been idle longest.
func TestFullHouse(t *testing.T) {
	m := newManager(t, func(c *Config) { c.MaxSessions = 2 })
	run(t, m, "a", "x = 1")
	run(t, m, "b", "x = 2")
	run(t, m, "a", "x += 1")
	run(t, m, "c", "x = 3")
	if r := run(t, m, "a", "print(x)"); !strings.Contains(r.Text(), "2") {
		t.Errorf("the busier session is gone: %s %q", r.Status, r.Text())
	}
	r := run(t, m, "b", "print('x' in globals())")
	if !strings.Contains(r.Text(), "False") {
		t.Errorf("evicted session: %s %q", r.Status, r.Text())
	}
	if got := m.Stats(); got.Live != 2 || got.Killed["evicted"] != 2 {
		t.Errorf("stats %+v, want 2 live and 2 evicted", got)
	}
}
