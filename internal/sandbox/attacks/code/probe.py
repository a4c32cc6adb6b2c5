# What every attack begins with. An attack prints one line for each check; the
# first word is the verdict. BREACH means that the attack got through.
import ctypes
import errno
import json
import os
import stat
import sys
import time

HOST = json.loads(HOST_JSON)  # what the attacker is told about the host, for free

REFUSED = {errno.EPERM, errno.EACCES, errno.ENOSYS}

libc = ctypes.CDLL(None, use_errno=True)
libc.syscall.restype = ctypes.c_long


def say(verdict, *words):
    print(verdict, *(" ".join(str(w).split()) for w in words), flush=True)


def name_of(error):
    return errno.errorcode.get(error.errno, str(error.errno))


def denied(what, call, *args, also=()):
    """The call must be refused for want of rights. Any other error means that it
    was carried out and failed later; the ones that are as good are given in also."""
    try:
        result = call(*args)
    except OSError as error:
        if error.errno in REFUSED or name_of(error) in also:
            say("denied", name_of(error), what)
        else:
            say("BREACH", what, "was carried out:", error)
    else:
        say("BREACH", what, "returned", repr(result)[:200])


def absent(*paths):
    """No path may be there, unless as an empty folder."""
    for path in paths:
        try:
            mode = os.stat(path).st_mode
            if not stat.S_ISDIR(mode):
                say("BREACH", path, "is there")
            elif names := os.listdir(path):
                say("BREACH", path, "holds", names[:5])
            else:
                say("absent", path, "(empty)")
        except (FileNotFoundError, NotADirectoryError):
            say("absent", path)
        except PermissionError as error:
            say("denied", name_of(error), path)


def clean(what, found):
    """There must be nothing in found."""
    if found := list(found):
        say("BREACH", what, len(found), found[:8])
    else:
        say("clean", what)


MACHINE = {"x86_64": 0, "aarch64": 1}[os.uname().machine]

# Numbers on amd64 and arm64; None where the machine has no such call.
CALLS = {
    "acct": (163, 89), "add_key": (248, 217), "afs_syscall": (183, None), "bpf": (321, 280), "capset": (126, 91),
    "chroot": (161, 51), "clock_settime": (227, 112), "clone": (56, 220), "clone3": (435, 435),
    "create_module": (174, None), "delete_module": (176, 106), "fanotify_init": (300, 262), "fchdir": (81, 50),
    "finit_module": (313, 273), "fsconfig": (431, 431), "fsmount": (432, 432), "fsopen": (430, 430),
    "fspick": (433, 433), "getpid": (39, 172), "init_module": (175, 105), "io_cancel": (210, 3),
    "io_destroy": (207, 1), "io_getevents": (208, 4), "io_setup": (206, 0), "io_submit": (209, 2),
    "io_uring_enter": (426, 426), "io_uring_register": (427, 427), "io_uring_setup": (425, 425),
    "ioperm": (173, None), "iopl": (172, None), "kcmp": (312, 272), "kexec_file_load": (320, 294),
    "kexec_load": (246, 104), "keyctl": (250, 219), "listmount": (458, 458), "lookup_dcookie": (212, 18),
    "lsm_get_self_attr": (459, 459), "lsm_set_self_attr": (460, 460), "mbind": (237, 235),
    "memfd_secret": (447, 447), "migrate_pages": (256, 238), "mknodat": (259, 33), "modify_ldt": (154, None),
    "mount": (165, 40), "mount_setattr": (442, 442), "move_mount": (429, 429), "move_pages": (279, 239),
    "mq_open": (240, 180), "msgget": (68, 186), "name_to_handle_at": (303, 264), "nfsservctl": (180, 42),
    "open_by_handle_at": (304, 265), "open_tree": (428, 428), "open_tree_attr": (467, 467),
    "perf_event_open": (298, 241), "personality": (135, 92), "pidfd_getfd": (438, 438), "pidfd_open": (434, 434),
    "pidfd_send_signal": (424, 424), "pivot_root": (155, 41), "process_madvise": (440, 440),
    "process_mrelease": (448, 448), "process_vm_readv": (310, 270), "process_vm_writev": (311, 271),
    "ptrace": (101, 117), "quotactl": (179, 60), "quotactl_fd": (443, 443), "reboot": (169, 142),
    "request_key": (249, 218), "rt_sigqueueinfo": (129, 138), "rt_tgsigqueueinfo": (297, 240),
    "semget": (64, 190), "setdomainname": (171, 162), "sethostname": (170, 161), "setns": (308, 268),
    "settimeofday": (164, 170), "shmget": (29, 194), "statmount": (457, 457), "swapoff": (168, 225),
    "swapon": (167, 224), "syslog": (103, 116), "sysfs": (139, None), "tgkill": (234, 131), "tkill": (200, 130),
    "umount2": (166, 39), "unshare": (272, 97), "uselib": (134, None), "userfaultfd": (323, 282),
    "vhangup": (153, 58), "vmsplice": (278, 75),
}


def raw(name, *args):
    """Make a system call by number, past every wrapper."""
    number = name if isinstance(name, int) else CALLS[name][MACHINE]
    if number is None:
        raise OSError(errno.ENOSYS, "no such call on this machine")
    words = [ctypes.c_long(a) if isinstance(a, int) else a for a in args]
    result = libc.syscall(ctypes.c_long(number), *words)
    if result < 0:
        code = ctypes.get_errno()
        raise OSError(code, os.strerror(code))
    return result


def raw_clone(flags):
    """Clone with flags; the child ends at once."""
    pid = raw("clone", flags | 17, 0, 0, 0, 0)  # 17: SIGCHLD
    if pid == 0:
        os._exit(0)
    os.waitpid(pid, 0)
    return pid


def entries(folder):
    """All that is below a folder. The kind of an entry comes with its name: to ask for
    each would take long."""
    try:
        with os.scandir(folder) as listed:
            found = list(listed)
    except OSError:
        return
    for entry in found:
        yield entry
        if entry.is_dir(follow_symlinks=False):
            yield from entries(entry.path)


def in_child(work):
    """Run work in a fork; return its wait status."""
    pid = os.fork()
    if pid == 0:
        try:
            work()
        finally:
            os._exit(0)
    return os.waitpid(pid, 0)[1]


def apart(code):
    """Run code in a program of its own: unlike a fork it is a process that may be looked into."""
    import subprocess
    text = f"HOST_JSON = {HOST_JSON!r}\nPROBE = {PROBE!r}\nexec(PROBE)\n" + code
    done = subprocess.run([sys.executable, "-I", "-c", text], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, text=True)
    print(done.stdout, flush=True)


def status_field(name, pid="self"):
    with open(f"/proc/{pid}/status") as f:
        return next(line.split(":", 1)[1].split() for line in f if line.startswith(name + ":"))
