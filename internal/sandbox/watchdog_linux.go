package sandbox

import (
	"bytes"
	"context"
	"maps"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// watchInterval is how often memory is looked at where no control group bounds it.
const watchInterval = 250 * time.Millisecond

// watchMemory kills sessions whose processes together hold more memory than they
// may, until ctx ends. It is the soft stand-in for the memory controller: RLIMIT_DATA
// bounds each process, this bounds their sum, both too late for a sudden rise.
func (d *jailDriver) watchMemory(ctx context.Context) {
	tick := time.NewTicker(watchInterval)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
		d.mu.Lock()
		sessions := slices.Collect(maps.Keys(d.live))
		d.mu.Unlock()
		for _, s := range sessions {
			if used := s.memory(); used > tolerated(s.mayHold.Load()) {
				d.config.Logger.Info("sandbox: session is over its memory", "bytes", used)
				s.overMemory.Store(true)
				s.kill()
			}
		}
	}
}

// tolerated returns what a session may be seen to hold that may hold limit. A process
// that RLIMIT_DATA stopped lives on, and has its page tables too, and what was
// reserved for it in the zygote but not in use.
func tolerated(limit int64) int64 { return limit + limit/64 + 1<<20 }

// memory returns the bytes that the session's processes hold beyond what they
// share with the zygote. Those of gVisor all map one file, which is the memory of
// the code: it counts once.
func (s *session) memory() int64 {
	first := hostPID(s.pidfd)
	if first == 0 {
		return 0
	}
	var sum, file int64
	pids := []int{first}
	for i := 0; i < len(pids) && i < 4096; i++ {
		anonymous, shared := ownMemory(pids[i])
		if s.driver.maker.ownKernel {
			sum, file = sum+anonymous, max(file, shared, memoryFile(pids[i]))
		} else {
			sum += max(0, anonymous+shared-s.baseline)
		}
		tasks, _ := filepath.Glob(filepath.Join("/proc", strconv.Itoa(pids[i]), "task", "*", "children"))
		for _, file := range tasks {
			for _, word := range readWords(file) {
				if pid, err := strconv.Atoi(word); err == nil {
					pids = append(pids, pid)
				}
			}
		}
	}
	return sum + file
}

// memoryFile returns the bytes in the file that is the memory of a gVisor session, if
// pid has it open: what its processes have mapped are parts of it.
func memoryFile(pid int) int64 {
	files, _ := filepath.Glob(filepath.Join("/proc", strconv.Itoa(pid), "fd", "*"))
	for _, file := range files {
		var st unix.Stat_t
		if name, err := os.Readlink(file); err == nil && strings.HasPrefix(name, "/memfd:runsc-memory") && unix.Stat(file, &st) == nil {
			return st.Blocks * 512
		}
	}
	return 0
}

// ownMemory returns the anonymous memory of a process, its page tables included, and the
// shared memory, in bytes. Memory that is only read has page tables and nothing else.
func ownMemory(pid int) (anonymous, shared int64) {
	status, _ := os.ReadFile(filepath.Join("/proc", strconv.Itoa(pid), "status"))
	for line := range bytes.Lines(status) {
		fields := bytes.Fields(line)
		if len(fields) != 3 {
			continue
		}
		kilobytes, _ := strconv.ParseInt(string(fields[1]), 10, 64)
		switch string(fields[0]) {
		case "RssAnon:", "VmPTE:":
			anonymous += kilobytes << 10
		case "RssShmem:":
			shared = kilobytes << 10
		}
	}
	return anonymous, shared
}

// hostPID returns the host's number of a process from its handle, 0 if it is gone.
func hostPID(pidfd *os.File) int {
	raw, err := pidfd.SyscallConn()
	if err != nil {
		return 0
	}
	pid := 0
	_ = raw.Control(func(fd uintptr) {
		words := readWords(filepath.Join("/proc/self/fdinfo", strconv.Itoa(int(fd))))
		if i := slices.Index(words, "Pid:"); i >= 0 && i+1 < len(words) {
			pid, _ = strconv.Atoi(words[i+1])
		}
	})
	return max(pid, 0) // -1: dead
}

// memoryAvailable returns what the host could give to new processes, in bytes, and the
// control groups of the server: a container or a unit may have less than the host. Once
// that is enough, it may be less than the truth.
func memoryAvailable(enough int64) int64 {
	available := groupsAvailable("/sys/fs/cgroup", "/proc/self/cgroup", enough)
	words := readWords("/proc/meminfo")
	if i := slices.Index(words, "MemAvailable:"); i >= 0 && i+1 < len(words) {
		if kilobytes, err := strconv.ParseInt(words[i+1], 10, 64); err == nil {
			available = min(available, kilobytes<<10)
		}
	}
	return available
}

// unlimited is less than what version 1 says of a group without a limit.
const unlimited = 1 << 60

// groupsAvailable returns what the group of the server and those above it have left,
// math.MaxInt64 if they have no limit. fsroot and self are as for openCgroups, enough as
// for memoryAvailable: the kernel takes a third of a millisecond to say what is cache.
func groupsAvailable(fsroot, self string, enough int64) int64 {
	available := int64(math.MaxInt64)
	own, err := readOwnGroups(self)
	if err != nil {
		return available
	}
	root, group, limit, usage, cache := fsroot, own[""], "memory.max", "memory.current", []string{"active_file", "inactive_file"}
	if path, ok := own["memory"]; ok {
		root, group = filepath.Join(fsroot, controllerFolder(fsroot, "memory")), path
		limit, usage, cache = "memory.limit_in_bytes", "memory.usage_in_bytes", []string{"total_active_file", "total_inactive_file"}
	}
	for group = filepath.Join("/", group); ; group = filepath.Dir(group) {
		dir := filepath.Join(root, group) // may not be there: a container shows its own group as the root
		if most, ok := readNumber(filepath.Join(dir, limit)); ok && most < unlimited {
			used, _ := readNumber(filepath.Join(dir, usage))
			if most-used < enough {
				used -= sumOf(filepath.Join(dir, "memory.stat"), cache)
			}
			available = min(available, most-used)
		}
		if group == "/" {
			return available
		}
	}
}

// sumOf adds up the values of names in a file of names and values. As to memory.stat,
// cache of files, unlike that of a tmpfs, goes when memory is needed.
func sumOf(file string, names []string) (sum int64) {
	words := readWords(file)
	for i := 0; i+1 < len(words); i += 2 {
		if slices.Contains(names, words[i]) {
			n, _ := strconv.ParseInt(words[i+1], 10, 64)
			sum += n
		}
	}
	return sum
}

// readNumber reads a file of one number; "max" is none.
func readNumber(file string) (n int64, ok bool) {
	words := readWords(file)
	if len(words) != 1 {
		return 0, false
	}
	n, err := strconv.ParseInt(words[0], 10, 64)
	return n, err == nil
}
