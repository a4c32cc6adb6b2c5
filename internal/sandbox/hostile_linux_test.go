package sandbox

import (
	"bytes"
	"context"
	"errors"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"syscall"
	"testing"
	"time"

	"github.com/understudy-dev/understudy/internal/sandbox/attacks"
)

// hostileLimits are reached soon.
func hostileLimits() Limits {
	return Limits{
		Memory: 400 << 20, DataBytes: 48 << 20, TmpBytes: 32 << 20, FileSize: 32 << 20, OpenFiles: 256, Processes: 64,
		FloodBytes: 16 << 20, CellTimeout: 20 * time.Second, Grace: 500 * time.Millisecond,
	}
}

// hostile is a Manager as the attacks use it.
type hostile struct{ *Manager }

func (h hostile) Run(ctx context.Context, key, code string, timeout time.Duration) (attacks.Outcome, error) {
	r, err := h.Manager.Run(ctx, key, Cell{Code: code, Timeout: timeout})
	return attacks.Outcome{Status: string(r.Status), Text: r.Text(), Notice: r.Notice}, err
}

// hostileHost is what there is to find in the tests.
type hostileHost struct {
	*attacks.Host
	data string
}

func newHostileHost(t *testing.T) hostileHost {
	t.Helper()
	data := t.TempDir()
	places := []string{data, os.TempDir()}
	if isRoot() {
		places = append(places, "/root")
	}
	l := hostileLimits()
	facts := attacks.Facts{
		Data: data, Folder: filepath.Join(data, "sandbox"), Shown: []string{configFromEnvironment().Packages, os.Getenv(packagesOrigin)},
		Memory: l.Memory, DataBytes: l.DataBytes, TmpBytes: l.TmpBytes, FileSize: l.FileSize, OpenFiles: l.OpenFiles,
		Processes: l.Processes, CPU: 1,
	}
	h, err := attacks.NewHost(facts, places...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := h.Close(); err != nil {
			t.Error(err)
		}
	})
	return hostileHost{Host: h, data: data}
}

func hostileCases(t *testing.T) []attacks.Attack {
	t.Helper()
	all, err := attacks.All(os.Getenv(testDriver))
	if err != nil {
		t.Fatal(err)
	}
	return all
}

// hostileSuite returns a suite on a new Manager whose folder is part of h.
func hostileSuite(t *testing.T, h hostileHost, change func(*Config)) (*attacks.Suite, *Manager) {
	t.Helper()
	m := newManager(t, func(c *Config) {
		c.Dir, c.Limits = h.Folder, hostileLimits()
		if onGVisor() {
			c.Pool = 2 // the next session is restored beside the attack before it
		}
		if change != nil {
			change(c)
		}
	})
	h.Controllers = m.Report().Controllers
	t.Logf("isolation: %v", m.Report())
	s, err := attacks.NewSuite(t.Context(), hostile{m}, h.Host)
	if err != nil {
		t.Fatal(err)
	}
	return s, m
}

// attack runs a and reports what did not hold.
func attack(t *testing.T, s *attacks.Suite, a attacks.Attack) {
	t.Helper()
	v, err := s.Attack(t.Context(), a)
	if err != nil {
		t.Fatal(err)
	}
	for _, breach := range v.Breaches {
		t.Error(breach)
	}
	t.Logf("%s after %d checks and %d findings in gVisor's own kernel; killed in %v; the server grew by %d MiB", v.Status, v.Checks, v.Excused, v.Killed.Round(time.Millisecond), v.Memory>>20)
	if t.Failed() {
		t.Logf("it printed %s", tail(v.Text))
	}
}

// TestHostileCases runs every attack in sessions of its own, beside a session that
// must not notice. It does not run beside other tests: they would be counted among
// what is left.
func TestHostileCases(t *testing.T) {
	h := newHostileHost(t)
	runAll := func(cases []attacks.Attack) {
		s, m := hostileSuite(t, h, nil)
		for _, a := range cases {
			t.Run(a.Name, func(t *testing.T) { attack(t, s, a) })
		}
		if err := m.Close(); err != nil {
			t.Error(err)
		}
	}
	runAll(nil) // what is made once stays
	before, owned := settledResidue(t, h.Folder), sandboxProcesses(t)
	runAll(hostileCases(t))
	checkResidue(t, h.Folder, before)
	for _, pid := range waitForEnd(t, owned) {
		status, _ := os.ReadFile(filepath.Join("/proc", pid, "status"))
		t.Errorf("process %s of a session is left: %.200s", pid, status)
	}
}

