package sandbox

import (
	"encoding/binary"
	"fmt"
	"maps"
	"slices"

	"golang.org/x/net/bpf"
)

// callTable holds what differs between machines.
type callTable struct {
	machine uint32 // AUDIT_ARCH
	highest uint32 // newest call known: above it the answer is ENOSYS, so that a newer C library falls back
	numbers map[string]uint32
}

// callTables is keyed by GOARCH; there is no filter for other machines.
func callTables() map[string]callTable {
	return map[string]callTable{"amd64": amd64Calls, "arm64": arm64Calls}
}

const (
	seccompAllow = 0x7fff0000
	seccompEPERM = 0x00050000 | 1
	seccompNoSys = 0x00050000 | 38
	seccompKill  = 0x80000000

	// Offsets in struct seccomp_data. Arguments are 64 bits wide; every one that is
	// looked at here is an int to the kernel, so its low word is all there is.
	offsetNumber  = 0
	offsetMachine = 4
	offsetArgs    = 16

	cloneNamespaces = 0x7e020080 // every CLONE_NEW*, NEWTIME included
)

// argRule decides a call by one argument: masked, and compared with values.
type argRule struct {
	arg    int
	mask   uint32   // 0: compare the whole word with values; else match if any bit of mask is set
	values []uint32 // match if equal to one
	match  uint32   // verdict on a match
	other  uint32   // verdict otherwise
}

// argRules returns the calls that are allowed for some arguments only.
func argRules() map[string]argRule {
	unixOnly := argRule{arg: 0, values: []uint32{1}, match: seccompAllow, other: seccompEPERM} // AF_UNIX
	unknown := argRule{other: seccompNoSys}
	// MSG_OOB is a corner of Unix sockets that nobody uses and that was a way into the
	// kernel (CVE-2025-38236).
	inBand := func(flags int) argRule { return argRule{arg: flags, mask: 1, match: seccompEPERM, other: seccompAllow} }
	return map[string]argRule{
		"clone":       {arg: 0, mask: cloneNamespaces, match: seccompEPERM, other: seccompAllow},
		"socket":      unixOnly,
		"socketpair":  unixOnly,
		"personality": {arg: 0, values: []uint32{0, 0xffffffff}, match: seccompAllow, other: seccompEPERM},
		// F_SETLEASE and F_NOTIFY tell what others do with a file; so does inotify, which is
		// denied whole. All sessions have the system's files in common.
		"fcntl": {arg: 1, values: []uint32{1024, 1026}, match: seccompEPERM, other: seccompAllow},
		// TIOCSTI and TIOCLINUX type into the terminal of somebody else.
		"ioctl": {arg: 1, values: []uint32{0x5412, 0x541c}, match: seccompEPERM, other: seccompAllow},
		// PR_SET_DUMPABLE, PR_SET_MM, PR_SET_PTRACER undo what the session was given.
		"prctl":    {arg: 0, values: []uint32{4, 35, 0x59616d61}, match: seccompEPERM, other: seccompAllow},
		"sendto":   inBand(3),
		"recvfrom": inBand(3),
		"sendmsg":  inBand(2),
		"recvmsg":  inBand(2),
		"sendmmsg": inBand(3),
		"recvmmsg": inBand(3),
		// MAP_HUGETLB: no limit of a session counts the pages that a host may reserve.
		"mmap": {arg: 3, mask: 0x40000, match: seccompEPERM, other: seccompAllow},
		// The arguments of clone3 are behind a pointer, out of sight of a filter; the C
		// library falls back to clone. io_uring would do calls the filter never sees.
		"clone3":            unknown,
		"io_uring_setup":    unknown,
		"io_uring_enter":    unknown,
		"io_uring_register": unknown,
	}
}

