"""The few Linux calls that the standard library does not wrap.

Every function raises OSError on failure. Numbers of calls newer than 2019 are
the same on every architecture; the two older ones are looked up.
"""

import ctypes
import os
import signal

CLONE_NEWNS = 0x00020000
CLONE_NEWCGROUP = 0x02000000
CLONE_NEWUTS = 0x04000000
CLONE_NEWIPC = 0x08000000
CLONE_NEWUSER = 0x10000000
CLONE_NEWPID = 0x20000000
CLONE_NEWNET = 0x40000000

CLONE_CHILD_CLEARTID = 0x00200000
CLONE_CHILD_SETTID = 0x01000000
CLONE_INTO_CGROUP = 0x200000000

MS_RDONLY = 0x1
MS_NOSUID = 0x2
MS_NODEV = 0x4
MS_NOEXEC = 0x8
MS_REMOUNT = 0x20
MS_BIND = 0x1000
MS_REC = 0x4000
MS_PRIVATE = 0x40000
MNT_DETACH = 2

ATTR_RDONLY = 0x1
ATTR_NOSUID = 0x2
ATTR_NODEV = 0x4
ATTR_NOEXEC = 0x8

PR_SET_PDEATHSIG = 1
PR_SET_DUMPABLE = 4
PR_GET_SECCOMP = 21
PR_SET_SECCOMP = 22
PR_CAPBSET_DROP = 24
PR_SET_NO_NEW_PRIVS = 38
PR_GET_TID_ADDRESS = 40
PR_CAP_AMBIENT = 47
PR_CAP_AMBIENT_CLEAR_ALL = 4
SECCOMP_MODE_FILTER = 2

_SYS_PIVOT_ROOT = {"x86_64": 155, "aarch64": 41}.get(os.uname().machine)
_SYS_GET_ROBUST_LIST, _SYS_SET_ROBUST_LIST = {"x86_64": (274, 273), "aarch64": (100, 99)}.get(os.uname().machine, (None, None))
_SYS_CLONE3 = 435
_SYS_CLOSE_RANGE = 436
_SYS_MOUNT_SETATTR = 442
_SYS_LANDLOCK_CREATE_RULESET = 444
_SYS_LANDLOCK_ADD_RULE = 445
_SYS_LANDLOCK_RESTRICT_SELF = 446

_AT_FDCWD = -100
_AT_RECURSIVE = 0x8000

libc = ctypes.CDLL(None, use_errno=True)
libc.syscall.restype = ctypes.c_long
libc.madvise.argtypes = (ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int)


def _check(result, what):
    if result < 0:
        err = ctypes.get_errno()
        raise OSError(err, f"{what}: {os.strerror(err)}")
    return result


def syscall(number, *args):
    """Make one raw system call; every argument is passed as a machine word."""
    words = [a if isinstance(a, (ctypes._SimpleCData, ctypes.Array, bytes)) or hasattr(a, "_obj")
             else ctypes.c_long(a) for a in args]
    return _check(libc.syscall(ctypes.c_long(number), *words), f"syscall {number}")


def mount(source, target, fstype, flags, options=""):
    encode = lambda s: s.encode() if s else None
    _check(libc.mount(encode(source), encode(target), encode(fstype), ctypes.c_ulong(flags), encode(options)),
           f"mount {fstype or source} on {target}")


def umount(target, flags=MNT_DETACH):
    _check(libc.umount2(target.encode(), flags), f"umount {target}")


class _MountAttr(ctypes.Structure):
    _fields_ = [("set", ctypes.c_uint64), ("clear", ctypes.c_uint64),
                ("propagation", ctypes.c_uint64), ("userns_fd", ctypes.c_uint64)]


def mount_setattr(target, attributes, recursive=True):
    """Add mount attributes. Unlike a remount it never drops the ones already there."""
    attr = _MountAttr(set=attributes)
    syscall(_SYS_MOUNT_SETATTR, _AT_FDCWD, target.encode() + b"\0", _AT_RECURSIVE if recursive else 0,
            ctypes.byref(attr), ctypes.sizeof(attr))


