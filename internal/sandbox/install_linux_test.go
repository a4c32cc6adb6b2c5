package sandbox

import (
	"bytes"
	"context"
	"errors"
	"io"
	"log/slog"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/understudy-dev/understudy/internal/wheels"
	"github.com/understudy-dev/understudy/internal/wheels/wheelstest"
)

// newInstaller returns the product's Installer on an index of the test's own.
func newInstaller(t *testing.T, files map[string][]byte, allow ...string) Installer {
	t.Helper()
	env := configFromEnvironment().withDefaults()
	if err := exec.Command(env.Python, "-I", "-m", "pip", "--version").Run(); err != nil {
		unavailable(t, env.Python+" has no pip")
	}
	s, err := wheels.New(t.Context(), wheels.Config{
		Index: wheelstest.Index(t, files).URL + "/simple", Allow: allow, MaxBytes: 4 << 20,
		Python: env.Python, Packages: env.Packages, Dir: t.TempDir(), Logger: slog.New(slog.NewTextHandler(t.Output(), nil)),
	})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// TestInstall installs packages in the ways that models do it, each in a session of its own.
func TestInstall(t *testing.T) {
	t.Parallel()
	installer := newInstaller(t, map[string][]byte{
		"plain-1.0-py3-none-any.whl":       wheelstest.Wheel(t, "plain", "1.0", 1),
		"plain-2.0-py3-none-any.whl":       wheelstest.Wheel(t, "plain", "2.0", 1<<20),
		"needs_plain-1.0-py3-none-any.whl": wheelstest.Wheel(t, "needs_plain", "1.0", 1, "Requires-Dist: plain<2", "Requires-Dist: six"),
		"needs_other-1.0-py3-none-any.whl": wheelstest.Wheel(t, "needs_other", "1.0", 1, "Requires-Dist: other"),
		"other-1.0-py3-none-any.whl":       wheelstest.Wheel(t, "other", "1.0", 1),
	}, "plain", "needs-*", "absent")
	m := newManager(t, func(c *Config) { c.Installer = installer })
	needPackages(t, m, "IPython", "pandas")
	const (
		version   = "\nimport plain; print('version', plain.version)"
		plain1    = "Successfully installed plain-1.0\n"
		plain2    = "Successfully installed plain-2.0\n"
		runs      = "import subprocess, sys\n"
		satisfied = "Requirement already satisfied: "
	)
	for _, c := range []struct {
		name, code string
		want       []string
	}{
		{"magic", "%pip install plain" + version, []string{plain2, "version 2.0"}},
		{"shell", "!pip3 install --upgrade 'plain<2' 2>&1\nprint(_exit_code)" + version, []string{satisfied + "plain", "0\n", "version 1.0"}},
		{"module", "import sys\n!{sys.executable} -m pip install plain==1.0\nprint(_exit_code)" + version, []string{plain1, "0\n", "version 1.0"}},
		{"more than one command", "!pip install plain==1.0 && python3 -c 'import plain; print(plain.version)'", []string{"1.0\n"}},
		{"child", runs + "subprocess.check_call([sys.executable, '-m', 'pip', 'install', 'plain'])" + version, []string{"version 2.0"}},
		{"child of a shell", "import os\nprint(os.system('pip install plain==1.0 >/dev/null'))" + version, []string{"0\n", "version 1.0"}},
		{"file of requirements", "%%writefile r.txt\n# ours\nplain==1.0  # old\n", nil},
		{"from the file", "open('r.txt', 'w').write('# ours\\nplain==1.0  # old\\n\\n')\n%pip install -r r.txt", []string{plain1}},
		{"with what it needs", "%pip install needs_plain" + version, []string{"Successfully installed needs_plain-1.0 plain-1.0\n", "version 1.0"}},
		{"there already", "%pip install pandas", []string{satisfied + "pandas"}},
		{"twice", "%pip install plain==1.0\n%pip install plain==1.0", []string{plain1, satisfied + "plain"}},
		{"another version", "%pip install plain==1.0" + version + "\n%pip install plain==2.0\n" + runs +
			"subprocess.run([sys.executable, '-c', 'import plain; print(plain.version)'])",
			[]string{"version 1.0", plain2, "Note: plain was imported before", "\n2.0\n"}},
		{"not allowed", "!pip install other\nprint(_exit_code)", []string{"ERROR: other is not on the operator's list", "1\n"}},
		{"needs what is not allowed", "%pip install needs-other", []string{"ERROR: other, which is needed by needs-other, is not"}},
		{"unknown", "%pip install absent", []string{"ERROR: There is no package absent"}},
		{"failed child", runs + "print(subprocess.run([sys.executable, '-m', 'pip', 'install', 'absent'], capture_output=True).returncode)",
			[]string{"There is no package absent", "1\n"}},
		{"URL", "%pip install http://192.0.2.1/x.whl", []string{"is not the name of a package"}},
		{"other index", "%pip install --index-url http://192.0.2.1 plain", []string{"option \"--index-url\" is not available"}},
		{"no file", "%pip install -r absent.txt", []string{"ERROR: Could not read the file"}},
		{"hint", "import nosuchpackage", []string{"Perhaps `%pip install` can get it"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			key := t.Name()
			t.Cleanup(func() { m.Kill(key) })
			r := run(t, m, key, c.code)
			got := r.Text()
			for _, want := range c.want {
				if !strings.Contains(got, want) {
					t.Errorf("got %q, want %q in it", got, want)
				}
			}
			for _, f := range r.Files {
				if !strings.HasSuffix(f.Path, ".txt") {
					t.Errorf("the installation shows as a changed file: %s", f.Path)
				}
			}
		})
	}
}

// TestInstallStops looks for sessions that go on, with their variables, after an
// installation that did not come to its end.
func TestInstallStops(t *testing.T) {
	t.Parallel()
	ended := make(chan error, 10)
	m := newManager(t, func(c *Config) {
		c.Installer = installerFunc(func(ctx context.Context, arguments []string, deliver func(string, int64, io.Reader) error) (string, error) {
			if arguments[0] == "flood" {
				for ctx.Err() == nil {
					if err := deliver("flood-1-py3-none-any.whl", 1<<20, bytes.NewReader(make([]byte, 1<<20))); err != nil {
						break
					}
				}
			}
			<-ctx.Done()
			ended <- ctx.Err()
			return "", errors.New("stopped")
		})
	})
	needPackages(t, m, "IPython")
	for _, name := range []string{"hang", "flood"} {
		r, err := m.Run(t.Context(), name, Cell{Code: "x = 1\n%pip install " + name, Timeout: time.Second})
		if err != nil || r.Status != StatusTimeout || !strings.Contains(r.Notice, " s it may and was interrupted. The session goes on with its variables") {
			t.Errorf("%s: got %v %q %v %s", name, r.Status, r.Notice, err, r.Text())
		}
		<-ended
		if got := run(t, m, name, "print(x)").Text(); got != "1\n" {
			t.Errorf("%s: afterwards got %q", name, got)
		}
	}
	r, err := m.Run(t.Context(), "killed", Cell{Code: "import ctypes, signal\nsignal.signal = print\n" +
		"import threading, os\nthreading.Timer(.5, os._exit, [3]).start()\n%pip install hang"})
	if err != nil || r.Status != StatusDied {
		t.Errorf("killed: got %v %v", r.Status, err)
	}
	<-ended
}

// TestHostileInstall sends what no agent sends: the session is killed, or answered, and
// the server is asked for no more than one installation at a time.
func TestHostileInstall(t *testing.T) {
	t.Parallel()
	m := newManager(t, func(c *Config) {
		c.Installer = installerFunc(func(ctx context.Context, arguments []string, deliver func(string, int64, io.Reader) error) (string, error) {
			switch {
			case len(arguments) > 0 && arguments[0] == "hang":
				<-ctx.Done()
				return "", ctx.Err()
			case len(arguments) > 0 && arguments[0] == "flood":
				for {
					if err := deliver("x-1-py3-none-any.whl", 1<<20, bytes.NewReader(make([]byte, 1<<20))); err != nil {
						return "", err
					}
				}
			}
			return strings.Repeat("é", 1<<20), nil
		})
	})
	const send = "import socket, struct, json, sys\n" +
		"s = socket.socket(fileno=3)\n" +
		"cell = sys.modules['understudy_agent.kernel'].display.channel.cell\n" +
		"def ask(text, kind=10, cell=cell):\n" +
		"    text = text if isinstance(text, bytes) else json.dumps(text).encode()\n" +
		"    s.sendall(struct.pack('<IBII', 9 + len(text), kind, cell, len(text)) + text)\n" +
		"import time\n"
	for _, c := range []struct {
		name, code string
		want       Status
	}{
		{"no JSON", "ask(b'{')\ntime.sleep(9)", StatusProtocolError},
		{"other JSON", "ask({'arguments': [{}]})\ntime.sleep(9)", StatusProtocolError},
		{"huge", "ask({'arguments': ['x' * 100000]})\ntime.sleep(9)", StatusProtocolError},
		{"two at once", "ask({'arguments': ['hang']})\nask({'arguments': ['hang']})\ntime.sleep(9)", StatusProtocolError},
		{"very many", "for _ in range(10**6): ask({'arguments': []})\ntime.sleep(9)", StatusProtocolError},
		{"of another cell", "for _ in range(1000): ask({'arguments': ['hang']}, cell=cell + 1)", StatusOK},
		{"stops without end", "for _ in range(1000): ask(b'', kind=11)", StatusOK},
		{"left behind", "ask({'arguments': ['hang']})", StatusOK},
		{"not read", "ask({'arguments': ['flood']})\ntime.sleep(60)", StatusProtocolError},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			key := t.Name()
			r := run(t, m, key, send+c.code)
			if r.Status != c.want {
				t.Errorf("got %v %s, want %v", r.Status, r.Text(), c.want)
			}
			if got := run(t, m, key, "print('next')").Text(); got != "next\n" {
				t.Errorf("afterwards got %q", got)
			}
		})
	}
}

// TestInstalledLibraries loads a compiled module from the folder of installed packages.
func TestInstalledLibraries(t *testing.T) {
	t.Parallel()
	m, key := shared(t)
	needPackages(t, m, "pandas")
	got := run(t, m, key, "import shutil, pandas._libs.lib as lib, os, ctypes\n"+
		"os.makedirs('/tmp/.packages')\nprint(bool(ctypes.CDLL(shutil.copy(lib.__file__, '/tmp/.packages/copy.so'))))").Text()
	if got != "True\n" {
		t.Errorf("got %q", got)
	}
}
