package sandbox

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// TestOtherInterpreters runs a few cells with every Python that this machine has:
// those on the path and pyenv's. They have no packages here.
func TestOtherInterpreters(t *testing.T) {
	t.Parallel()
	var interpreters []string
	for _, release := range []string{"3.11", "3.12", "3.13"} {
		name := "python" + release
		before := len(interpreters)
		if file, err := exec.LookPath(name); err == nil && !strings.Contains(file, "/shims/") {
			interpreters = append(interpreters, file)
		}
		if home, err := os.UserHomeDir(); err == nil {
			found, _ := filepath.Glob(filepath.Join(home, ".pyenv", "versions", release+".*", "bin", name))
			interpreters = append(interpreters, found...)
		}
		if len(interpreters) == before {
			t.Run(name, func(t *testing.T) { t.Skip("NOT TESTED: this machine has no " + name) })
		}
	}
	for _, file := range interpreters {
		t.Run(file, func(t *testing.T) {
			m := newManager(t, func(c *Config) { c.Python, c.Packages = file, "" })
			sharing := "True" // objects are immortal where copies share them
			if m.Report().Driver == DriverGVisor {
				sharing = "False"
			}
			r := run(t, m, "k", `
import json, subprocess, sys
print('python%d.%d' % sys.version_info[:2])
counted = sys.getrefcount(json.dumps) < 1 << 20
print(counted == (sys.version_info < (3, 12) or not `+sharing+`))
child = subprocess.run([sys.executable, '-c', 'import sys; print(sys.version_info[:2] == '+repr(sys.version_info[:2])+')'])
class Kept: pass
kept = [Kept() for _ in range(100_000)]
del kept
sys.getrefcount(Kept()) < 10`)
			want := filepath.Base(file) + "\nTrue\nTrue\nTrue\n"
			if got := r.Text(); got != want || r.Status != StatusOK {
				t.Errorf("got %s %q, want %q", r.Status, got, want)
			}
			if r := run(t, m, "k", "os._exit(1)\n"); r.Status != StatusError {
				t.Errorf("without import os: got %s", r.Status)
			}
		})
	}
}

// TestPrefixIsNotShownWhole gives the interpreter a home that holds more, as ~/.local does.
func TestPrefixIsNotShownWhole(t *testing.T) {
	t.Parallel()
	system, err := filepath.EvalSymlinks("/usr/bin/python3")
	if err != nil {
		t.Skip("no Python of the system's: ", err)
	}
	prefix := t.TempDir()
	name := filepath.Base(system)
	binary, err := os.ReadFile(system)
	if err != nil {
		t.Fatal(err)
	}
	for _, folder := range []string{"bin", "lib", "share"} {
		if err := os.Mkdir(filepath.Join(prefix, folder), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	for file, text := range map[string][]byte{"bin/" + name: binary, "share/secret": nil, "secret": nil} {
		if err := os.WriteFile(filepath.Join(prefix, file), text, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Symlink("/usr/lib/"+name, filepath.Join(prefix, "lib", name)); err != nil {
		t.Fatal(err)
	}
	m := newManager(t, func(c *Config) { c.Python, c.Packages = filepath.Join(prefix, "bin", name), "" })
	r := run(t, m, "k", "import os, sys\nprint(sys.base_prefix, sorted(os.listdir(sys.base_prefix)))")
	if got, want := r.Text(), "/opt/python ['bin', 'lib']\n"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}
