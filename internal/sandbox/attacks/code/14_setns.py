# row: 14
# tries: to enter namespaces by their files and by process handles.
# lines: 37
ATTACK = """
import fcntl
for name in ("cgroup", "ipc", "mnt", "net", "pid", "pid_for_children", "time", "user", "uts"):
    for pid in ("1", "self"):
        try:
            fd = os.open(f"/proc/{pid}/ns/{name}", os.O_RDONLY)
        except OSError as error:
            say("denied", name_of(error), f"/proc/{pid}/ns/{name}")  # or not in sight
            continue
        denied(f"setns /proc/{pid}/ns/{name}", raw, "setns", fd, 0)
        for request in (0xb701, 0xb702):  # NS_GET_USERNS, NS_GET_PARENT: the way up
            try:
                up = fcntl.ioctl(fd, request)
            except OSError as error:
                say("denied", name_of(error), f"ioctl {request:#x} of {name}")
            else:
                denied(f"setns above {name}", raw, "setns", up, 0)
                os.close(up)
        os.close(fd)
"""
exec(ATTACK)
apart(ATTACK)
handle = raw("pidfd_open", os.getpid(), 0)
denied("setns by handle", raw, "setns", handle, 0x10000000)
os.close(handle)
