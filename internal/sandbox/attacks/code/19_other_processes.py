# row: 19
# tries: to read and write the memory of other processes. That of its own is its own affair.
# lines: 21
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


OPEN_FIRST = """
for name in ("mem", "environ", "maps", "fd/3", "root", "cwd/x", "map_files/x"):
    denied(f"/proc/1/{name} from a child", os.open, f"/proc/1/{name}", os.O_RDONLY, also=("ENOENT",))
denied("ptrace of the first process", raw, "ptrace", 16, 1, 0, 0)
"""
apart(OPEN_FIRST)
