package sandbox

import (
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// residue is what a Manager could leave behind on the host.
type residue struct {
	Descriptors int
	Goroutines  int
	Children    int
	Groups      []string
	Files       []string
	Mounts      int
}

func measureResidue(t *testing.T, dir string) residue {
	t.Helper()
	var r residue
	fds, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	r.Descriptors = len(fds)
	r.Goroutines = runtime.NumGoroutine()
	tasks, _ := filepath.Glob("/proc/self/task/*/children")
	for _, file := range tasks {
		r.Children += len(readWords(file))
	}
	own, _ := readOwnGroups("/proc/self/cgroup")
	for controller, path := range own {
		for _, path := range delegated(path) {
			found, _ := filepath.Glob(filepath.Join("/sys/fs/cgroup", controller, path, groupPrefix+strconv.Itoa(os.Getpid())+"-*"))
			r.Groups = append(r.Groups, found...)
		}
	}
	slices.Sort(r.Groups)
	entries, _ := os.ReadDir(dir)
	for _, e := range entries {
		r.Files = append(r.Files, e.Name())
	}
	mounts, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(mounts)) { // the host's others come and go
		if strings.Contains(line, dir) || strings.Contains(line, "/run/volumes") || strings.Contains(line, "/opt/understudy") {
			r.Mounts++
		}
	}
	return r
}

// settledResidue measures until three tenths of a second change nothing any more:
// goroutines of finished processes need a moment.
func settledResidue(t *testing.T, dir string) residue {
	t.Helper()
	r := measureResidue(t, dir)
	deadline := time.Now().Add(10 * time.Second)
	for same := 0; same < 30; same++ {
		<-time.After(10 * time.Millisecond)
		now := measureResidue(t, dir)
		if diff := cmp.Diff(r, now); diff != "" {
			if time.Now().After(deadline) {
				t.Fatalf("it does not come to rest:\n%s", diff)
			}
			r, same = now, 0
		}
	}
	return r
}

// checkResidue fails the test if something is left that was not there before.
func checkResidue(t *testing.T, dir string, before residue) {
	t.Helper()
	if diff := cmp.Diff(before, settledResidue(t, dir)); diff != "" {
		t.Errorf("left behind (-before +after):\n%s", diff)
	}
}

// TestNothingIsLeft runs sessions that end in every way, and looks for what is left
// after each Close. It does not run beside other tests: they would be counted.
func TestNothingIsLeft(t *testing.T) {
	dir := t.TempDir()
	round := func() {
		m := newManager(t, func(c *Config) {
			c.Dir, c.Pool, c.Limits.Memory = dir, 2, 300<<20
			c.Limits.CellTimeout, c.Limits.Grace = 300*time.Millisecond, 200*time.Millisecond
		})
		for i, code := range []string{
			"1",
			"import os; os._exit(0)",
			"import os\nos.fork() or os.setsid()\nimport time; time.sleep(1e6)",
			"sum(range(10**12))",
			"l = []\nwhile True: l.append(bytearray(1 << 20))",
			"import os; os.write(3, b'x' * 100)",
			"import subprocess; subprocess.Popen(['sleep', '1000'])",
		} {
			key := fmt.Sprint(i)
			run(t, m, key, code)
			r, err := m.Run(t.Context(), key, Cell{Code: "open('x', 'w').write('x')", Timeout: 20 * time.Second})
			if err != nil || r.Status != StatusOK {
				t.Fatalf("after %q: got %+v, %v", code, r, err)
			}
			f, err := m.Open(key, "x")
			if err != nil {
				t.Fatal(err)
			}
			f.Close()
			if i%2 == 0 {
				m.Kill(key)
			}
		}
		if err := m.Close(); err != nil {
			t.Fatal(err)
		}
	}
	round() // what is made once stays: the poller, the log
	before := settledResidue(t, dir)
	for range 2 {
		round()
	}
	checkResidue(t, dir, before)
}

// TestNothingIsLeftOfASession compares within one Manager.
func TestNothingIsLeftOfASession(t *testing.T) {
	dir := t.TempDir()
	m := newManager(t, func(c *Config) { c.Dir = dir })
	cycle := func() {
		for i := range 5 {
			run(t, m, fmt.Sprint(i), "open('x', 'w').write('x' * 1000)")
		}
		for i := range 5 {
			m.Kill(fmt.Sprint(i))
		}
	}
	cycle()
	before := settledResidue(t, dir)
	for range 3 {
		cycle()
	}
	checkResidue(t, dir, before)
}
