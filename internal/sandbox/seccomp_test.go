package sandbox

import (
	"encoding/binary"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/net/bpf"
)

var update = flag.Bool("update", false, "rewrite the golden files")

// TestSeccompGolden shows every change of the filter in review, for each machine.
func TestSeccompGolden(t *testing.T) {
	t.Parallel()
	for arch, table := range callTables() {
		var b strings.Builder
		for i, in := range seccompProgram(table) {
			fmt.Fprintf(&b, "%03d %v\n", i, in)
		}
		file := filepath.Join("testdata", "seccomp_"+arch+".golden")
		if *update {
			if err := os.MkdirAll("testdata", 0o755); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(file, []byte(b.String()), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		want, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(string(want), b.String()); diff != "" {
			t.Errorf("%s: run with -update after checking (-want +got):\n%s", arch, diff)
		}
		raw, err := seccompFilter(arch, false)
		if err != nil {
			t.Fatal(err)
		}
		if n := len(raw) / 8; n > 4096 {
			t.Errorf("%s: %d instructions, the kernel takes 4096", arch, n)
		}
	}
	if _, err := seccompFilter("mips", false); err == nil {
		t.Error("mips: got no error")
	}
}

// verdict runs the filter on one call, as the kernel would.
func verdict(t *testing.T, table callTable, machine, number uint32, args ...uint64) int {
	t.Helper()
	// The interpreter reads big endian words, as networks do; the kernel's read is native.
	data := make([]byte, 64)
	binary.BigEndian.PutUint32(data[offsetNumber:], number)
	binary.BigEndian.PutUint32(data[offsetMachine:], machine)
	for i, a := range args {
		binary.BigEndian.PutUint32(data[offsetArgs+8*i:], uint32(a))
		binary.BigEndian.PutUint32(data[offsetArgs+8*i+4:], uint32(a>>32))
	}
	vm, err := bpf.NewVM(seccompProgram(table))
	if err != nil {
		t.Fatal(err)
	}
	got, err := vm.Run(data)
	if err != nil {
		t.Fatal(err)
	}
	return got
}

func TestSeccompVerdicts(t *testing.T) {
	t.Parallel()
	for arch, table := range callTables() {
		call := func(name string) uint32 {
			n, ok := table.numbers[name]
			if !ok {
				t.Fatalf("%s has no %s", arch, name)
			}
			return n
		}
		for _, c := range []struct {
			name   string
			number uint32
			args   []uint64
			want   int
		}{
			{"read", call("read"), nil, seccompAllow},
			{"openat", call("openat"), nil, seccompAllow},
			{"execve", call("execve"), nil, seccompAllow},
			{"futex", call("futex"), nil, seccompAllow},
			{"clone of a thread", call("clone"), []uint64{0x3d0f00}, seccompAllow},
			{"clone of a process", call("clone"), []uint64{0x1200011}, seccompAllow},
			{"clone with a user namespace", call("clone"), []uint64{0x10000011}, seccompEPERM},
			{"clone with a time namespace", call("clone"), []uint64{0x80}, seccompEPERM},
			{"clone3", call("clone3"), nil, seccompNoSys},
			{"io_uring_setup", call("io_uring_setup"), nil, seccompNoSys},
			{"unix socket", call("socket"), []uint64{1}, seccompAllow},
			{"unix socket, high half set", call("socket"), []uint64{1<<32 | 1}, seccompAllow},
			{"inet socket", call("socket"), []uint64{2}, seccompEPERM},
			{"netlink socket", call("socket"), []uint64{16}, seccompEPERM},
			{"inet pair", call("socketpair"), []uint64{2}, seccompEPERM},
			{"terminal size", call("ioctl"), []uint64{0, 0x5413}, seccompAllow},
			{"typing into a terminal", call("ioctl"), []uint64{0, 0x5412}, seccompEPERM},
			{"the same, high half set", call("ioctl"), []uint64{0, 1<<32 | 0x5412}, seccompEPERM},
			{"lock of a file", call("fcntl"), []uint64{3, 6}, seccompAllow},
			{"news of a folder", call("fcntl"), []uint64{3, 1026}, seccompEPERM},
			{"lease", call("fcntl"), []uint64{3, 1024}, seccompEPERM},
			{"prctl name", call("prctl"), []uint64{15}, seccompAllow},
			{"prctl dumpable", call("prctl"), []uint64{4}, seccompEPERM},
			{"personality query", call("personality"), []uint64{0xffffffff}, seccompAllow},
			{"personality", call("personality"), []uint64{0x40000}, seccompEPERM},
			{"unknown call", table.highest + 1, nil, seccompNoSys},
			{"x32 call", 0x40000001, nil, seccompNoSys},
		} {
			if got := verdict(t, table, table.machine, c.number, c.args...); got != c.want {
				t.Errorf("%s: %s: got %#x, want %#x", arch, c.name, got, c.want)
			}
		}
		if got := verdict(t, table, 0x40000003, call("read")); got != seccompKill {
			t.Errorf("%s: another machine: got %#x, want %#x", arch, got, seccompKill)
		}
	}
	// Numbers the table must not name, amd64.
	for name, number := range map[string]uint32{
		"ptrace": 101, "mount": 165, "umount2": 166, "pivot_root": 155, "chroot": 161, "unshare": 272, "setns": 308,
		"bpf": 321, "perf_event_open": 298, "userfaultfd": 323, "keyctl": 250, "add_key": 248, "request_key": 249,
		"process_vm_readv": 310, "process_vm_writev": 311, "kcmp": 312, "pidfd_getfd": 438, "kexec_load": 246,
		"init_module": 175, "finit_module": 313, "delete_module": 176, "reboot": 169, "swapon": 167, "acct": 163,
		"quotactl": 179, "syslog": 103, "iopl": 172, "ioperm": 173, "open_by_handle_at": 304, "name_to_handle_at": 303,
		"mknod": 133, "mknodat": 259, "shmget": 29, "semget": 64, "msgget": 68, "mq_open": 240, "modify_ldt": 154,
		"vmsplice": 278, "fanotify_init": 300, "inotify_init1": 294, "memfd_create": 319, "memfd_secret": 447, "io_setup": 206, "fsopen": 430, "open_tree": 428,
		"move_mount": 429, "mount_setattr": 442, "settimeofday": 164, "clock_settime": 227, "sethostname": 170,
	} {
		if got := verdict(t, amd64Calls, amd64Calls.machine, number); got != seccompEPERM {
			t.Errorf("%s: got %#x, want %#x", name, got, seccompEPERM)
		}
	}
}