def bind(source, target, attributes):
    mount(source, target, None, MS_BIND | MS_REC)
    mount_setattr(target, attributes)


def pivot_root(new):
    """Make the folder new the root; the old root stays nowhere."""
    if _SYS_PIVOT_ROOT is None:
        raise OSError(f"pivot_root: unknown machine {os.uname().machine}")
    os.chdir(new)
    syscall(_SYS_PIVOT_ROOT, b".\0", b".\0")
    umount(".")
    os.chdir("/")


class _CloneArgs(ctypes.Structure):
    _fields_ = [(name, ctypes.c_uint64) for name in (
        "flags", "pidfd", "child_tid", "parent_tid", "exit_signal", "stack", "stack_size", "tls", "set_tid", "set_tid_size", "cgroup")]


def fork_into(cgroup, flags):
    """Fork like os.fork, with flags, into a control group of version 2: moving a process
    there later waits for all of the host's processors, 7 to 15 ms.

    No library wraps this call, so what libraries do around a fork is done here: Python's
    hooks; the thread's id and its list of locks, which the C library keeps a note of. Its
    own hooks are for threads, of which the caller has only one."""
    address = ctypes.c_void_p()
    prctl(PR_GET_TID_ADDRESS, ctypes.addressof(address))
    if not address.value or ctypes.c_int.from_address(address.value).value != os.getpid():
        raise OSError("fork_into: this C library keeps the thread's id elsewhere")
    head, length = ctypes.c_void_p(), ctypes.c_size_t()
    syscall(_SYS_GET_ROBUST_LIST, 0, ctypes.byref(head), ctypes.byref(length))
    args = _CloneArgs(flags=flags | CLONE_INTO_CGROUP | CLONE_CHILD_SETTID | CLONE_CHILD_CLEARTID,
                      child_tid=address.value, exit_signal=signal.SIGCHLD, cgroup=cgroup)
    python = ctypes.PyDLL(None, use_errno=True)  # its calls keep the interpreter's lock, as os.fork does
    python.syscall.restype = ctypes.c_long
    python.PyOS_BeforeFork()
    pid = python.syscall(ctypes.c_long(_SYS_CLONE3), ctypes.byref(args), ctypes.c_size_t(ctypes.sizeof(args)))
    if pid == 0:
        python.PyOS_AfterFork_Child()
        syscall(_SYS_SET_ROBUST_LIST, head, length)
        return 0
    failure = ctypes.get_errno()
    python.PyOS_AfterFork_Parent()
    if pid < 0:
        raise OSError(failure, f"clone3: {os.strerror(failure)}")
    return pid


def unshare(flags):
    _check(libc.unshare(flags), "unshare")


def setns(fd, kind):
    _check(libc.setns(fd, kind), "setns")


def prctl(option, *args):
    words = [ctypes.c_ulong(a) for a in args] + [ctypes.c_ulong(0)] * (4 - len(args))
    return _check(libc.prctl(option, *words), f"prctl {option}")


def close_from(first):
    syscall(_SYS_CLOSE_RANGE, first, 0xFFFFFFFF, 0)


def drop_bounding_set():
    """Drop every capability the kernel knows from the bounding and ambient sets."""
    for capability in range(64):
        try:
            prctl(PR_CAPBSET_DROP, capability)
        except OSError:
            if capability < 38:  # CAP_AUDIT_READ, older than any kernel that can run the rest
                raise
            break
    prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL)


def drop_capabilities():
    """Empty the effective, permitted and inheritable sets."""
    header = (ctypes.c_uint32 * 2)(0x20080522, 0)
    data = (ctypes.c_uint32 * 6)()
    _check(libc.capset(header, data), "capset")


class _Program(ctypes.Structure):
    _fields_ = [("length", ctypes.c_ushort), ("filter", ctypes.c_void_p)]