// seccompProgram compiles the filter of a session for a machine, as instructions.
// memfd_create is not in the tables because such files are memory that no process is
// seen to hold, and only a control group bounds it.
// Nothing it denies kills: the caller sees EPERM, as any unprivileged program does,
// and libraries fall back. Only a foreign calling convention is fatal.
func seccompProgram(table callTable) []bpf.Instruction {
	program := []bpf.Instruction{
		bpf.LoadAbsolute{Off: offsetMachine, Size: 4},
		bpf.JumpIf{Cond: bpf.JumpEqual, Val: table.machine, SkipTrue: 1},
		bpf.RetConstant{Val: seccompKill},
		bpf.LoadAbsolute{Off: offsetNumber, Size: 4},
		bpf.JumpIf{Cond: bpf.JumpLessOrEqual, Val: table.highest, SkipTrue: 1},
		bpf.RetConstant{Val: seccompNoSys}, // every x32 number too: their bit 30 is set
	}
	rules := argRules()
	for _, name := range slices.Sorted(maps.Keys(rules)) {
		number, ok := table.numbers[name]
		if !ok {
			continue
		}
		block := rules[name].compile()
		program = append(program, bpf.JumpIf{Cond: bpf.JumpNotEqual, Val: number, SkipTrue: uint8(len(block))})
		program = append(program, block...)
	}
	var plain []uint32
	for name, number := range table.numbers {
		if _, special := rules[name]; !special {
			plain = append(plain, number)
		}
	}
	slices.Sort(plain)
	for i := 0; i < len(plain); {
		last := i
		for last+1 < len(plain) && plain[last+1] == plain[last]+1 {
			last++
		}
		program = append(program,
			bpf.JumpIf{Cond: bpf.JumpGreaterOrEqual, Val: plain[i], SkipTrue: 1},
			bpf.RetConstant{Val: seccompEPERM},
			bpf.JumpIf{Cond: bpf.JumpGreaterThan, Val: plain[last], SkipTrue: 1},
			bpf.RetConstant{Val: seccompAllow},
		)
		i = last + 1
	}
	return append(program, bpf.RetConstant{Val: seccompEPERM})
}

// compile returns the instructions of a rule; each path ends in a verdict.
func (r argRule) compile() []bpf.Instruction {
	if r.mask == 0 && len(r.values) == 0 {
		return []bpf.Instruction{bpf.RetConstant{Val: r.other}}
	}
	block := []bpf.Instruction{bpf.LoadAbsolute{Off: uint32(offsetArgs + 8*r.arg), Size: 4}}
	if r.mask != 0 {
		block = append(block,
			bpf.JumpIf{Cond: bpf.JumpBitsNotSet, Val: r.mask, SkipTrue: 1},
			bpf.RetConstant{Val: r.match})
	}
	for _, value := range r.values {
		block = append(block,
			bpf.JumpIf{Cond: bpf.JumpNotEqual, Val: value, SkipTrue: 1},
			bpf.RetConstant{Val: r.match})
	}
	return append(block, bpf.RetConstant{Val: r.other})
}

// seccompFilter returns the filter for arch (a GOARCH) as the kernel takes it: an
// array of struct sock_filter in native byte order. Both machines known here are
// little endian. Where sessions share the server's user, as the kernel of the host
// counts, it denies epoll: one session could take all watches that the user may have,
// and the server could take no connection.
func seccompFilter(arch string, sharedUser bool) ([]byte, error) {
	table, ok := callTables()[arch]
	if !ok {
		return nil, fmt.Errorf("sandbox: no system call filter for %s", arch)
	}
	if sharedUser {
		table.numbers = maps.Clone(table.numbers)
		delete(table.numbers, "epoll_create")
		delete(table.numbers, "epoll_create1")
	}
	raw, err := bpf.Assemble(seccompProgram(table))
	if err != nil {
		return nil, fmt.Errorf("sandbox: assemble the system call filter: %w", err)
	}
	var b []byte
	for _, in := range raw {
		b = binary.LittleEndian.AppendUint16(b, in.Op)
		b = append(b, in.Jt, in.Jf)
		b = binary.LittleEndian.AppendUint32(b, in.K)
	}
	return b, nil
}
