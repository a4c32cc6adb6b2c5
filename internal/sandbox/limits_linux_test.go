package sandbox

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestAllow(t *testing.T) {
	t.Parallel()
	m := &Manager{config: Config{ // any host has half a processor
		Limits: Limits{CPU: 0.25}, MaxLimits: SessionLimits{Memory: 4 << 30, CPU: 0.5, DataBytes: 2 << 30},
	}.withDefaults()}
	for _, c := range []struct {
		name   string
		cell   Cell
		want   SessionLimits
		notice string // contained
	}{
		{"nothing", Cell{}, SessionLimits{1 << 30, 0.25, 128, 512 << 20}, ""},
		{"less", Cell{Limits: SessionLimits{Memory: 512 << 20, CPU: 0.125, Processes: 64}}, SessionLimits{512 << 20, 0.125, 64, 512 << 20}, ""},
		{"the most", Cell{Limits: SessionLimits{Memory: 4 << 30, CPU: 0.5, Processes: 128}}, SessionLimits{4 << 30, 0.5, 128, 512 << 20}, ""},
		{"more", Cell{Limits: SessionLimits{Memory: 16 << 30, CPU: 3, Processes: 200}}, SessionLimits{4 << 30, 0.5, 128, 512 << 20}, "It allows: at most 4096 MiB of memory, at most 0.5 processors, at most 128 processes."},
		{"too little", Cell{Limits: SessionLimits{Memory: 1, CPU: 1e-9, Processes: -3}}, SessionLimits{256 << 20, 0.1, 16, 512 << 20}, "It allows: at least 256 MiB of memory, at least 0.1 processors, at least 16 processes."},
		{"more data", Cell{Limits: SessionLimits{DataBytes: 3 << 30}}, SessionLimits{1 << 30, 0.25, 128, 2 << 30}, "It allows: at most 2048 MiB in /mnt/data."},
		{"less data", Cell{Limits: SessionLimits{DataBytes: 1 << 20}}, SessionLimits{1 << 30, 0.25, 128, 1 << 20}, ""},
		{"too little data", Cell{Limits: SessionLimits{DataBytes: 1}}, SessionLimits{1 << 30, 0.25, 128, 1 << 20}, "It allows: at least 1 MiB in /mnt/data."},
		{"too long", Cell{Timeout: time.Hour}, SessionLimits{1 << 30, 0.25, 128, 512 << 20}, "at most 600 s for a piece of code."},
	} {
		got, notice := m.allow(c.cell)
		if diff := cmp.Diff(c.want, SessionLimits{Memory: got.Memory, CPU: got.CPU, Processes: got.Processes, DataBytes: got.DataBytes}); diff != "" {
			t.Errorf("%s (-want +got):\n%s", c.name, diff)
		}
		if !strings.Contains(notice, c.notice) || (c.notice == "") != (notice == "") {
			t.Errorf("%s: got notice %q, want %q", c.name, notice, c.notice)
		}
	}
}

