package sandbox

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// threatRows are the cases of the threat model.
var threatRows = []int{
	1, 2, 3, 4, 5, 6, 7, 8, 10, 11, 12, 13, 14, 15, 17, 18, 19, 20, 21, 22, 23, 25, 26, 27, 28, 29, 31, 32, 33, 34, 35, 36, 38, 39,
	40, 41, 43, 44, 45, 46, 48, 49, 50, 53, 55, 56, 57, 59, 60, 62, 63, 64, 65, 66, 67, 68, 69, 70, 71, 72, 74, 76, 78, 79, 80, 81,
	83, 84, 85, 86, 87, 90, 91, 92, 93, 94, 95, 97, 98,
}

// threatTests are the tests of the rows that code in a session cannot try by itself,
// or not in full: what the host does with files, and what becomes of sessions.
var threatTests = map[int][]string{
	38: {"TestLateOutputBelongsToNobody", "TestFloodBetweenCells"},
	39: {"TestOutOfMemory", "TestWithoutCgroups"},
	40: {"TestCgroupVersion2", "TestCgroupVersion1"},
	41: {"TestVolumeIsBounded"},
	45: {"TestEnds"},
	50: {"TestEnds", "FuzzReadFrame"},
	53: {"TestCollectorFlood", "FuzzCollector"},
	57: {"TestOpen", "TestOpenRace", "TestInputReplacesALink"},
	59: {"TestOpen"},
	60: {"TestFileChangesWhileItIsRead", "TestNamesOfFiles"},
	65: {"TestRandomnessIsNotShared"},
	66: {"TestUsersComeBackClean", "TestSessionsAreApart", "TestKeysAreOnlyNames"},
	67: {"TestEnds", "TestSessionsAreApart"},
	68: {"TestLifetime"},
	69: {"TestServerIsKilled"},
	70: {"TestZygoteDies"},
	71: {"TestManyAtOnce", "TestFullHouse"},
	72: {"TestKillWhileForking"},
	78: {"TestHygiene"},
	79: {"TestCells", "TestIPython"},
	81: {"TestCells", "TestEnds"},
	83: {"TestCells"},
	85: {"TestFigures"},
	86: {"TestSources"},
	87: {"TestRunRefuses"},
	91: {"TestReport", "TestMinIsolation"},
	92: {"TestGVisorDies", "TestCheckpointIsDamaged"},
	98: {"TestKeysAreOnlyNames", "TestRunRefuses", "TestTimeouts"},
}

// TestThreatModelIsCovered fails for a case of the threat model without an attack or
// a test, and for a test that is gone.
func TestThreatModelIsCovered(t *testing.T) {
	t.Parallel()
	sources, err := filepath.Glob("*_test.go")
	if err != nil {
		t.Fatal(err)
	}
	if len(sources) == 0 {
		t.Skip("SKIPPED: the sources are not here")
	}
	var text []byte
	for _, name := range sources {
		b, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		text = append(text, b...)
	}
	covered := map[int]bool{}
	for _, a := range hostileCases(t) {
		covered[a.Row] = true
		if !slices.Contains(threatRows, a.Row) {
			t.Errorf("attack %s is about row %d, which the threat model does not have", a.Name, a.Row)
		}
	}
	for row, tests := range threatTests {
		covered[row] = true
		for _, name := range tests {
			if !regexp.MustCompile(`(?m)^func ` + name + `\(`).Match(text) {
				t.Errorf("row %d: there is no %s", row, name)
			}
		}
	}
	for _, row := range threatRows {
		if !covered[row] {
			t.Errorf("row %d has neither an attack nor a test", row)
		}
	}
}

// TestFileChangesWhileItIsRead reads files that their session makes longer, shorter,
// unreadable and new at the same time: the copy is bounded and ends.
func TestFileChangesWhileItIsRead(t *testing.T) {
	t.Parallel()
	const limit = 1 << 20
	m := newManager(t, func(c *Config) { c.Limits.DownloadSize = limit })
	run(t, m, "k", `
import os, threading
def change():
    while True:
        with open('f', 'ab') as f:
            for _ in range(40): f.write(b'x' * 100_000)
        os.truncate('f', 10)
        os.chmod('f', 0)
        os.chmod('f', 0o644)
        open('g', 'w').write('new')
        os.replace('g', 'f')
open('f', 'w').write('new')
threading.Thread(target=change, daemon=True).start()
`)
	for range 300 {
		f, err := m.Open("k", "f")
		if err != nil {
			t.Fatal(err)
		}
		n, err := io.Copy(io.Discard, f)
		f.Close()
		if err != nil || n > limit || f.Size > limit {
			t.Fatalf("read %d bytes of a file of %d, %v; the limit is %d", n, f.Size, err, limit)
		}
	}
}

