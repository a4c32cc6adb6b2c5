package sandbox

import (
	"cmp"
	"encoding/base64"
	"errors"
	"fmt"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
)

// maker is the second stage in the jail, which makes the sessions, with all that
// one has to know of it. They serve the same requests.
type maker struct {
	name   string // of the driver
	script string // in agent
	runsc  string // gVisor's program, "" without
	// ownKernel says that a session talks to a kernel of its own, which keeps it apart
	// from the others although all have the same user, and to which signals are passed on.
	ownKernel bool
	greeted   bool // a session waits for a hello frame before it is ready
	// What a session takes besides what its code does.
	memory    int64
	processes int
	imports   []string // warm ones
	// How many sessions it makes at once. More would wait for processors rather than for
	// the kernel, and those that came first would wait too.
	atOnce int
}

var errNoRunsc = errors.New("gVisor is not installed")

// newMaker returns the maker that c asks for, or why this host lacks it.
func newMaker(c Config) (maker, error) {
	switch c.Driver {
	case DriverZygote:
		return maker{name: c.Driver, script: "zygote.py", imports: slices.Concat(warmImports, warmExtras), atOnce: 64}, nil
	case DriverGVisor:
		runsc, err := exec.LookPath(cmp.Or(c.Runsc, "runsc"))
		if err == nil {
			runsc, err = filepath.Abs(runsc)
		}
		if err != nil {
			return maker{}, fmt.Errorf("%w: %w", errNoRunsc, err)
		}
		return maker{
			name: c.Driver, script: "gvisor.py", runsc: runsc, ownKernel: true, greeted: true,
			memory:    128 << 20, // an idle one is charged 108 MB (BenchmarkIdleMemory)
			processes: 128, imports: warmImports,
			atOnce: max(2, runtime.NumCPU()),
		}, nil
	default:
		return maker{}, errors.New("sandbox: there is no driver " + c.Driver)
	}
}

// sharesUser reports whether what code does counts, for the host's kernel, as done by
// the server's user.
func (m maker) sharesUser() bool { return !m.ownKernel && !privileged() }

// users returns the first of the ids that sessions run as, and how many there are:
// without root one, the server's own, which is the jail's root.
func (m maker) users(c Config) (first, count int) {
	switch {
	case !privileged():
		return 0, 1
	case m.ownKernel:
		return firstUser, 1
	default:
		return firstUser, userCount(c)
	}
}

// userCount is how many sessions can exist at once, the ones that wait included,
// with some room for those on their way out.
func userCount(c Config) int {
	return min(c.MaxSessions+c.Pool+16, kernelIDs-firstUser)
}

// prepare is what the second stage has to know; filter is the system call filter.
func (m maker) prepare(c Config, filter []byte) map[string]any {
	encoded := base64.StdEncoding.EncodeToString(filter)
	if !m.ownKernel {
		return map[string]any{
			"imports": m.imports, "seccomp": encoded, "landlock": !c.without.landlock, "proc": !c.without.proc, "collapse": true,
			"epoll": !m.sharesUser(),
		}
	}
	l, most := c.Limits, c.MaxLimits
	first, _ := m.users(c)
	limits := commonLimits(c)
	limits["NPROC"] = int64(most.Processes) + 1 // each copy lowers it: see greeting
	return map[string]any{
		"runsc": "/opt/runsc", "platform": "systrap", "image_size": 1 << 30, "uid": first,
		"tmp": l.TmpBytes, "shm": l.TmpBytes / 2, "memory": most.Memory, "cpu_quota": int(most.CPU * period), "rlimits": limits,
		"guest": map[string]any{"imports": m.imports, "seccomp": encoded},
	}
}

// commonLimits are the resource limits of the code in any session. That of a file is wide
// enough for the largest /mnt/data: the size of what a file is in bounds it further.
func commonLimits(c Config) map[string]int64 {
	l := c.withData(c.Limits, c.MaxLimits.DataBytes)
	return map[string]int64{
		"CORE":  1, // 1 and not 0: it stops the core dump helpers of the host too
		"FSIZE": l.FileSize, "NOFILE": int64(l.OpenFiles), "MEMLOCK": 64 << 10, "MSGQUEUE": 0, "NICE": 0,
		"RTPRIO": 0, "SIGPENDING": 256, "STACK": 8 << 20,
	}
}

// sharedUser is how many sessions' worth of processes all sessions may have
// together where they share one user, so that a fork bomb ends somewhere.
const sharedUser = 4

// greeting is what a session has to know of its limits before it begins.
func (m maker) greeting(l Limits) map[string]any {
	return map[string]any{"rlimits": map[string]int64{"NPROC": int64(l.Processes) + 1}}
}

// rlimits are the resource limits of a session on v, seen from the host. Without a
// control group they have to do what they can; with one they are wide enough for the
// most that a cell may ask for, since hardly anybody may raise them.
func (m maker) rlimits(c Config, v *volume, l Limits, group *cgroup) map[string]int64 {
	if m.ownKernel {
		return map[string]int64{"CORE": 1} // of gVisor's own processes; it holds the limits of the code
	}
	limits := commonLimits(c)
	processes := l.Processes
	if group.holds("pids") {
		processes = c.MaxLimits.Processes
	}
	limits["NPROC"] = int64(processes) + 1
	if !v.host.switched {
		limits["NPROC"] *= sharedUser // the kernel counts all sessions together
	}
	if !group.holds("memory") {
		limits["DATA"] = l.Memory
	}
	return limits
}

// start is the request for a session on v. With it go as many streams, see session.open,
// and after them the folders of its control group.
func (m maker) start(c Config, v *volume, l Limits, group *cgroup, streams int) map[string]any {
	return map[string]any{
		"op": "start", "streams": streams, "volume": v.id, "uid": v.uid, "tmp": l.TmpBytes, "shm": l.TmpBytes / 2, "into": group != nil && group.kind == groupsV2,
		"rlimits": m.rlimits(c, v, l, group),
	}
}

// bounds are the limits of a session's control group. Version 1 refuses more processors than
// the group above has.
func (m maker) bounds(l Limits) Limits {
	l.Memory += m.memory
	l.Processes += m.processes
	l.CPU = min(l.CPU, hostCPU())
	return l
}

// startBounds are those until a session is ready, before it runs anybody's code:
// gVisor restores with several threads at once, and may use what all sessions may.
func (m maker) startBounds(l Limits) Limits {
	l = m.bounds(l)
	if m.ownKernel {
		l.CPU = 0
	}
	return l
}
