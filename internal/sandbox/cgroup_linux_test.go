package sandbox

import (
	"errors"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// fakeTree makes a folder with files, as a cgroup hierarchy shows itself.
func fakeTree(t *testing.T, files map[string]string) string {
	t.Helper()
	root := t.TempDir()
	for name, content := range files {
		file := filepath.Join(root, name)
		if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, []byte(content), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return root
}

// wantBurst lets sessions have the half processor that is the server's for a quarter of a second.
var wantBurst = strconv.Itoa(int(min(0.5*250_000, hostCPU()*100_000)))

func TestCgroupVersion2(t *testing.T) {
	t.Parallel()
	root := fakeTree(t, map[string]string{
		"self": "0::/system.slice/x.service\n",
		"system.slice/x.service/cgroup.controllers": "cpu memory pids\n",
	})
	g := openCgroups(root, filepath.Join(root, "self"))
	if g.kind != "v2" {
		t.Fatalf("got kind %q, want v2", g.kind)
	}
	s, err := g.create(7, Limits{Memory: 1 << 30, Processes: 128, CPU: 1.5})
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"memory", "cpu", "pids"}, s.held); diff != "" {
		t.Errorf("held (-want +got):\n%s", diff)
	}
	for file, want := range map[string]string{
		"memory.max": "1073741824", "memory.swap.max": "0", "memory.oom.group": "1", "cpu.max": "150000 100000", "pids.max": "128",
	} {
		b, err := os.ReadFile(filepath.Join(s.dirs[""], file))
		if err != nil || string(b) != want {
			t.Errorf("%s: got %q, %v, want %q", file, b, err, want)
		}
	}
	if got := readWords(filepath.Join(g.parents[""], "cpu.max.burst")); !slices.Equal(got, []string{wantBurst}) {
		t.Errorf("cpu.max.burst of all sessions: got %v, want %s", got, wantBurst)
	}
	if s.outOfMemory() {
		t.Error("out of memory before anything happened")
	}
	events := filepath.Join(s.dirs[""], "memory.events")
	if err := os.WriteFile(events, []byte("low 0\noom 1\noom_kill 2\noom_group_kill 1\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	if !s.outOfMemory() {
		t.Error("oom_kill 2 was not noticed")
	}
}

func TestCgroupVersion1(t *testing.T) {
	t.Parallel()
	root := fakeTree(t, map[string]string{
		"self":                       "5:memory:/a\n4:pids:/\n3:cpu,cpuacct:/\n0::/\n",
		"memory/a/tasks":             "",
		"pids/tasks":                 "",
		"cpu,cpuacct/tasks":          "",
		"unified/cgroup.controllers": "",
	})
	g := openCgroups(root, filepath.Join(root, "self"))
	if g.kind != "v1" {
		t.Fatalf("got kind %q, want v1", g.kind)
	}
	s, err := g.create(1, Limits{Memory: 1000, Processes: 10, CPU: 1})
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"memory", "cpu", "pids"}, s.held); diff != "" {
		t.Errorf("held (-want +got):\n%s", diff)
	}
	for file, want := range map[string]string{"cpu.cfs_quota_us": quota(hostCPU()), "cpu.cfs_burst_us": wantBurst} {
		if got := readWords(filepath.Join(g.parents["cpu"], file)); !slices.Equal(got, []string{want}) {
			t.Errorf("%s of all sessions: got %v, want %s", file, got, want)
		}
	}
	if want := filepath.Join(root, "memory/a"); filepath.Dir(filepath.Dir(s.dirs["memory"])) != want {
		t.Errorf("the group %s is not below the server's own %s", s.dirs["memory"], want)
	}
}

func TestSettle(t *testing.T) {
	t.Parallel()
	root := fakeTree(t, map[string]string{"self": "0::/\n", "cgroup.controllers": "cpu memory pids\n"})
	d := &jailDriver{maker: maker{ownKernel: true}, cgroups: openCgroups(root, filepath.Join(root, "self"))}
	limits := Limits{Memory: 1 << 30, Processes: 10, CPU: 0.5}
	group, err := d.cgroups.create(1, d.maker.startBounds(limits))
	if err != nil {
		t.Fatal(err)
	}
	if group.holds("cpu") {
		t.Error("a session of gVisor's starts with a quota")
	}
	s := &session{driver: d, group: group, limits: limits}
	if err := s.settle(); err != nil || !group.holds("cpu") {
		t.Errorf("got %v, and held %v", err, group.held)
	}
	if got := readWords(filepath.Join(group.dirs[""], "cpu.max")); !slices.Equal(got, []string{"50000", "100000"}) {
		t.Errorf("cpu.max: got %v", got)
	}
	if err := os.RemoveAll(group.dirs[""]); err != nil {
		t.Fatal(err)
	}
	if err := s.settle(); err == nil {
		t.Error("no limit could be written, and the session is used")
	}
}

