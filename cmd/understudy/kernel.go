package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

// examineKernel says what of the kernel the sandbox can build on.
func examineKernel(ctx context.Context) []finding {
	var name unix.Utsname
	release := "unknown"
	if err := unix.Uname(&name); err == nil {
		release = unix.ByteSliceToString(name.Release[:])
	}
	return []finding{
		{Name: "system", State: stateOK, Detail: fmt.Sprintf("%s/%s, kernel %s, %d processors, user id %d", runtime.GOOS, runtime.GOARCH, release, runtime.NumCPU(), os.Getuid())},
		examineNamespaces(ctx),
		examineCgroups(os.ReadFile),
		examineSeccomp(),
		examineLandlock(),
	}
}

// examineNamespaces makes the namespaces that a session gets.
func examineNamespaces(ctx context.Context) finding {
	f := finding{Name: "namespaces", State: stateOK, Detail: "user, mount, process, network, ipc and uts namespaces can be made"}
	cmd := exec.CommandContext(ctx, "true")
	cmd.SysProcAttr = &syscall.SysProcAttr{
		Cloneflags: syscall.CLONE_NEWUSER | syscall.CLONE_NEWNS | syscall.CLONE_NEWPID |
			syscall.CLONE_NEWNET | syscall.CLONE_NEWIPC | syscall.CLONE_NEWUTS,
		UidMappings: []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getuid(), Size: 1}},
		GidMappings: []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getgid(), Size: 1}},
	}
	err := cmd.Run()
	if err == nil {
		return f
	}
	f.State, f.Detail = stateMissing, "cannot be made: "+err.Error()
	switch {
	case setting("/proc/sys/user/max_user_namespaces") == "0":
		f.Fix = "sysctl user.max_user_namespaces=15000"
	case setting("/proc/sys/kernel/unprivileged_userns_clone") == "0":
		f.Fix = "sysctl kernel.unprivileged_userns_clone=1"
	case setting("/proc/sys/kernel/apparmor_restrict_unprivileged_userns") == "1":
		f.Fix = "sysctl kernel.apparmor_restrict_unprivileged_userns=0, or an AppArmor profile for the program"
	default:
		f.Fix = "in a container, allow namespaces: docker run --security-opt seccomp=unconfined --security-opt apparmor=unconfined --cap-add SYS_ADMIN"
	}
	return f
}

func setting(path string) string {
	text, err := os.ReadFile(path)
	if err != nil {
		return ""
	}
	return strings.TrimSpace(string(text))
}

// examineCgroups says which version of control groups there is, with which
// controllers. read reads a file.
func examineCgroups(read func(string) ([]byte, error)) finding {
	f := finding{Name: "cgroups", State: stateWarn, Fix: "sessions are bounded by rlimits and a watchdog instead, which is less exact"}
	text, err := read("/proc/self/cgroup")
	if err != nil {
		f.Detail = err.Error()
		return f
	}
	var v1 []string
	unified := false
	for line := range strings.Lines(strings.TrimSpace(string(text))) {
		fields := strings.SplitN(strings.TrimSpace(line), ":", 3)
		switch {
		case len(fields) < 3:
		case fields[0] == "0" && fields[1] == "":
			unified = true
		case !strings.HasPrefix(fields[1], "name="):
			v1 = append(v1, fields[1])
		}
	}
	if len(v1) > 0 {
		f.Detail = "version 1, controllers " + strings.Join(v1, " ")
		if unified {
			f.Detail += ", and a version 2 tree beside it"
		}
	} else if unified {
		controllers, err := read("/sys/fs/cgroup/cgroup.controllers")
		if err != nil {
			f.Detail = "version 2, not mounted: " + err.Error()
			return f
		}
		f.Detail = "version 2, controllers " + strings.TrimSpace(string(controllers))
	} else {
		f.Detail = "none"
		return f
	}
	if strings.Contains(f.Detail, "memory") && strings.Contains(f.Detail, "pids") {
		f.State, f.Fix = stateOK, ""
		if os.Getuid() != 0 {
			f.Detail += "; whether this user may use them shows below"
		}
	}
	return f
}

func examineSeccomp() finding {
	actions := setting("/proc/sys/kernel/seccomp/actions_avail")
	if !strings.Contains(actions, "errno") {
		return finding{Name: "seccomp", State: stateMissing, Detail: "the kernel has no system call filters", Fix: "a kernel with CONFIG_SECCOMP_FILTER"}
	}
	return finding{Name: "seccomp", State: stateOK, Detail: "filters are available"}
}

func examineLandlock() finding {
	abi, _, errno := unix.Syscall(unix.SYS_LANDLOCK_CREATE_RULESET, 0, 0, unix.LANDLOCK_CREATE_RULESET_VERSION)
	if errno != 0 {
		return finding{
			Name: "landlock", State: stateWarn, Detail: "not available: " + errno.Error(),
			Fix: "a kernel of 5.13 or newer with landlock in its lsm= list; sessions lack this second fence",
		}
	}
	return finding{Name: "landlock", State: stateOK, Detail: fmt.Sprintf("ABI %d", abi)}
}
