# row: 14
# tries: to enter namespaces by their files and by process handles.
# lines: 9
for name in sorted(os.listdir("/proc/self/ns")):
    for pid in ("1", "self"):
        try:
            fd = os.open(f"/proc/{pid}/ns/{name}", os.O_RDONLY)
        except OSError as error:
            say("denied", name_of(error), f"/proc/{pid}/ns/{name}")
            continue
        denied(f"setns /proc/{pid}/ns/{name}", raw, "setns", fd, 0)
        # NS_GET_USERNS, NS_GET_PARENT: the way up.
        import fcntl
        for request in (0xb701, 0xb702):
            try:
                up = fcntl.ioctl(fd, request)
            except OSError as error:
                say("denied", name_of(error), f"ioctl {request:#x} of {name}")
            else:
                denied(f"setns above {name}", raw, "setns", up, 0)
                os.close(up)
        os.close(fd)
handle = raw("pidfd_open", os.getpid(), 0)
denied("setns by handle", raw, "setns", handle, 0x10000000)
os.close(handle)
