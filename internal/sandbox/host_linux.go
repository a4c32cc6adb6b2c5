package sandbox

import (
	"errors"
	"os"
	"strconv"
	"strings"
	"sync"

	"golang.org/x/sys/unix"
)

// privileged reports whether the server can give sessions host ids of their own: it
// is root, has the capabilities for it, and is in a user namespace that has the ids.
// If not, it makes its jail as any user does.
var privileged = sync.OnceValue(func() bool {
	return os.Geteuid() == 0 && capable(unix.CAP_SYS_ADMIN, unix.CAP_SETUID, unix.CAP_SETGID) &&
		hasIDs("/proc/self/uid_map") && hasIDs("/proc/self/gid_map")
})

// capable reports whether this process has all of the capabilities.
func capable(capabilities ...int) bool {
	header := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	var sets [2]unix.CapUserData
	if unix.Capget(&header, &sets[0]) != nil {
		return false
	}
	for _, c := range capabilities {
		if sets[c/32].Effective&(1<<(c%32)) == 0 {
			return false
		}
	}
	return true
}

// hasIDs reports whether an id map has all that servers may take.
func hasIDs(file string) bool {
	for _, line := range idMap(file) {
		if line.inside <= firstKernelID && line.inside+line.count >= firstKernelID+kernelRanges*kernelIDs {
			return true
		}
	}
	return false
}

type idRange struct{ inside, outside, count int }

func idMap(file string) []idRange {
	words := readWords(file)
	var ranges []idRange
	for ; len(words) >= 3; words = words[3:] {
		var n [3]int
		for i := range n {
			n[i], _ = strconv.Atoi(words[i]) // the kernel writes nothing else
		}
		ranges = append(ranges, idRange{inside: n[0], outside: n[1], count: n[2]})
	}
	return ranges
}

// errHostRoot says that without the rights of root, sessions would still be root as
// the kernel sees it, and own what root owns.
var errHostRoot = errors.New("the server is root of the host without root's capabilities, and its sessions would be root of the host too")

// refuseHostRoot returns errHostRoot where it applies.
func refuseHostRoot() error {
	if os.Geteuid() != 0 || privileged() {
		return nil
	}
	for _, line := range idMap("/proc/self/uid_map") {
		if line.inside == 0 && line.outside != 0 {
			return nil // root of a container, somebody else outside
		}
	}
	return errHostRoot
}

// A remedy is what an operator can do about a host that makes no sessions.
type remedy struct {
	applies bool
	fix     string
}

// remedyFor returns what to do about err, "" if it is not known.
func remedyFor(err error) string {
	setting := func(file string) string { return strings.Join(readWords("/proc/sys/"+file), " ") }
	namespaces := errors.Is(err, unix.EPERM) || errors.Is(err, unix.EACCES) || errors.Is(err, unix.ENOSPC) || errors.Is(err, unix.EUSERS) ||
		errors.Is(err, errJail)
	for _, r := range []remedy{
		{
			applies: errors.Is(err, errHostRoot),
			fix:     "run the server as an ordinary user, who needs no capabilities, or give it CAP_SYS_ADMIN, CAP_SETUID and CAP_SETGID",
		},
		{
			applies: errors.Is(err, errNoRunsc),
			fix:     "make runsc builds it into the data folder; sandbox.runsc names one that is elsewhere",
		},
		{
			applies: namespaces && setting("user/max_user_namespaces") == "0",
			fix:     "allow user namespaces: sysctl user.max_user_namespaces=15000",
		},
		{
			applies: namespaces && os.Geteuid() != 0 && setting("kernel/unprivileged_userns_clone") == "0",
			fix:     "allow user namespaces: sysctl kernel.unprivileged_userns_clone=1",
		},
		{
			applies: namespaces && os.Geteuid() != 0 && setting("kernel/apparmor_restrict_unprivileged_userns") == "1",
			fix: "allow user namespaces: sysctl kernel.apparmor_restrict_unprivileged_userns=0, or give the program an AppArmor " +
				"profile with userns",
		},
		{
			applies: namespaces && filtered(),
			fix: "the system call filter of this container forbids namespaces: docker run --security-opt seccomp=unconfined " +
				"--security-opt apparmor=unconfined --security-opt systempaths=unconfined, or the like",
		},
	} {
		if r.applies {
			return r.fix
		}
	}
	return ""
}

// filtered reports whether a system call filter is in force for this process.
func filtered() bool {
	words := readWords("/proc/self/status")
	for i, word := range words[:max(0, len(words)-1)] {
		if word == "Seccomp:" {
			return words[i+1] == "2"
		}
	}
	return false
}
