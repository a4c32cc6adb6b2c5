package sandbox

import (
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// TestHygiene has one row for each piece of state that two sessions would share,
// or a session inherit, if the fork did not see to it. What is random is compared in
// TestRandomnessIsNotShared, and what the libraries keep in TestStateOfLibraries; the
// seed of hashes and the layout of memory are shared, which is known and accepted.
func TestHygiene(t *testing.T) {
	t.Setenv("UNDERSTUDY_CANARY", "canary-of-the-host")
	m := newManager(t, func(c *Config) { c.Limits.CPU = 1 })
	host, err := os.Hostname()
	if err != nil {
		t.Fatal(err)
	}
	script, volumes := "['python3', '-I', '-B', '/opt/understudy/zygote.py']", ", os.listdir('/run/volumes')"
	hidden := "'/root', '/etc/shadow', '/sys', '/var/lib', '/var/log', '/proc/sys', '/proc/kcore', '/boot', '/srv'"
	if onGVisor() { // /sys and /proc/sys are its own kernel's
		script, volumes = "['python3', '-I', '-B', '/opt/understudy/guest.py']", ", []"
		hidden = "'/root', '/etc/shadow', '/var/lib', '/var/log', '/run', '/boot', '/srv'"
	}
	for _, c := range []struct {
		name string
		code string
		want string
	}{
		{"descriptors", "import os; sorted(map(int, os.listdir('/proc/self/fd')))[:4], len(os.listdir('/proc/self/fd'))", "([0, 1, 2, 3], 5)"}, // the fifth lists
		{"one thread", "len(os.listdir('/proc/self/task'))", "1"},
		{"first process", "os.getpid()", "1"},
		{"only own processes", "[n for n in os.listdir('/proc') if n.isdigit()]", "['1']"},
		{"no parent", "os.getppid()", "0"},
		{"environment", "print(sorted(set(os.environ) - {'PYTHONPATH', 'LD_LIBRARY_PATH'}))", environment}, // which some interpreters need
		{"start environment", "try: print('canary' in open('/proc/self/environ').read())\nexcept PermissionError: print(False)", "False"},
		{"environment of a child", "import subprocess; b'canary' in subprocess.check_output('cat /proc/self/environ; env', shell=True)", "False"},
		{"command line", "[__import__('re').sub('.*/python3[.0-9]*', 'python3', a) for a in open('/proc/self/cmdline').read().split('\\0')[:4]]", script},
		{"arguments", "import sys; sys.argv", "['']"},
		{"import path", "[p for p in sys.path if not p.startswith(('/usr/lib', '/opt', '/usr/local/lib'))]", "['']"},
		{"working folder", "os.getcwd()", "'/mnt/data'"},
		{"home", "os.path.expanduser('~'), os.environ['TMPDIR']", "('/tmp', '/tmp')"},
		{"host name", "import socket; socket.gethostname()", "'sandbox'"},
		{"hidden host name", "'" + host + "' in open('/proc/self/mountinfo').read()", "False"},
		{"user", "import pwd; pwd.getpwuid(os.getuid()).pw_name", "'sandbox'"},
		{"no groups", "[g for g in os.getgroups() if g not in (0, 65534)]", "[]"},
		{"not dumpable", "import ctypes; ctypes.CDLL(None).prctl(3)", "0"},
		{"no new privileges", "ctypes.CDLL(None).prctl(39, 0, 0, 0, 0)", "1"},
		{"no capabilities", "{l.split()[1] for l in open('/proc/self/status') if l.startswith('Cap')}", "{'0000000000000000'}"},
		{"filtered", "[l.split()[1] for l in open('/proc/self/status') if l.startswith('Seccomp:')]", "['2']"},
		{"signals", "import signal; sorted(s.name for s in signal.Signals if signal.getsignal(s) is not signal.SIG_DFL)", "['SIGINT', 'SIGPIPE', 'SIGXFSZ']"},
		{"no signal blocked", "signal.pthread_sigmask(signal.SIG_BLOCK, ())", "set()"},
		{"children can be waited for", "subprocess.run(['false']).returncode", "1"},
		{"no core file", "import resource; resource.getrlimit(resource.RLIMIT_CORE)", "(1, 1)"},
		{"limits cannot be raised", "try: resource.setrlimit(resource.RLIMIT_NOFILE, (9999, 9999))\nexcept ValueError: print('no')", "no"},
		{"garbage collection", "import gc; gc.isenabled(), gc.get_threshold(), gc.get_freeze_count() > 1000", "(True, (10000, 50, 50), True)"},
		{"modules of the user", "sorted(n for n in globals() if not n.startswith('_') and n in ('plt', 'pd', 'np', 'json', 'kernel', 'linux'))", "[]"},
		{"main module", "__name__, sys.modules['__main__'].__dict__ is globals()", "('__main__', True)"},
		{"agent not importable", "try: import kernel\nexcept ImportError: print('no')", "no"},
		{"warm-up exception", "hasattr(sys, 'last_value')", "False"},
		{"files of the session", "os.listdir('/mnt/data'), os.listdir('/dev/shm')" + volumes, "([], [], [])"},
		{"root is read-only", "for p in ('/', '/usr', '/usr/lib', '/opt', '/etc', '/home', '/dev', '/opt/understudy'):\n    try: open(p + '/x', 'w'); print(p)\n    except OSError: pass", ""},
		{"no host files", "[p for p in (" + hidden + ") if os.path.exists(p)]", "[]"},
		{"processor time starts anew", "import time; time.process_time() < 10", "True"},
		{"clock", "abs(time.time() - " + fmt.Sprint(time.Now().Unix()) + ") < 60", "True"},
		{"no handler of faults", "import faulthandler; faulthandler.is_enabled()", "False"},
		{"no history on disk", "getattr(getattr(globals().get('get_ipython', lambda: None)(), 'history_manager', None), 'enabled', False)", "False"},
		{"warnings seen before", "[n for n, m in list(sys.modules.items()) if n == '__main__' and hasattr(m, '__warningregistry__')]", "[]"},
		{"cpu count", "os.cpu_count() > 0", "True"},
		{"threads of libraries", "os.environ['OPENBLAS_NUM_THREADS'], os.environ['OMP_NUM_THREADS']", "('1', '1')"},
		{"font list not rebuilt", "[n[:8] for n in os.listdir('/tmp/.matplotlib')] if os.path.exists('/tmp/.matplotlib') else ['fontlist']", "['fontlist']"},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := run(t, m, "k", c.code)
			if got := strings.TrimSpace(r.Text()); got != c.want || r.Status != StatusOK {
				t.Errorf("got %s\nwant %s", got, c.want)
			}
		})
	}
}

