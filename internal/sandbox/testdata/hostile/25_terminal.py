# Row 25: type into the terminal of the server.
# expect: held
import fcntl, termios
for fd in [0, 1, 2]:
    for request in [0x5412, 0x541C]:  # TIOCSTI, TIOCLINUX
        refused(f"ioctl {request:x} on {fd}", lambda: fcntl.ioctl(fd, request, b"x"), also={errno.ENOTTY, errno.EBADF, errno.EINVAL})
refused("/dev/tty", lambda: open("/dev/tty"), also=GONE)
refused("/dev/console", lambda: open("/dev/console"), also=GONE)
refused("/dev/ptmx", lambda: open("/dev/ptmx"), also=GONE)
