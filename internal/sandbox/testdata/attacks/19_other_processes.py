# row: 19
# tries: to read and write the memory of other processes. That of its own is its own affair.
# lines: 10
import signal
TRACEME, ATTACH, SEIZE = 0, 16, 0x4206
denied("ptrace TRACEME", raw, "ptrace", TRACEME, 0, 0, 0)
child = os.fork()
if child == 0:
    time.sleep(100)
    os._exit(0)
denied("ptrace ATTACH", raw, "ptrace", ATTACH, child, 0, 0)
denied("ptrace SEIZE", raw, "ptrace", SEIZE, child, 0, 0)
buffer = ctypes.create_string_buffer(64)
vector = (ctypes.c_uint64 * 2)(ctypes.addressof(buffer), 64)
for pid, who in ((child, "child"), (1, "first process"), (os.getpid(), "itself")):
    denied(f"process_vm_readv of {who}", raw, "process_vm_readv", pid, vector, 1, vector, 1, 0)
    denied(f"process_vm_writev of {who}", raw, "process_vm_writev", pid, vector, 1, vector, 1, 0)
denied("kcmp", raw, "kcmp", 1, child, 0, 0, 0)
handle = raw("pidfd_open", child, 0)
denied("pidfd_getfd", raw, "pidfd_getfd", handle, 3, 0)
denied("process_madvise", raw, "process_madvise", handle, vector, 1, 4, 0)
denied("process_mrelease", raw, "process_mrelease", handle, 0)
os.close(handle)
os.kill(child, signal.SIGKILL)
os.waitpid(child, 0)


def open_parent():
    denied("/proc/1/mem from a child", os.open, "/proc/1/mem", os.O_RDWR)
    denied("/proc/1/environ from a child", os.open, "/proc/1/environ", os.O_RDONLY)


in_child(open_parent)
fd = os.open("/proc/self/mem", os.O_RDWR)
os.close(fd)
say("own", "/proc/self/mem")
