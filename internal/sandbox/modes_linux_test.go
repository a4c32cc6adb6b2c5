package sandbox

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// TestUnprivileged runs most of this package's tests again as a user without any
// right. It runs only as root, who can become one.
func TestUnprivileged(t *testing.T) {
	asNobody(t, "TestCells", "^(TestCells|TestEnds|TestOutOfMemory|TestHygiene|TestInputs|TestInputsOfAClosedFolder|TestSignalHandlers|TestOpen|TestNothingIsLeft|TestProcessorsAreBounded|TestZombies.*|TestSessionsAreApart|TestRandomness.*|TestReport|TestFilesOutliveTheirSession|TestUnreadableFile|TestKeptFilesOfALostJail|TestSessionLimits.*)$")
}

// TestGVisor runs the tests of this package again with the gVisor driver, and some
// of them as a user without any right.
func TestGVisor(t *testing.T) {
	if onGVisor() {
		t.Skip("this is that run")
	}
	runsc, err := exec.LookPath(cmp.Or(os.Getenv(testRunsc), "runsc"))
	if err != nil {
		unavailable(t, err.Error()+"; make runsc builds it, and "+testRunsc+" names it")
	}
	t.Setenv(testDriver, DriverGVisor)
	t.Setenv(testRunsc, runsc)
	t.Run("root", func(t *testing.T) {
		if !isRoot() {
			t.Skip("not root; the other one is as this user")
		}
		cmd := exec.CommandContext(t.Context(), "/proc/self/exe", "-test.v", "-test.timeout=25m",
			"-test.skip=^(TestUnprivileged|TestHostileCasesUnprivileged|TestHostileCasesFindTheHost|TestGVisor|TestWithout.*)$")
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Errorf("%v\n%s", err, failures(string(out)))
		}
	})
	t.Run("unprivileged", func(t *testing.T) {
		asNobody(t, "TestCells", "^(TestCells|TestEnds|TestHostileCases|TestHygiene|TestInputs|TestInputsOfAClosedFolder|TestSignalHandlers|TestOpen|TestNothingIsLeft|TestProcessorsAreBounded|TestZombies.*|TestSessionsAreApart|TestRandomness.*|TestReport|TestFilesOutliveTheirSession|TestUnreadableFile|TestKeptFilesOfALostJail|TestSessionLimits.*)$")
	})
}

// asNobody runs the tests that pattern names again as a user without any right.
// witness is the one that is skipped where such a user can make no sandbox.
func asNobody(t *testing.T, witness, pattern string) {
	t.Helper()
	if !isRoot() {
		t.Skip("already unprivileged")
	}
	// go test's own folders are closed to others.
	dir, err := os.MkdirTemp("", "unprivileged")
	if err != nil {
		t.Fatal(err)
	}
	defer os.RemoveAll(dir)
	const nobody = 65534
	if err := errors.Join(os.Chmod(dir, 0o755), os.Chown(dir, nobody, nobody)); err != nil {
		t.Fatal(err)
	}
	binary := filepath.Join(dir, "sandbox.test")
	copyExecutable(t, "/proc/self/exe", binary)
	cmd := exec.CommandContext(t.Context(), binary, "-test.v", "-test.timeout=25m", "-test.run="+pattern)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "TMPDIR="+dir)
	if packages := os.Getenv("UNDERSTUDY_TEST_PACKAGES"); packages != "" {
		cmd.Env = append(cmd.Env, "UNDERSTUDY_TEST_PACKAGES="+openToAll(t, packages), packagesOrigin+"="+packages)
	}
	if onGVisor() {
		runsc := filepath.Join(dir, "runsc")
		copyExecutable(t, os.Getenv(testRunsc), runsc)
		cmd.Env = append(cmd.Env, testRunsc+"="+runsc)
	}
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: nobody, Gid: nobody}}
	out, err := cmd.CombinedOutput()
	text := string(out)
	if strings.Contains(text, "--- SKIP: "+witness+" ") {
		unavailable(t, "user namespaces for users without privileges")
	}
	if err != nil {
		t.Errorf("%v\n%s", err, failures(text))
	}
}

// packagesOrigin names, in the environment of asNobody's tests, the folder whose
// packages they see elsewhere: the kernel's list of mounts names it.
const packagesOrigin = "SANDBOX_TEST_PACKAGES_ORIGIN"