const environment = "['HOME', 'IPYTHONDIR', 'LANG', 'LC_ALL', 'LOGNAME', 'MKL_NUM_THREADS', 'MPLBACKEND', 'MPLCONFIGDIR', " +
	"'NUMEXPR_NUM_THREADS', 'OMP_NUM_THREADS', 'OPENBLAS_NUM_THREADS', 'PATH', 'PWD', 'PYTHONDONTWRITEBYTECODE', " +
	"'TMPDIR', 'TZ', 'USER', 'VECLIB_NUM_THREADS']"

// TestRandomnessIsNotShared runs the same code in three sessions of one zygote:
// nothing that ought to be random may come out twice.
func TestRandomnessIsNotShared(t *testing.T) {
	t.Parallel()
	m := newManager(t, func(c *Config) { c.Pool = 3 })
	sources := []string{
		"import random; random.random()",
		"import ssl; ssl.RAND_bytes(16)",
		"import secrets; secrets.token_hex()",
		"import uuid; uuid.uuid4()",
		"uuid.uuid1()",
		"hex(uuid.getnode())",
		"import tempfile; tempfile.mkdtemp()",
		"import os; os.urandom(16)",
	}
	if _, ok := m.Report().Packages["numpy"]; ok {
		sources = append(sources, "import numpy as np; np.random.rand()", "np.random.default_rng().random()")
	} else {
		t.Log("numpy is not here: its generators are not checked")
	}
	seen := map[string]string{}
	for _, key := range []string{"a", "b", "c"} {
		for _, code := range sources {
			got := run(t, m, key, code).Text()
			if before, ok := seen[code+got]; ok {
				t.Errorf("%s: sessions %s and %s both have %s", code, before, key, got)
			}
			seen[code+got] = key
		}
	}
}

func TestFirstCellHasNumberOne(t *testing.T) {
	t.Parallel()
	m, key := shared(t)
	needPackages(t, m, "IPython")
	r := run(t, m, key, "print(len(Out), len(In))\n1/0")
	if got := r.Text(); !strings.HasPrefix(got, "0 2\n") || !strings.Contains(got, "Cell In[1], line 2") {
		t.Errorf("got %q, want a session that starts counting at one", got)
	}
}

// TestStateOfLibraries is about what the warm-up could have left in them.
func TestStateOfLibraries(t *testing.T) {
	t.Parallel()
	m, key := shared(t)
	needPackages(t, m, "matplotlib", "numpy", "pandas")
	r := run(t, m, key, `
import matplotlib, matplotlib.pyplot as plt
print(plt.get_fignums(), [k for k in matplotlib.rcParams if not k.startswith('backend') and matplotlib.rcParams[k] != matplotlib.rcParamsOrig[k]], matplotlib.rcParams['figure.dpi'])
import warnings, logging
print([w for w in warnings.filters if w[0] == 'error'], logging.getLogger().handlers)
`)
	want := "[] [] 100.0\n[] []\n"
	if diff := cmp.Diff(want, r.Text()); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// TestInterruptBetweenCells interrupts a session that runs nothing: the signal must
// neither end it nor the next cell.
func TestInterruptBetweenCells(t *testing.T) {
	t.Parallel()
	m := newManager(t, nil)
	run(t, m, "k", "x = 1")
	for range 5 {
		if err := m.sessions["k"].link.process.interrupt(time.Now().Add(callTimeout)); err != nil {
			t.Fatal(err)
		}
		if r := run(t, m, "k", "print(x)"); r.Text() != "1\n" || r.Status != StatusOK || r.Notice != "" {
			t.Fatalf("got %+v, want the session to go on", r)
		}
	}
}