// waitForEnd waits a moment for the processes of the sandbox, but for those that
// were there before: the kernel kills a namespace at once, yet each of its
// processes in its own time. It returns the ones that stay.
func waitForEnd(t *testing.T, before []string) []string {
	t.Helper()
	for deadline := time.Now().Add(5 * time.Second); ; <-time.After(10 * time.Millisecond) {
		left := slices.DeleteFunc(sandboxProcesses(t), func(pid string) bool { return slices.Contains(before, pid) })
		if len(left) == 0 || time.Now().After(deadline) {
			return left
		}
	}
}

// sandboxProcesses returns the processes of the host with an id of this server's sessions.
func sandboxProcesses(t *testing.T) []string {
	t.Helper()
	if !isRoot() {
		return nil // they have the server's own id; its children are counted elsewhere
	}
	files, err := filepath.Glob("/proc/[0-9]*/status")
	if err != nil {
		t.Fatal(err)
	}
	var pids []string
	for _, file := range files {
		words := readWords(file)
		i := slices.Index(words, "Uid:")
		if i < 0 || i+1 >= len(words) {
			continue // ended meanwhile
		}
		if uid, err := strconv.Atoi(words[i+1]); err == nil && uid >= kernelBase() && uid < kernelBase()+kernelIDs {
			pids = append(pids, path.Base(path.Dir(file)))
		}
	}
	return pids
}

// TestHostileCasesFindTheHost runs the attacks that only look outside the sandbox.
// There they must find what they look for: else it means nothing that they find
// nothing inside.
func TestHostileCasesFindTheHost(t *testing.T) {
	h := newHostileHost(t)
	checked := 0
	for _, a := range hostileCases(t) {
		if a.Outside == "" || (a.Outside == "breach as root" && !isRoot()) {
			continue
		}
		checked++
		t.Run(a.Name, func(t *testing.T) {
			code, err := h.Code(a)
			file := filepath.Join(h.data, "attack.py")
			if err = errors.Join(err, os.WriteFile(file, []byte(code), 0o600)); err != nil {
				t.Fatal(err)
			}
			cmd := exec.CommandContext(t.Context(), configFromEnvironment().withDefaults().Python, file)
			cmd.Dir = t.TempDir()
			cmd.ExtraFiles = leakedFiles(t)
			out, _ := cmd.CombinedOutput() // what it trips over outside is of no interest
			if !bytes.Contains(out, []byte("BREACH")) {
				t.Errorf("the attack found nothing:\n%s", tail(string(out)))
			}
		})
	}
	if checked < 12 {
		t.Errorf("%d attacks say what they find outside, want at least 12", checked)
	}
}

// leakedFiles are descriptors as a careless server would leave them to its children:
// a connection to the server, where a session has its own, and a folder. What else a
// process inherits depends on who started the tests.
func leakedFiles(t *testing.T) []*os.File {
	t.Helper()
	pair, err := syscall.Socketpair(syscall.AF_UNIX, syscall.SOCK_STREAM|syscall.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	ours, theirs := os.NewFile(uintptr(pair[0]), "server"), os.NewFile(uintptr(pair[1]), "session")
	folder, err := os.Open("/")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		for _, f := range []*os.File{ours, theirs, folder} {
			if err := f.Close(); err != nil {
				t.Error(err)
			}
		}
	})
	return []*os.File{theirs, folder}
}

// TestHostileCasesUnprivileged runs the attacks again as a user without any right,
// with the kernel's help (the test binary starts itself).
func TestHostileCasesUnprivileged(t *testing.T) {
	asNobody(t, "TestHostileCases", "^(TestHostileCases|TestProcessGroup)$")
}

// TestProcessGroup is the attack by process group where Landlock does not help:
// signals and priorities go to a group across PID namespaces.
func TestProcessGroup(t *testing.T) {
	h := newHostileHost(t)
	s, _ := hostileSuite(t, h, func(c *Config) { c.without.landlock = true })
	for _, a := range hostileCases(t) {
		if a.Name == "32_process_group" || a.Name == "32_signals" {
			t.Run(a.Name, func(t *testing.T) { attack(t, s, a) })
		}
	}
}

func tail(s string) string { return s[max(0, len(s)-3000):] }