// openToAll shows a folder, read-only, at a path that every user can reach: the
// folders above it may be closed to others.
func openToAll(t *testing.T, dir string) string {
	t.Helper()
	at, err := os.MkdirTemp("", "packages")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.Remove(at) }) // never with what is mounted there
	if err := os.Chmod(at, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := unix.Mount(dir, at, "", unix.MS_BIND, ""); err != nil {
		t.Logf("cannot show %s elsewhere, going on with it: %v", dir, err)
		return dir
	}
	t.Cleanup(func() {
		if err := unix.Unmount(at, 0); err != nil {
			t.Errorf("unmount %s: %v", at, err)
		}
	})
	if err := unix.Mount("", at, "", unix.MS_BIND|unix.MS_REMOUNT|unix.MS_RDONLY, ""); err != nil {
		t.Fatal(err)
	}
	return at
}

// failures keeps what tells why from the output of go test -v.
func failures(text string) string {
	var kept []string
	for line := range strings.Lines(text) {
		if !strings.Contains(line, "level=") && !strings.Contains(line, "--- PASS") && !strings.Contains(line, "=== ") {
			kept = append(kept, line)
		}
	}
	return strings.Join(kept, "")
}

func copyExecutable(t *testing.T, from, to string) {
	t.Helper()
	in, err := os.Open(from)
	if err != nil {
		t.Fatal(err)
	}
	defer in.Close()
	out, err := os.OpenFile(to, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o755)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := io.Copy(out, in); err != nil {
		t.Fatal(err)
	}
	if err := out.Close(); err != nil {
		t.Fatal(err)
	}
}

// TestIsolationIsFull keeps the others honest: where it is skipped they prove less
// than they could, and in CI that is a failure. TestGVisor is its like for gVisor.
func TestIsolationIsFull(t *testing.T) {
	t.Parallel()
	if onGVisor() {
		t.Skip("gVisor has a level of its own")
	}
	if !isRoot() {
		unavailable(t, "root, for isolation of level full")
	}
	if r := newManager(t, nil).Report(); r.Level != LevelFull {
		unavailable(t, "isolation of level full: "+r.String())
	}
}

func TestReport(t *testing.T) {
	t.Parallel()
	full := newManager(t, nil).Report()
	if !full.UserNamespace || full.Network {
		t.Errorf("got %v, want a user namespace and no network", full)
	}
	if onGVisor() {
		if full.Level != LevelGVisor || !full.Seccomp {
			t.Errorf("got %v, want level gvisor", full)
		}
		return
	}
	if isRoot() && full.Cgroups != "none" && full.Level != LevelFull {
		t.Errorf("root with control groups: got level %s, want full: %v", full.Level, full)
	}
	for _, c := range []struct {
		name    string
		without features
		want    Level
	}{
		{"cgroups", features{cgroups: true}, LevelNamespaces},
		{"landlock", features{landlock: true}, LevelNamespaces},
		{"proc", features{proc: true}, LevelNamespaces},
		{"seccomp", features{seccomp: true}, LevelNone},
	} {
		m := newManager(t, func(cfg *Config) { cfg.without, cfg.MinIsolation = c.without, LevelNone })
		r := m.Report()
		if r.Level != c.want {
			t.Errorf("without %s: got level %s, want %s: %v", c.name, r.Level, c.want, r)
		}
		m.config.MinIsolation = LevelFull
		if _, err := m.Run(t.Context(), "k", Cell{Code: "1"}); !errors.Is(err, ErrIsolation) {
			t.Errorf("without %s: got error %v, want %v", c.name, err, ErrIsolation)
		}
	}
}

