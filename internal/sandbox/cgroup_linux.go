package sandbox

import (
	"bufio"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// cgroups makes one control group per session below a group of the server's own.
// Version 2 is used where it has the controllers, else version 1 (the hybrid
// layout too), else nothing: then only rlimits hold.
type cgroups struct {
	kind    string            // groupsV2, groupsV1 or groupsNone
	parents map[string]string // controller to the folder of the server's group; for v2 the one key ""
}

// groupPrefix names the groups of servers; the process id and a number of the
// Manager follow.
const groupPrefix = "understudy-"

func newGroupName() string {
	return fmt.Sprintf("%s%d-%08x", groupPrefix, os.Getpid(), rand.Uint32())
}

// openCgroups makes the server's group. fsroot is /sys/fs/cgroup, self is
// /proc/self/cgroup. It never fails: what cannot be had is not used.
func openCgroups(fsroot, self string) *cgroups {
	own, err := readOwnGroups(self)
	if err != nil {
		return &cgroups{kind: groupsNone}
	}
	if g := openV2(fsroot, own); g != nil {
		return g
	}
	g := &cgroups{kind: groupsV1, parents: map[string]string{}}
	name := newGroupName()
	for _, controller := range []string{"memory", "pids", "cpu"} {
		path, ok := own[controller]
		if !ok {
			continue
		}
		parent := filepath.Join(fsroot, controllerFolder(fsroot, controller), path)
		sweepGroups(parent)
		parent = filepath.Join(parent, name)
		if os.Mkdir(parent, 0o755) != nil {
			continue // not ours to write
		}
		g.parents[controller] = parent
	}
	if len(g.parents) == 0 {
		return &cgroups{kind: groupsNone}
	}
	g.limitTotal()
	return g
}

// readOwnGroups returns the server's own group by controller; "" is version 2.
func readOwnGroups(self string) (map[string]string, error) {
	f, err := os.Open(self)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	own := map[string]string{}
	lines := bufio.NewScanner(f)
	for lines.Scan() {
		parts := strings.SplitN(lines.Text(), ":", 3)
		if len(parts) != 3 {
			continue
		}
		for controller := range strings.SplitSeq(parts[1], ",") {
			own[controller] = parts[2]
		}
	}
	return own, lines.Err()
}

// controllerFolder finds a version 1 hierarchy, which may be shared ("cpu,cpuacct").
func controllerFolder(fsroot, controller string) string {
	entries, _ := os.ReadDir(fsroot)
	for _, e := range entries {
		if slices.Contains(strings.Split(e.Name(), ","), controller) {
			return e.Name()
		}
	}
	return controller
}

// openV2 makes the server's group in a version 2 tree with the memory and pids
// controllers, or returns nil.
func openV2(fsroot string, own map[string]string) *cgroups {
	for _, path := range delegated(own[""]) {
		if g := openV2Below(filepath.Join(fsroot, path)); g != nil {
			return g
		}
	}
	return nil
}

// serverGroup is where a server of version 2 lives, in the group that it was given.
const serverGroup = groupPrefix + "server"

// delegated returns the groups that may be the one that the server at own was given:
// it may have moved already, for another Manager or before it was executed anew.
func delegated(own string) []string {
	if filepath.Base(own) == serverGroup {
		return []string{filepath.Dir(own), own}
	}
	return []string{own}
}

func openV2Below(parent string) *cgroups {
	if have := readWords(filepath.Join(parent, "cgroup.controllers")); !slices.Contains(have, "memory") || !slices.Contains(have, "pids") {
		return nil
	}
	if !delegate(parent) {
		return nil
	}
	sweepGroups(parent)
	group := filepath.Join(parent, newGroupName())
	if os.Mkdir(group, 0o755) != nil {
		return nil
	}
	if !delegate(group) {
		os.Remove(group)
		return nil
	}
	return newV2(group)
}

// newV2 uses group, an empty one of version 2.
func newV2(group string) *cgroups {
	g := &cgroups{kind: groupsV2, parents: map[string]string{"": group}}
	g.limitTotal()
	if os.Mkdir(filepath.Join(group, jailGroup), 0o755) == nil {
		letFork(group)
	}
	return g
}

// openBare makes the server's group in the version 2 tree that lies beside version 1.
// It has no controllers, so it is of use only to try how processes get there.
func openBare(fsroot, self string) *cgroups {
	own, err := readOwnGroups(self)
	group := filepath.Join(fsroot, own[""], newGroupName())
	if err != nil || os.Mkdir(group, 0o755) != nil {
		return &cgroups{kind: groupsNone}
	}
	return newV2(group)
}

// jailGroup is where the jail lives in a version 2 tree, beside its sessions. A
// process may be born in a group only by one who may write to it and to the
// lowest group that both are below.
const jailGroup = "jail"

// letFork lets the jail's root put processes into a group.
func letFork(group string) {
	if privileged() {
		_ = os.Lchown(filepath.Join(group, "cgroup.procs"), kernelBase(), kernelBase())
	}
}

// jail opens the group that the jail is to be born in, nil without.
func (g *cgroups) jail() *os.File {
	if g.kind != groupsV2 {
		return nil
	}
	f, err := os.Open(filepath.Join(g.parents[""], jailGroup))
	if err != nil {
		return nil
	}
	return f
}

// delegate hands the controllers of a version 2 group to its children. A group with
// processes of its own refuses; then the server makes way, if it can.
func delegate(group string) bool {
	file := filepath.Join(group, "cgroup.subtree_control")
	write := func(controller string) error { return os.WriteFile(file, []byte("+"+controller), 0o644) }
	err := write("memory")
	if errors.Is(err, unix.EBUSY) && stepAside(group) {
		err = write("memory")
	}
	if err != nil || write("pids") != nil {
		return false
	}
	_ = write("cpu") // may be missing: then processor time is only shared
	return true
}

// stepAside moves the server out of group into one beside its sessions. It does not
// move others: they are not its own.
func stepAside(group string) bool {
	pid := strconv.Itoa(os.Getpid())
	others := func(p string) bool { return p != pid }
	if slices.ContainsFunc(readWords(filepath.Join(group, "cgroup.procs")), others) {
		return false
	}
	server := filepath.Join(group, serverGroup)
	if err := os.Mkdir(server, 0o755); err != nil && !errors.Is(err, fs.ErrExist) {
		return false
	}
	return os.WriteFile(filepath.Join(server, "cgroup.procs"), []byte(pid), 0o644) == nil
}

// sweepGroups removes the groups of dead servers below parent.
func sweepGroups(parent string) {
	stale, _ := filepath.Glob(filepath.Join(parent, groupPrefix+"*"))
	for _, group := range stale {
		sweepGroup(group)
	}
}

// sweepGroup removes the group of a server, if that is dead.
func sweepGroup(group string) {
	number, _, _ := strings.Cut(strings.TrimPrefix(filepath.Base(group), groupPrefix), "-")
	pid, err := strconv.Atoi(number)
	if err != nil || !errors.Is(unix.Kill(pid, 0), unix.ESRCH) {
		return
	}
	members, _ := filepath.Glob(filepath.Join(group, "[sj]*"))
	for _, member := range members {
		_ = os.Remove(member) // refused for files, and where a process still lives
	}
	_ = os.Remove(group)
}

// groupsFile lists, in the Manager's folder, the groups it made: the next server may
// run in another group, and would not find them below its own.
const groupsFile = "cgroups"

// remember writes the groups down in dir, and removes those of the server before.
func (g *cgroups) remember(dir string) error {
	file := filepath.Join(dir, groupsFile)
	for _, group := range readWords(file) {
		if strings.HasPrefix(filepath.Base(group), groupPrefix) && filepath.IsAbs(group) {
			sweepGroup(group)
		}
	}
	if len(g.parents) == 0 {
		return nil
	}
	lines := strings.Join(slices.Sorted(maps.Values(g.parents)), "\n") + "\n"
	if err := os.WriteFile(file, []byte(lines), 0o600); err != nil {
		return fmt.Errorf("sandbox: %w", err)
	}
	return nil
}

// limitTotal bounds all sessions together, so that the host and the server live.
func (g *cgroups) limitTotal() {
	var info unix.Sysinfo_t
	if unix.Sysinfo(&info) != nil {
		return
	}
	memory := int64(info.Totalram) * int64(info.Unit) / 10 * 8
	g.set(g.parents, memory, 0, hostCPU())
	g.allowBurst()
}

// burst is the processor time that all sessions together may save up: with it they have all
// processors for a quarter of a second.
func burst() string { return quota(min(reservedCPU*250_000/period, hostCPU())) }

// allowBurst lets all sessions together use what they have left idle: many that start at
// once are not held up. Kernels before 5.14 do not know it.
func (g *cgroups) allowBurst() {
	dir, file := g.parents["cpu"], "cpu.cfs_burst_us"
	if g.kind == groupsV2 {
		dir, file = g.parents[""], "cpu.max.burst"
	}
	if dir != "" {
		_ = os.WriteFile(filepath.Join(dir, file), []byte(burst()), 0o644)
	}
}

// period is what quotas of processor time are counted in, in microseconds.
const period = 100_000

func quota(cpu float64) string { return strconv.Itoa(int(cpu * period)) }

// set writes limits into the groups at dirs; zero means no limit. It returns the
// controllers that took theirs.
func (g *cgroups) set(dirs map[string]string, memory int64, pids int, cpu float64) []string {
	var held []string
	write := func(controller, file, value string) bool {
		dir, ok := dirs[controller]
		if g.kind == groupsV2 {
			dir, ok = dirs[""], true
		}
		return ok && os.WriteFile(filepath.Join(dir, file), []byte(value), 0o644) == nil
	}
	bytes := strconv.FormatInt(memory, 10)
	if g.kind == groupsV2 {
		if memory > 0 && write("memory", "memory.max", bytes) {
			held = append(held, "memory")
			_ = write("memory", "memory.swap.max", "0") // missing without swap accounting
			_ = write("memory", "memory.oom.group", "1")
		}
		if cpu > 0 && write("cpu", "cpu.max", fmt.Sprintf("%s %d", quota(cpu), period)) {
			held = append(held, "cpu")
		}
		if pids > 0 && write("pids", "pids.max", strconv.Itoa(pids)) {
			held = append(held, "pids")
		}
		return held
	}
	if memory > 0 {
		// With swap must never be less than without. It is missing without swap accounting.
		withSwap := write("memory", "memory.memsw.limit_in_bytes", bytes)
		if write("memory", "memory.limit_in_bytes", bytes) {
			held = append(held, "memory")
			_ = withSwap || write("memory", "memory.memsw.limit_in_bytes", bytes)
		}
	}
	if cpu > 0 && write("cpu", "cpu.cfs_period_us", strconv.Itoa(period)) && write("cpu", "cpu.cfs_quota_us", quota(cpu)) {
		held = append(held, "cpu")
	}
	if pids > 0 && write("pids", "pids.max", strconv.Itoa(pids)) {
		held = append(held, "pids")
	}
	return held
}

// cgroup is the group of one session.
type cgroup struct {
	kind string
	dirs map[string]string
	held []string // controllers whose limits are in force
}

// create makes the group of session id with its limits.
func (g *cgroups) create(id int, limits Limits) (*cgroup, error) {
	s := &cgroup{kind: g.kind, dirs: map[string]string{}}
	for controller, parent := range g.parents {
		dir := filepath.Join(parent, "s"+strconv.Itoa(id))
		if err := os.Mkdir(dir, 0o755); err != nil {
			s.remove()
			return nil, fmt.Errorf("make control group: %w", err)
		}
		s.dirs[controller] = dir
	}
	s.held = g.set(s.dirs, limits.Memory, limits.Processes, limits.CPU)
	if s.kind == groupsV2 {
		letFork(s.dirs[""])
	}
	return s, nil
}

// files opens what a process writes "0" to in order to join, and of version 2 the
// folder last, in which it can be born.
func (s *cgroup) files() ([]*os.File, error) {
	var files []*os.File
	open := func(name string, mode int) error {
		f, err := os.OpenFile(name, mode, 0)
		if err != nil {
			return fmt.Errorf("open control group: %w", err)
		}
		files = append(files, f)
		return nil
	}
	var err error
	for _, dir := range s.dirs {
		err = errors.Join(err, open(filepath.Join(dir, "cgroup.procs"), os.O_WRONLY))
	}
	if s.kind == groupsV2 {
		err = errors.Join(err, open(s.dirs[""], os.O_RDONLY))
	}
	if err != nil {
		closeAll(files)
		return nil, err
	}
	return files, nil
}

// holds reports whether the controller bounds the session; no group holds nothing.
func (s *cgroup) holds(controller string) bool {
	return s != nil && slices.Contains(s.held, controller)
}

// usage returns the memory that is charged to the group, 0 if nobody counts.
func (s *cgroup) usage() int64 {
	file := filepath.Join(s.dirs["memory"], "memory.usage_in_bytes")
	if s.kind == groupsV2 {
		file = filepath.Join(s.dirs[""], "memory.current")
	} else if s.dirs["memory"] == "" {
		return 0
	}
	n, _ := readNumber(file)
	return n
}

// outOfMemory reports whether the kernel killed for memory in this group.
func (s *cgroup) outOfMemory() bool {
	file := filepath.Join(s.dirs["memory"], "memory.oom_control")
	if s.kind == groupsV2 {
		file = filepath.Join(s.dirs[""], "memory.events")
	} else if s.dirs["memory"] == "" {
		return false
	}
	words := readWords(file)
	for i := 0; i+1 < len(words); i += 2 {
		if words[i] == "oom_kill" {
			return words[i+1] != "0"
		}
	}
	return false
}

// remove removes the group. Its processes are dead, but the kernel may take a
// moment to let go of the last of them.
func (s *cgroup) remove() {
	for _, dir := range s.dirs {
		removeGroup(dir)
	}
}

func removeGroup(dir string) {
	for range 50 {
		if err := os.Remove(dir); err == nil || !errors.Is(err, unix.EBUSY) {
			return
		}
		<-time.After(2 * time.Millisecond)
	}
}

// close removes the server's group.
func (g *cgroups) close(dir string) {
	for _, parent := range g.parents {
		removeGroup(filepath.Join(parent, jailGroup))
		removeGroup(parent)
	}
	_ = os.Remove(filepath.Join(dir, groupsFile))
}

func readWords(file string) []string {
	b, _ := os.ReadFile(file)
	return strings.Fields(string(b))
}

func closeAll(files []*os.File) {
	for _, f := range files {
		f.Close()
	}
}
