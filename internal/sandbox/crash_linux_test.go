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

// descendants returns a process and all below it.
func descendants(pid int) []int {
	pids := []int{pid}
	for i := 0; i < len(pids); i++ {
		for _, word := range readWords(filepath.Join("/proc", itoa(pids[i]), "task", itoa(pids[i]), "children")) {
			var child int
			if _, err := fmt.Sscan(word, &child); err == nil {
				pids = append(pids, child)
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