func TestWithoutCgroups(t *testing.T) {
	t.Parallel()
	m := newManager(t, func(c *Config) { c.without.cgroups, c.Limits.Memory = true, 300<<20 })
	for name, code := range map[string]string{
		"one process": "bytearray(1 << 30)",
		"many": "import os, time\nfor i in range(8):\n    if os.fork() == 0:\n        b = bytearray(60 << 20)\n" +
			"        for j in range(0, len(b), 4096): b[j] = 1\n        time.sleep(1000)\ntime.sleep(1000)",
	} {
		r, err := m.Run(t.Context(), name, Cell{Code: code, Timeout: 20 * time.Second})
		if err != nil {
			t.Fatal(err)
		}
		if r.Status != StatusOutOfMemory && !strings.Contains(r.Text(), "MemoryError") {
			t.Errorf("%s: got status %q and logs %q", name, r.Status, r.Text())
		}
	}
	// Code that was told that there is no more goes on with what it has.
	run(t, m, "k", "l = []\nwhile True: l.append(bytearray(1 << 20))")
	r := run(t, m, "k", fmt.Sprintf("import time; time.sleep(%g); len(l) > 200", 3*watchInterval.Seconds()))
	if got := r.Text(); got != "True\n" || r.Notice != "" {
		t.Errorf("after a MemoryError: got %q, status %q and notice %q", got, r.Status, r.Notice)
	}
}

// TestWithoutProc is about containers that may not mount a procfs: then a session
// has none, rather than the container's.
// TestDiesFirst is about who dies when the host runs out of memory: a session cannot
// choose another, with Landlock or without.
func TestDiesFirst(t *testing.T) {
	t.Parallel()
	if onGVisor() {
		t.Skip("gVisor's kernel has such a file of its own, which nobody asks")
	}
	for _, without := range []bool{false, true} {
		m := newManager(t, func(c *Config) { c.without.landlock = without })
		r := run(t, m, "k", `import subprocess
subprocess.run("echo 0 > /proc/self/oom_score_adj; cat /proc/self/oom_score_adj", shell=True, stderr=subprocess.DEVNULL)
open('/proc/self/comm', 'w').write('other')`)
		if !strings.HasPrefix(r.Text(), "1000\n") || r.Status != StatusError {
			t.Errorf("without Landlock %t: got %s and %q", without, r.Status, r.Text())
		}
	}
}

func TestWithoutProc(t *testing.T) {
	t.Parallel()
	m := newManager(t, func(c *Config) { c.without.proc = true })
	for _, c := range []struct{ code, want string }{
		{"import os; os.listdir('/proc')", "[]"},
		{"import subprocess; subprocess.run(['echo', 'hello']).returncode", "hello\n0"},
		{"os.system('exit 1') >> 8", "1"},
		{"import multiprocessing as mp\nwith mp.Pool(2) as p: print(p.map(abs, [-1, 2]))", "[1, 2]"},
	} {
		r := run(t, m, "k", c.code)
		if got := strings.TrimSpace(r.Text()); got != c.want {
			t.Errorf("%s: got %q, want %q", c.code, got, c.want)
		}
	}
}

// TestZygoteDies kills the zygote under a running session: the session goes on, a
// new key gets one from a new zygote, and a session that ends later keeps its files.
func TestZygoteDies(t *testing.T) {
	t.Parallel()
	m := newManager(t, nil)
	run(t, m, "old", "x = 1\nimport os\nos.makedirs('sub')\nopen('sub/f', 'w').write('kept')")
	d := m.driver.(*jailDriver)
	first := d.current
	killZygote(t, first)
	if r := run(t, m, "old", "x"); r.Text() != "1\n" || r.Notice != "" {
		t.Errorf("the running session: got %+v, want it to go on", r)
	}
	if r := run(t, m, "new", "1 + 1"); r.Text() != "2\n" {
		t.Errorf("a new session: got %+v", r)
	}
	run(t, m, "old", "os._exit(0)")
	r := run(t, m, "old", "print('x' in globals(), open('sub/f').read())")
	if got, want := r.Text(), "False kept\n"; got != want {
		t.Errorf("the session after its end: got %q, want %q", got, want)
	}
	if f, err := m.Open("old", "sub/f"); err != nil {
		t.Errorf("open a file that was carried over: %v", err)
	} else {
		f.Close()
	}
}

// killZygote kills the second stage.
func killZygote(t *testing.T, z *jail) {
	t.Helper()
	if err := syscall.Kill(secondStage(t, z), syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
}

// secondStage returns the process that makes the sessions, the grandchild of the first.
func secondStage(t *testing.T, z *jail) int {
	t.Helper()
	pid := z.cmd.Process.Pid
	for range 2 {
		words := readWords(filepath.Join("/proc", itoa(pid), "task", itoa(pid), "children"))
		if len(words) == 0 {
			t.Fatalf("process %d has no child", pid)
		}
		pid = atoi(t, words[0])
	}
	return pid
}