// TestSessionLimitsOfMemory gives sessions more memory than others, from the pool and
// on demand, at once and later, and takes it away again.
func TestSessionLimitsOfMemory(t *testing.T) {
	t.Parallel()
	const small, large = 300 << 20, 700 << 20
	m := newManager(t, func(c *Config) { c.Limits.Memory, c.MaxLimits.Memory, c.Pool = small, large, 1 })
	// cell runs code and reports whether there was memory enough.
	cell := func(key string, memory int64, code string) (fits bool, r Result) {
		t.Helper()
		r, err := m.Run(t.Context(), key, Cell{Code: code, Timeout: 20 * time.Second, Limits: SessionLimits{Memory: memory}})
		if err != nil {
			t.Fatal(err)
		}
		short := r.Status == StatusOutOfMemory || strings.Contains(r.Text(), "MemoryError")
		if !short && r.Status != StatusOK {
			t.Fatalf("%s: got status %q and logs %q", key, r.Status, r.Text())
		}
		return !short, r
	}
	const take = "b = bytearray(420 << 20)\nfor i in range(0, len(b), 4096): b[i] = 1"
	for _, key := range []string{"one", "two", "three"} { // one of them is from the pool
		if fits, r := cell(key, large, take); !fits {
			t.Fatalf("%s: 420 MiB do not fit into %d: %q %q", key, large, r.Status, r.Notice)
		}
		if _, r := cell(key, 0, "len(b)"); !strings.Contains(r.Text(), "440401920") || r.Notice != "" {
			t.Errorf("%s: a lower limit took a session that holds more: got %q, notice %q", key, r.Text(), r.Notice)
		}
		cell(key, 0, "del b")
		for deadline := time.Now().Add(10 * time.Second); onGVisor() && time.Now().Before(deadline); { // it gives memory back when it has time
			cell(key, 0, "import time; time.sleep(0.2)")
			if m.sessions[key].limits.Memory == small {
				break
			}
		}
		if fits, _ := cell(key, 0, take); fits {
			t.Errorf("%s: 420 MiB fit into %d", key, small)
		}
		m.Kill(key)
	}
	if fits, r := cell("later", 0, "x = 1; open('f', 'w').write('f')"); !fits || r.Notice != "" {
		t.Fatalf("got %q, notice %q", r.Status, r.Notice)
	}
	if fits, r := cell("later", large, take+"\nopen('f').read()"); !fits || !strings.Contains(r.Text(), "f") {
		t.Errorf("more memory later: got %q and logs %q", r.Status, r.Text())
	}
}

func TestSessionLimitsOfProcesses(t *testing.T) {
	t.Parallel()
	m := newManager(t, func(c *Config) { c.Limits.Processes, c.MaxLimits.Processes = 24, 100 })
	const threads = `
import threading
stop, all = threading.Event(), []
try:
    for i in range(50):
        all.append(threading.Thread(target=stop.wait))
        all[-1].start()
    print('all 50')
except RuntimeError:
    print('too many')
stop.set()
for t in all:
    if t.ident: t.join()
`
	for _, c := range []struct {
		processes int
		want      string
		notice    string
	}{
		{0, "too many", ""},
		{100, "all 50", ""},
		{1000, "all 50", "It allows: at most 100 processes."},
		{1000, "all 50", ""},
		{0, "too many", ""},
	} {
		r, err := m.Run(t.Context(), "k", Cell{Code: threads, Limits: SessionLimits{Processes: c.processes}})
		if err != nil {
			t.Fatal(err)
		}
		if slices.Contains(m.Report().Controllers, "pids") && !onGVisor() && strings.Contains(r.Notice, "variables") {
			t.Errorf("%d processes: the session was restarted: %q", c.processes, r.Notice)
		}
		if got := r.Text(); isRoot() && !strings.Contains(got, c.want) { // else all sessions share some
			t.Errorf("%d processes: got %q, want %q", c.processes, got, c.want)
		}
		if !strings.Contains(r.Notice, c.notice) || (c.notice == "" && strings.Contains(r.Notice, "allows")) {
			t.Errorf("%d processes: got notice %q, want %q", c.processes, r.Notice, c.notice)
		}
	}
}

// TestSessionLimitsOfProcessors asks for more processors than the host has: the
// session gets what the server does not need, is told so, and stays the one it was.
func TestSessionLimitsOfProcessors(t *testing.T) {
	t.Parallel()
	m := newManager(t, func(c *Config) { c.MaxLimits.CPU = 1024 })
	for _, c := range []struct {
		cpu    float64
		notice string
	}{
		{0, ""},
		{1024, fmt.Sprintf("It allows: at most %g processor", hostCPU())},
		{0.5, ""},
	} {
		r, err := m.Run(t.Context(), "k", Cell{Code: "n = globals().get('n', 0) + 1", Limits: SessionLimits{CPU: c.cpu}})
		if err != nil || r.Status != StatusOK {
			t.Fatalf("%g processors: got %q, notice %q, %v", c.cpu, r.Status, r.Notice, err)
		}
		if !strings.Contains(r.Notice, c.notice) || (c.notice == "") != (r.Notice == "") {
			t.Errorf("%g processors: got notice %q, want %q", c.cpu, r.Notice, c.notice)
		}
	}
	if got := run(t, m, "k", "n").Text(); got != "3\n" {
		t.Errorf("got n = %q, want 3: the session was restarted", got)
	}
}