func TestCgroupNone(t *testing.T) {
	t.Parallel()
	root := fakeTree(t, map[string]string{"self": "0::/\n"})
	if g := openCgroups(root, filepath.Join(root, "self")); g.kind != "none" {
		t.Errorf("got kind %q, want none", g.kind)
	}
	if g := openCgroups(root, filepath.Join(root, "missing")); g.kind != "none" {
		t.Errorf("without /proc: got kind %q, want none", g.kind)
	}
}

func TestStaleGroupsAreRemoved(t *testing.T) {
	t.Parallel()
	root := fakeTree(t, map[string]string{"self": "4:pids:/\n"})
	stale := filepath.Join(root, "pids", groupPrefix+"999999999-00000001")
	ours := filepath.Join(root, "pids", groupPrefix+"1-00000001") // process 1 lives
	for _, dir := range []string{filepath.Join(stale, "s1"), ours} {
		if err := os.MkdirAll(dir, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	openCgroups(root, filepath.Join(root, "self"))
	if _, err := os.Stat(stale); err == nil {
		t.Error("the group of a dead server is still there")
	}
	if _, err := os.Stat(ours); err != nil {
		t.Errorf("the group of a live server is gone: %v", err)
	}
}

func TestGroupsAreRemembered(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	root := fakeTree(t, map[string]string{"self": "4:pids:/\n", "pids/tasks": ""})
	stale := filepath.Join(t.TempDir(), groupPrefix+"999999999-00000001")
	other := filepath.Join(t.TempDir(), "other")
	for _, path := range []string{filepath.Join(stale, "s1"), other} {
		if err := os.MkdirAll(path, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.WriteFile(filepath.Join(dir, groupsFile), []byte(stale+"\n"+other+"\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	g := openCgroups(root, filepath.Join(root, "self"))
	if err := g.remember(dir); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(stale); err == nil {
		t.Error("the group of a dead server is still there")
	}
	if _, err := os.Stat(other); err != nil {
		t.Errorf("a folder that is no group of ours was removed: %v", err)
	}
	if got, want := readWords(filepath.Join(dir, groupsFile)), []string{g.parents["pids"]}; !slices.Equal(got, want) {
		t.Errorf("remembered %v, want %v", got, want)
	}
}

// TestBornInControlGroup starts sessions in a control group of version 2, where most
// machines have only those. Here the tree has no controllers; that they hold is for
// a machine where it does.
func TestBornInControlGroup(t *testing.T) {
	if _, err := os.Stat("/sys/fs/cgroup/unified/cgroup.procs"); err != nil || !isRoot() {
		t.Skip("needs root, and the layout with both versions of control groups")
	}
	t.Parallel()
	m := newManager(t, func(c *Config) { c.without.controllers, c.Pool = true, -1 })
	if got := m.Report().Cgroups; got != "v2" {
		t.Skipf("got control groups %q, want v2: not ours to make here", got)
	}
	r := run(t, m, "k", "import threading, os, signal, subprocess, multiprocessing as mp\n"+
		"print(os.getpid(), threading.get_native_id(), subprocess.run(['false']).returncode)\n"+
		"with mp.Pool(2) as p: print(p.map(abs, [-1, 2]))\n"+
		"t = threading.Thread(target=lambda: signal.pthread_kill(threading.main_thread().ident, signal.SIGUSR1))\n"+
		"signal.signal(signal.SIGUSR1, lambda *a: print('signalled'))\nt.start(); t.join()")
	if got, want := r.Text(), "1 1 1\n[1, 2]\nsignalled\n"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	d := m.driver.(*jailDriver)
	for s := range d.live {
		if !s.born {
			t.Error("the session was not born in its control group")
		}
		file := filepath.Join("/proc", itoa(hostPID(s.pidfd)), "cgroup")
		words := readWords(file)
		if want := s.group.dirs[""]; !slices.ContainsFunc(words, func(w string) bool {
			path, ok := strings.CutPrefix(w, "0::")
			return ok && strings.HasSuffix(want, path)
		}) {
			t.Errorf("%s: got %q, want %s", file, words, want)
		}
	}
}

// TestControlGroupsHold is about what the kernel makes of the limits, where there are
// control groups of version 2 alone: `make test-cgroup2` starts such a machine.
func TestControlGroupsHold(t *testing.T) {
	if os.Getenv("UNDERSTUDY_TEST_CGROUPS") != "v2" {
		t.Skip("needs control groups of version 2 to itself: make test-cgroup2")
	}
	managers := make([]*Manager, 3)
	var opening sync.WaitGroup
	for i := range managers { // all at once: the first moves the server out of the others' way
		opening.Go(func() {
			managers[i] = newManager(t, func(c *Config) { c.Limits = Limits{Memory: 200 << 20, Processes: 40, CPU: 0.2} })
		})
	}
	opening.Wait()
	other := exec.CommandContext(t.Context(), "sleep", "1000") // beside the server, and in the way of a second move
	if err := other.Start(); err != nil {
		t.Fatal(err)
	}
	defer other.Wait()
	defer other.Process.Kill()
	managers = append(managers, newManager(t, nil))
	for _, m := range managers {
		r := m.Report()
		if want := []string{"memory", "cpu", "pids"}; r.Cgroups != "v2" || !slices.Equal(r.Controllers, want) {
			t.Fatalf("got control groups %q with %v, want v2 with %v", r.Cgroups, r.Controllers, want)
		}
		if isRoot() && r.Level != LevelFull {
			t.Errorf("got level %s, want full", r.Level)
		}
	}
	m := managers[0]
	run(t, m, "k", "import os\nif os.fork() == 0:\n    os.setsid()\n    import time; time.sleep(1e6)")
	group := liveGroup(t, m)
	for file, want := range map[string]string{
		"memory.max": "209715200", "memory.swap.max": "0", "memory.oom.group": "1", "pids.max": "40", "cpu.max": "20000 100000",
	} {
		if got := strings.Join(readWords(filepath.Join(group, file)), " "); got != want {
			t.Errorf("%s: got %q, want %q", file, got, want)
		}
	}
	if got := len(readWords(filepath.Join(group, "cgroup.procs"))); got != 2 {
		t.Errorf("got %d processes in the group, want the session and its child", got)
	}
	r := run(t, m, "k", "import time\nt, used = time.time(), time.process_time()\nwhile time.time() < t + 2: pass\ntime.process_time() - used < 1")
	if got := r.Text(); got != "True\n" {
		t.Errorf("with a fifth of a processor: got %q", got)
	}
	r = run(t, m, "k", "if os.fork() == 0:\n    bytearray(1 << 30)\nos.wait()")
	if r.Status != StatusOutOfMemory {
		t.Errorf("out of memory in a child: got status %q, logs %q", r.Status, r.Text())
	}
	m.Kill("k")
	if _, err := os.Stat(group); err == nil {
		t.Error("the group is still there after the session")
	}
}

// liveGroup returns the version 2 group of a Manager's one session, which was born there.
func liveGroup(t *testing.T, m *Manager) string {
	t.Helper()
	d := m.driver.(*jailDriver)
	d.mu.Lock()
	defer d.mu.Unlock()
	if len(d.live) != 1 {
		t.Fatalf("got %d sessions, want 1", len(d.live))
	}
	var group string
	for s := range d.live {
		if !s.born {
			t.Error("the session was not born in its control group")
		}
		group = s.group.dirs[""]
	}
	return group
}

func TestGroupsAvailable(t *testing.T) {
	t.Parallel()
	v2 := map[string]string{
		"a/memory.max": "1000\n", "a/memory.current": "700\n", "a/memory.stat": "anon 5\ninactive_file 60\nactive_file 40\n",
		"a/b/memory.max": "max\n", "a/b/memory.current": "700\n",
	}
	v1 := map[string]string{
		"memory/memory.limit_in_bytes": "1000\n", "memory/memory.usage_in_bytes": "900\n", "memory/memory.stat": "inactive_file 1\ntotal_inactive_file 50\n",
	}
	for name, c := range map[string]struct {
		files  map[string]string
		self   string
		enough int64
		want   int64
	}{
		"version 2":              {v2, "0::/a/b\n", 301, 400},
		"enough without cache":   {v2, "0::/a/b\n", 300, 300},
		"version 2, no limit":    {v2, "0::/c\n", 301, math.MaxInt64},
		"version 1, container":   {v1, "4:memory:/docker/1\n1:name=systemd:/\n", 301, 150},
		"version 1, no limit":    {map[string]string{"memory/memory.limit_in_bytes": "9223372036854771712", "memory/memory.usage_in_bytes": "90"}, "4:memory:/\n", 301, math.MaxInt64},
		"no such file":           {v1, "", 301, math.MaxInt64},
		"a container's own root": {map[string]string{"memory.max": "100", "memory.current": "90"}, "0::/\n", 301, 10},
	} {
		root := t.TempDir()
		for file, content := range c.files {
			file = filepath.Join(root, file)
			if err := errors.Join(os.MkdirAll(filepath.Dir(file), 0o755), os.WriteFile(file, []byte(content), 0o644)); err != nil {
				t.Fatal(err)
			}
		}
		self := filepath.Join(root, "self")
		if err := os.WriteFile(self, []byte(c.self), 0o644); err != nil {
			t.Fatal(err)
		}
		if got := groupsAvailable(root, self, c.enough); got != c.want {
			t.Errorf("%s: got %d, want %d", name, got, c.want)
		}
	}
}