def install_seccomp(program):
    """Install a compiled filter: bytes of struct sock_filter, native byte order."""
    buffer = ctypes.create_string_buffer(program, len(program))
    fprog = _Program(len(program) // 8, ctypes.cast(buffer, ctypes.c_void_p))
    _check(libc.prctl(PR_SET_SECCOMP, ctypes.c_ulong(SECCOMP_MODE_FILTER), ctypes.byref(fprog),
                      ctypes.c_ulong(0), ctypes.c_ulong(0)), "seccomp")


def has_seccomp():
    """Say whether a filter is in force."""
    return prctl(PR_GET_SECCOMP) == SECCOMP_MODE_FILTER


# Landlock access rights, by the ABI that introduced them.
_FS_READ = 1 << 0 | 1 << 2 | 1 << 3  # execute, read_file, read_dir
_FS_WRITE_FILE = 1 << 1
_FS_READ_FILE = 1 << 2
_FS_ABI = {1: (1 << 13) - 1, 2: (1 << 14) - 1, 3: (1 << 15) - 1, 5: (1 << 16) - 1}
_FS_IOCTL_DEV = 1 << 15
_NET_ALL = 1 << 0 | 1 << 1  # bind_tcp, connect_tcp
_SCOPE_ALL = 1 << 0 | 1 << 1  # abstract unix sockets, signals


class _Ruleset(ctypes.Structure):
    _fields_ = [("fs", ctypes.c_uint64), ("net", ctypes.c_uint64), ("scoped", ctypes.c_uint64)]


class _PathRule(ctypes.Structure):
    _pack_ = 1
    _fields_ = [("allowed", ctypes.c_uint64), ("parent_fd", ctypes.c_int32)]


def landlock_abi():
    """Return the Landlock ABI of the kernel, 0 if it has none."""
    try:
        return syscall(_SYS_LANDLOCK_CREATE_RULESET, 0, 0, 1)
    except OSError:
        return 0


def restrict_paths(abi, readable, writable, devices):
    """Confine this process for good: read and execute below readable, everything
    below writable, write to the existing files of devices. No TCP, and no signals
    or abstract sockets out of the domain, where the ABI has them."""
    handled = _FS_ABI[max(v for v in _FS_ABI if v <= abi)]
    ruleset = _Ruleset(handled, _NET_ALL if abi >= 4 else 0, _SCOPE_ALL if abi >= 6 else 0)
    size = 24 if abi >= 6 else 16 if abi >= 4 else 8
    fd = syscall(_SYS_LANDLOCK_CREATE_RULESET, ctypes.byref(ruleset), size, 0)
    groups = ((readable, _FS_READ), (writable, handled & ~_FS_IOCTL_DEV), (devices, _FS_READ_FILE | _FS_WRITE_FILE))
    for paths, allowed in groups:
        for path in paths:
            parent = os.open(path, os.O_PATH | os.O_CLOEXEC)
            rule = _PathRule(allowed & handled, parent)
            syscall(_SYS_LANDLOCK_ADD_RULE, fd, 1, ctypes.byref(rule), 0)
            os.close(parent)
    syscall(_SYS_LANDLOCK_RESTRICT_SELF, fd, 0)
    os.close(fd)


def collapse_heap():
    """Put the anonymous memory of this process on huge pages, so that fork copies
    fewer page table entries. What is added later gets small ones: a session that
    touches a byte shall not have two megabytes. Best effort: older kernels refuse, and
    nothing is lost."""
    with open("/proc/self/maps") as maps:
        lines = maps.read().splitlines()
    for line in lines:
        fields = line.split()
        if fields[1] != "rw-p" or (len(fields) > 5 and fields[5] != "[heap]"):
            continue
        start, end = (int(x, 16) for x in fields[0].split("-"))
        if end - start < 2 << 20:
            continue
        libc.madvise(start, end - start, 25)  # MADV_COLLAPSE
        libc.madvise(start, end - start, 15)  # MADV_NOHUGEPAGE
