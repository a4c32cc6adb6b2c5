package sandbox

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// TestOtherInterpreters runs a few cells with every other Python that this machine
// has: those on the path and pyenv's. They have no packages here.
func TestOtherInterpreters(t *testing.T) {
	t.Parallel()
	var interpreters []string
	for _, release := range []string{"3.11", "3.12", "3.13"} {
		name := "python" + release
		if file, err := exec.LookPath(name); err == nil && !strings.Contains(file, "/shims/") {
			interpreters = append(interpreters, file)
		}
		if home, err := os.UserHomeDir(); err == nil {
			found, _ := filepath.Glob(filepath.Join(home, ".pyenv", "versions", release+".*", "bin", name))
			interpreters = append(interpreters, found...)
		}
	}
	if len(interpreters) == 0 {
		t.Skip("no other Python on this machine")
	}
	for _, file := range interpreters {
		t.Run(file, func(t *testing.T) {
			m := newManager(t, func(c *Config) { c.Python, c.Packages = file, "" })
			r := run(t, m, "k", `
import json, subprocess, sys
print('python%d.%d' % sys.version_info[:2])
counted = sys.getrefcount(json.dumps) < 1 << 20
print(counted == (sys.version_info < (3, 12)))
child = subprocess.run([sys.executable, '-c', 'import sys; print(sys.version_info[:2] == '+repr(sys.version_info[:2])+')'])
class Kept: pass
kept = [Kept() for _ in range(100_000)]
del kept
sys.getrefcount(Kept()) < 10`)
			want := filepath.Base(file) + "\nTrue\nTrue\nTrue\n"
			if got := logs(r); got != want || r.Status != StatusOK {
				t.Errorf("got %s %q, want %q", r.Status, got, want)
			}
			if r := run(t, m, "k", "os._exit(1)\n"); r.Status != StatusError {
				t.Errorf("without import os: got %s", r.Status)
			}
		})
	}
}
