package sandbox

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// victimDir names the folder of a server that runs to be killed.
const victimDir = "UNDERSTUDY_TEST_VICTIM"

// beVictim runs sessions until it is killed. Once they run, it prints the process
// id of the first stage.
func beVictim(dir string) int {
	ctx := context.Background()
	m, err := New(ctx, Config{Dir: dir, Python: os.Getenv("UNDERSTUDY_TEST_PYTHON"), Pool: 2})
	if err != nil || m.driver == nil {
		fmt.Println("error", err, m.Report().Problem)
		return 1
	}
	_, err = m.Run(ctx, "k", Cell{
		Code: "print('on')\nimport time; time.sleep(1e6)",
		Output: func(Output) {
			fmt.Println(m.driver.(*jailDriver).current.cmd.Process.Pid)
		},
	})
	fmt.Println("error", err)
	return 1
}

// TestServerIsKilled kills a server with SIGKILL in the middle of a cell: its
// sessions die with it, and what it left on the host goes when the next one starts.
func TestServerIsKilled(t *testing.T) {
	t.Parallel()
	newManager(t, nil) // or skip
	dir := t.TempDir()
	cmd := exec.CommandContext(t.Context(), "/proc/self/exe")
	cmd.Env = append(os.Environ(), victimDir+"="+dir)
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil || strings.HasPrefix(line, "error") {
		t.Fatalf("the server did not start: %q, %v", line, err)
	}
	family := descendants(atoi(t, strings.TrimSpace(line)))
	if len(family) < 5 { // first stage, init, zygote, a session of the key, one of the pool
		t.Errorf("got %d processes of the sandbox, want at least 5", len(family))
	}
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = cmd.Wait()
	deadline := time.Now().Add(10 * time.Second)
	for _, pid := range family {
		for !errors.Is(syscall.Kill(pid, 0), syscall.ESRCH) && !isZombie(pid) {
			if time.Now().After(deadline) {
				t.Fatalf("process %d of the sandbox outlived the server", pid)
			}
			<-time.After(5 * time.Millisecond)
		}
	}
	m := newManager(t, func(c *Config) { c.Dir = dir })
	run(t, m, "k", "1")
	groups, _ := filepath.Glob(fmt.Sprintf("/sys/fs/cgroup/*/%s%d-*", groupPrefix, cmd.Process.Pid))
	if len(groups) > 0 {
		t.Errorf("left behind: %v", groups)
	}
	if jails, _ := filepath.Glob(filepath.Join(dir, "jail*")); len(jails) != 1 {
		t.Errorf("got jails %v, want only that of the new server", jails)
	}
}

// descendants returns a process and all below it. A child is that of the thread which
// began it, and that may be any.
func descendants(pid int) []int {
	pids := []int{pid}
	for i := 0; i < len(pids); i++ {
		threads, _ := filepath.Glob(filepath.Join("/proc", itoa(pids[i]), "task/*/children"))
		for _, file := range threads {
			for _, word := range readWords(file) {
				var child int
				if _, err := fmt.Sscan(word, &child); err == nil {
					pids = append(pids, child)
				}
			}
		}
	}
	return pids
}

// isZombie reports whether a process is dead and only waits for its parent, which
// in a container may be nobody.
func isZombie(pid int) bool {
	words := readWords(filepath.Join("/proc", itoa(pid), "stat"))
	return len(words) > 2 && words[2] == "Z"
}

// TestFilesGoWithTheirSession looks at the files of a jail that is retired: nobody is left
// there to drop them, and they must not stay until the last of its sessions ends.
func TestFilesGoWithTheirSession(t *testing.T) {
	t.Parallel()
	m := newManager(t, nil)
	run(t, m, "k", "open('f', 'w').write('kept')")
	j := m.driver.(*jailDriver).current
	volumes := func() int {
		b, err := os.ReadFile(fmt.Sprintf("/proc/%d/mountinfo", j.cmd.Process.Pid))
		if err != nil {
			t.Fatal(err)
		}
		return strings.Count(string(b), "/run/volumes")
	}
	if got := volumes(); got < 2 { // their folder, and this one
		t.Fatalf("got %d mounts of volumes, want some", got)
	}
	j.retire()
	for deadline := time.Now().Add(10 * time.Second); volumes() > 0; {
		if time.Now().After(deadline) {
			t.Fatalf("%d mounts of volumes are left", volumes())
		}
		<-time.After(5 * time.Millisecond)
	}
	if r := run(t, m, "k", "open('g', 'w').write(open('f').read())"); r.Text() != "4\n" || r.Notice != "" || len(r.Files) != 1 {
		t.Errorf("the session does not go on with its files: %+v", r)
	}
	f, err := m.Open("k", "g")
	if err != nil {
		t.Fatal(err)
	}
	f.Close()
	run(t, m, "k", "import os; os._exit(0)")
	if r := run(t, m, "k", "open('g').read()"); r.Text() != "'kept'\n" {
		t.Errorf("a new process has other files: %+v", r)
	}
}

// TestSessionFailsAsItBegins gives a session a control group that it cannot join: it must
// end, and not go on as a second one that makes sessions.
func TestSessionFailsAsItBegins(t *testing.T) {
	t.Parallel()
	m := newManager(t, nil)
	d := m.driver.(*jailDriver)
	j := d.current
	v, err := d.makeVolume(t.Context(), m.config.Limits)
	if err != nil {
		t.Fatal(err)
	}
	s := &session{driver: d, jail: j, volume: v, gone: make(chan struct{})}
	theirs, err := s.open()
	if err != nil {
		t.Fatal(err)
	}
	closed, err := os.Open("/dev/null") // for writing
	if err != nil {
		t.Fatal(err)
	}
	files := append(theirs, closed)
	reply, pidfd, err := j.call(t.Context(), d.maker.start(d.config, v, m.config.Limits, nil, len(theirs)), files...)
	closeAll(files)
	if err != nil || pidfd == nil {
		t.Fatalf("got %+v, %v, want a process", reply, err)
	}
	s.pid, s.pidfd = reply.PID, pidfd
	go s.watch()
	<-s.gone
	s.release()
	d.dropVolume(v)
	if r := run(t, m, "k", "1 + 1"); r.Text() != "2\n" || d.current != j {
		t.Errorf("the next session: got %+v, in a new jail: %v", r, d.current != j)
	}
}

// TestZygoteGrows replaces a zygote that takes ever more memory, while its sessions go on.
func TestZygoteGrows(t *testing.T) {
	t.Parallel()
	m := newManager(t, func(c *Config) { c.Pool = -1 })
	run(t, m, "before", "x = 1")
	d := m.driver.(*jailDriver)
	first := d.current
	d.maxGrowth = -1 << 40
	run(t, m, "last", "x = 2")
	d.maxGrowth = maxGrowth
	for key, want := range map[string]string{"before": "1\n", "last": "2\n"} {
		if r := run(t, m, key, "x"); r.Text() != want || r.Notice != "" {
			t.Errorf("%s: got %+v, want %q and no notice", key, r, want)
		}
	}
	run(t, m, "after", "1")
	run(t, m, "later", "1")
	if d.current == first {
		t.Error("the zygote that had grown still makes sessions")
	}
	select {
	case <-d.current.dead:
		t.Error("the new zygote is dead")
	default:
	}
	if d.current.retired.Load() {
		t.Error("the new zygote was retired, though it did not grow")
	}
}