// TestNamesOfFiles lists files whose names are meant to mislead whoever shows them.
func TestNamesOfFiles(t *testing.T) {
	t.Parallel()
	m, key := shared(t)
	r := run(t, m, key, `
for name in ('good.csv', '-rf', 'a b', 'ünïcödé', '日本', '..x', 'x' * 255,
             'new\nline', 'tab\t', 'nul\x01', 'esc\x1b[2J', 'right\u202eleft', b'\xff\xfe.csv'):
    open(name, 'w').close()
`)
	if r.Status != StatusOK {
		t.Fatalf("got %q %s", r.Status, r.Text())
	}
	var got []string
	for _, f := range r.Files {
		got = append(got, f.Path)
	}
	want := []string{"-rf", "..x", "a b", "good.csv", strings.Repeat("x", 255), "ünïcödé", "日本"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// TestUsersComeBackClean makes more sessions than there are users for them: nothing
// of the one before may be left to the next with the same id.
func TestUsersComeBackClean(t *testing.T) {
	t.Parallel()
	m := newManager(t, func(c *Config) { c.MaxSessions = 1 })
	rounds := 2
	if m.Report().UniqueUser {
		rounds = userCount(m.config) + 3
	}
	const code = `
import os, subprocess
mine = [f'{d}/{n}' for d in ('/tmp', '/mnt/data', '/dev/shm') for n in os.listdir(d) if 'left' in n]
print(mine, [n for n in os.listdir('/proc') if n.isdigit() and n != '1'])
for d in ('/tmp', '/mnt/data', '/dev/shm'): open(d + '/left', 'w').write('x')
p = subprocess.Popen(['sleep', '1000'])
print(os.getuid())
`
	seen := map[string]int{}
	for i := range rounds {
		key := fmt.Sprint(i)
		found, user, _ := strings.Cut(run(t, m, key, code).Text(), "\n")
		if found != "[] []" {
			t.Errorf("session %d of user %s found %s", i, user, found)
		}
		seen[user]++
		m.Kill(key)
	}
	if len(seen) == rounds {
		t.Errorf("%d sessions had %d users: none came back", rounds, len(seen))
	}
}

// TestKeysAreOnlyNames uses keys that would do harm as paths, and refuses those
// that are none.
func TestKeysAreOnlyNames(t *testing.T) {
	t.Parallel()
	m := newManager(t, nil)
	for _, key := range []string{"../x", "a\x00b", strings.Repeat("k", 512)} {
		run(t, m, key, "open('mine', 'w').write('x')")
		if f, err := m.Open(key, "mine"); err != nil {
			t.Errorf("%.20q: %v", key, err)
		} else {
			f.Close()
		}
		if _, err := m.Open(key+"x", "mine"); !errors.Is(err, ErrNoSession) {
			t.Errorf("%.20q: its neighbour got %v, want %v", key, err, ErrNoSession)
		}
		m.Kill(key)
	}
	for _, key := range []string{"", strings.Repeat("k", 10_000), "\xff"} {
		if _, err := m.Run(t.Context(), key, Cell{Code: "1"}); err == nil {
			t.Errorf("%.20q: got no error", key)
		}
	}
}

// TestTimeouts asks for time that there is not.
func TestTimeouts(t *testing.T) {
	t.Parallel()
	m := newManager(t, func(c *Config) { c.Limits.MaxTimeout = 300 * time.Millisecond })
	for _, timeout := range []time.Duration{-1, -time.Hour, 1 << 62} {
		r, err := m.Run(t.Context(), "k", Cell{Code: "import time; time.sleep(1e6)", Timeout: timeout})
		if err != nil || r.Status != StatusTimeout {
			t.Errorf("%v: got %q, %v, want a timeout", timeout, r.Status, err)
		}
	}
}

// TestKillWhileForking kills sessions in the middle of a fork bomb, as early and as
// late as it comes: each must be gone, with its control group.
func TestKillWhileForking(t *testing.T) {
	t.Parallel()
	m := newManager(t, func(c *Config) { c.Limits.Processes = 48 })
	const bomb = "import os\nprint('on')\nwhile True:\n    try: os.fork()\n    except OSError: pass"
	for i := range 5 {
		ctx, cancel := context.WithCancel(t.Context())
		started, done := make(chan struct{}), make(chan Result, 1)
		go func() {
			r, _ := m.Run(ctx, "bomb", Cell{Code: bomb, Output: func(Output) {
				select {
				case <-started:
				default:
					close(started)
				}
			}})
			done <- r
		}()
		<-started
		group := groupOf(m)
		<-time.After(time.Duration(i*i) * 5 * time.Millisecond)
		began := time.Now()
		m.Kill("bomb")
		if took := time.Since(began); took > 5*time.Second {
			t.Errorf("the kill took %v", took)
		}
		if r := <-done; r.Status != StatusDied {
			t.Errorf("got status %q, want %q", r.Status, StatusDied)
		}
		cancel()
		for _, dir := range group {
			if _, err := os.Stat(dir); !errors.Is(err, os.ErrNotExist) {
				t.Errorf("the control group %s is left: %v", dir, err)
			}
		}
	}
	if got := run(t, m, "after", "1 + 1").Text(); got != "2\n" {
		t.Errorf("afterwards got %q", got)
	}
}

// groupOf returns the folders of the control groups of the session that runs.
func groupOf(m *Manager) []string {
	d := m.driver.(*jailDriver)
	d.mu.Lock()
	defer d.mu.Unlock()
	var dirs []string
	for s := range d.live {
		if s.group != nil {
			for _, dir := range s.group.dirs {
				dirs = append(dirs, dir)
			}
		}
	}
	return dirs
}

// TestSources runs sources as files come, or as nobody writes them.
func TestSources(t *testing.T) {
	t.Parallel()
	m, key := shared(t)
	for _, c := range []struct {
		name, code, want string
		status           Status
	}{
		{"byte order mark", "\ufeffprint('bom')", "SyntaxError", StatusError},
		{"tabs", "if True:\n\tprint('tab')", "tab\n", StatusOK},
		{"tabs and spaces", "if True:\n\tprint(1)\n        print(2)", "TabError", StatusError},
		{"declared encoding", "# -*- coding: latin-1 -*-\nprint('é')", "é\n", StatusOK},
		{"no UTF-8", "print('\xff')", "\uFFFD\n", StatusOK},
		{"form feed", "x = 1\f\nprint('ff')", "ff\n", StatusOK},
		{"other line ends", "print('a')\rprint('b')", "", StatusOK},
		{"a million characters", "x = '" + strings.Repeat("y", 1_000_000) + "'\nprint(len(x))", "1000000\n", StatusOK},
		{"names in other scripts", "größe = 1\nprint(größe)", "1\n", StatusOK},
	} {
		r := run(t, m, key, c.code)
		if r.Status != c.status || !strings.Contains(r.Text(), c.want) {
			t.Errorf("%s: got %q %.200q, want %q and %q", c.name, r.Status, r.Text(), c.status, c.want)
		}
	}
}

// TestGVisorDies kills gVisor's own processes under a session: without its kernel the
// session is over and its files are kept; the gofer is needed at the start alone.
func TestGVisorDies(t *testing.T) {
	t.Parallel()
	if !onGVisor() {
		t.Skip("about gVisor")
	}
	m := newManager(t, nil)
	for name, want := range map[string]string{"runsc-sandbox": "False kept\n", "runsc-gofer": "True kept\n"} {
		run(t, m, name, "x = 1\nopen('f', 'w').write('kept')")
		s := m.sessions[name].link.process.(*session)
		if err := syscall.Kill(descendantNamed(t, hostPID(s.pidfd), name), syscall.SIGKILL); err != nil {
			t.Fatal(err)
		}
		if name == "runsc-sandbox" {
			<-s.exited()
		}
		if got := run(t, m, name, "print('x' in globals(), open('/mnt/data/f').read())").Text(); got != want {
			t.Errorf("%s was killed: got %q, want %q", name, got, want)
		}
		m.Kill(name)
	}
}

// descendantNamed returns the process below pid whose command line begins with name.
func descendantNamed(t *testing.T, pid int, name string) int {
	t.Helper()
	for _, p := range descendants(pid) {
		line, _ := os.ReadFile(filepath.Join("/proc", strconv.Itoa(p), "cmdline"))
		if bytes.HasPrefix(line, []byte(name)) {
			return p
		}
	}
	t.Fatalf("found no %s", name)
	return 0
}

// TestGVisorRelease starts a session from a folder that is laid out as gVisor's releases
// are: the kernel is a program of its own, beside what the link leads to.
func TestGVisorRelease(t *testing.T) {
	t.Parallel()
	if !onGVisor() {
		t.Skip("about gVisor")
	}
	dir := t.TempDir()
	built, link, kernel := filepath.Join(dir, "release/runsc"), filepath.Join(dir, "runsc"), filepath.Join(dir, "release/gvisor-bin/gvisor_sentry")
	if err := errors.Join(os.MkdirAll(filepath.Dir(kernel), 0o755), os.Symlink(built, link)); err != nil {
		t.Fatal(err)
	}
	copyExecutable(t, os.Getenv(testRunsc), built)
	copyExecutable(t, os.Getenv(testRunsc), kernel)
	m := newManager(t, func(c *Config) { c.Runsc = link })
	run(t, m, "k", "x = 1")
	s := m.sessions["k"].link.process.(*session)
	got, err := os.Readlink(filepath.Join("/proc", strconv.Itoa(descendantNamed(t, hostPID(s.pidfd), "runsc-sandbox")), "exe"))
	if want := filepath.Base(kernel); err != nil || filepath.Base(got) != want {
		t.Errorf("the kernel is %q, %v, want %q", got, err, want)
	}
}

// TestCheckpointIsDamaged takes away the description of what gVisor's sessions are
// copies of, or cuts the checkpoint short: those that run go on, and after some that
// cannot start everything is made anew.
func TestCheckpointIsDamaged(t *testing.T) {
	t.Parallel()
	if !onGVisor() || !isRoot() {
		t.Skip("about gVisor, and only root reaches into its jail")
	}
	for file, damage := range map[string]func(string) error{
		"bundle/config.json": os.Remove,
		"image/pages.img":    func(name string) error { return os.Truncate(name, 8<<20) },
	} {
		t.Run(filepath.Base(file), func(t *testing.T) {
			t.Parallel()
			checkDamage(t, file, damage)
		})
	}
}

func checkDamage(t *testing.T, file string, damage func(string) error) {
	m := newManager(t, nil)
	run(t, m, "old", "x = 1")
	d := m.driver.(*jailDriver)
	if err := damage(fmt.Sprintf("/proc/%d/root/run/gvisor/%s", secondStage(t, d.current), file)); err != nil {
		t.Fatal(err)
	}
	failed := 0
	for ; failed <= maxFailures; failed++ {
		if _, err := m.Run(t.Context(), "new", Cell{Code: "1"}); err == nil {
			break
		}
	}
	if want := maxFailures / 2; failed != want { // each is tried twice, and with the last failure begins the new
		t.Errorf("%d sessions did not start, want %d and then one that does", failed, want)
	}
	if got := run(t, m, "new", "1 + 1").Text(); got != "2\n" {
		t.Errorf("the new session: got %q", got)
	}
	if got := run(t, m, "old", "x").Text(); got != "1\n" {
		t.Errorf("the old session: got %q, want it to go on", got)
	}
}

// TestSessionHangsAtItsStart: callTimeout is long, and nobody waits for it three times.
func TestSessionHangsAtItsStart(t *testing.T) {
	conn, end, err := connPair()
	if err != nil {
		t.Fatal(err)
	}
	defer end.Close()
	j := &jail{ctl: conn.(*net.UnixConn)}
	for _, err := range []error{errors.New("fails"), nil, errors.New("fails"), errors.New("fails")} {
		j.record(err)
	}
	if j.retired.Load() {
		t.Error("retired after two failures in a row")
	}
	j.record(nil)
	j.record(fmt.Errorf("session did not start: %w", os.ErrDeadlineExceeded))
	if !j.retired.Load() {
		t.Error("not retired after a session that hung")
	}
}
