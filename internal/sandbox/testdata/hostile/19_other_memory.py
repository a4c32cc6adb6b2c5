# Row 19: other processes' memory.
# expect: held
refused("ptrace traceme", lambda: call(101, 117, 0, 0, 0, 0))
refused("ptrace attach", lambda: call(101, 117, 16, 1, 0, 0))
vec = (ctypes.c_uint64 * 2)(ctypes.addressof(ctypes.create_string_buffer(8)), 8)
refused("process_vm_readv", lambda: call(310, 270, os.getppid() or 1, vec, 1, vec, 1, 0))
refused("process_vm_writev", lambda: call(311, 271, os.getppid() or 1, vec, 1, vec, 1, 0))
refused("kcmp", lambda: call(312, 272, 1, os.getpid(), 0, 0, 0))
refused("pidfd_getfd", lambda: call(438, 438, 0, 0, 0))
refused("process_madvise", lambda: call(440, 440, -1, vec, 1, 4, 0), also={errno.EBADF})
for pid in range(2, 64):
    if pid != os.getpid() and os.path.exists(f"/proc/{pid}/mem"):
        refused(f"/proc/{pid}/mem", lambda: open(f"/proc/{pid}/mem", "rb").read(1), also=GONE)