// TestSessionLimitsAfterTheStart looks at the control group of a session, which may be
// wider while it starts.
func TestSessionLimitsAfterTheStart(t *testing.T) {
	t.Parallel()
	m, key := shared(t)
	run(t, m, key, "1")
	m.mu.Lock()
	s := m.sessions[key].link.process.(*session)
	m.mu.Unlock()
	if s.group == nil || (s.group.kind == groupsV1 && s.group.dirs["cpu"] == "") {
		t.Skip("SKIPPED: no control group of a session's holds processors here")
	}
	file := s.group.dirs["cpu"] + "/cpu.cfs_quota_us"
	if s.group.kind == groupsV2 {
		file = s.group.dirs[""] + "/cpu.max"
	}
	want := strconv.Itoa(int(min(m.config.Limits.CPU, hostCPU()) * period))
	if got := readWords(file); len(got) == 0 || got[0] != want {
		t.Errorf("got %v, want a quota of %s", got, want)
	}
}

// TestProcessorsAreBounded asks the host what a session takes that is after all of them.
// gVisor's own account counts what waits for a processor, too.
func TestProcessorsAreBounded(t *testing.T) {
	t.Parallel()
	const limit = 0.5
	m := newManager(t, func(c *Config) { c.Limits.CPU = limit })
	if !slices.Contains(m.Report().Controllers, "cpu") {
		if isRoot() {
			unavailable(t, "control groups that bound processors")
		}
		t.Skip("SKIPPED: no control group bounds processors here")
	}
	const greedy = `
import os, time
greedy = [os.fork() or os.execvp('sh', ['sh', '-c', 'while :; do :; done']) for _ in range(4)]
print('on')
time.sleep(2)
for pid in greedy: os.kill(pid, 9)
`
	measured := false
	r, err := m.Run(t.Context(), "k", Cell{Code: greedy, Output: func(Output) {
		m.mu.Lock()
		group := m.sessions["k"].link.process.(*session).group
		m.mu.Unlock()
		began, before := time.Now(), processorTime(t, group)
		<-time.After(time.Second)
		taken := processorTime(t, group) - before
		share := taken.Seconds() / time.Since(began).Seconds()
		if share < 0.1*limit || share > 1.25*limit+0.02 {
			t.Errorf("got %.2f processors, want %g", share, limit)
		}
		t.Logf("took %.2f processors of %g", share, limit)
		measured = true
	}})
	if err != nil || r.Status != StatusOK || !measured {
		t.Errorf("got status %q, logs %q, error %v, measured: %t", r.Status, r.Text(), err, measured)
	}
}

// processorTime returns what the processes of a group have had since they began.
func processorTime(t *testing.T, group *cgroup) (total time.Duration) {
	t.Helper()
	dir := group.dirs["cpu"]
	if group.kind == groupsV2 {
		dir = group.dirs[""]
	}
	for _, pid := range readWords(filepath.Join(dir, "cgroup.procs")) {
		stat, err := os.ReadFile(filepath.Join("/proc", pid, "stat"))
		if err != nil {
			continue // ended meanwhile
		}
		const user, system = 14 - 3, 15 - 3 // as proc(5) counts, and the third field is the first after the name
		fields := strings.Fields(string(stat[bytes.LastIndexByte(stat, ')')+1:]))
		total += time.Duration(atoi(t, fields[user])+atoi(t, fields[system])) * time.Second / 100
	}
	return total
}
