# row: 25
# tries: to type into a terminal of the host (TIOCSTI), or to get one.
# lines: 10
# gvisor: open /dev/
# gvisor: openpty
import fcntl
TIOCSTI, TIOCLINUX, TIOCSCTTY = 0x5412, 0x541c, 0x540e
for number in range(3):
    for name, request in (("TIOCSTI", TIOCSTI), ("TIOCLINUX", TIOCLINUX), ("TIOCSCTTY", TIOCSCTTY)):
        denied(f"{name} on {number}", fcntl.ioctl, number, request, b"\x06", also=("ENOTTY",))
    denied(f"TIOCSTI on {number}, high half of the word set", raw, {0: 16, 1: 29}[MACHINE], number, TIOCSTI | 1 << 32, b"x", also=("ENOTTY",))
for path in ("/dev/tty", "/dev/tty0", "/dev/console", "/dev/ptmx", "/dev/pts/0", "/dev/vcs"):
    denied(f"open {path}", os.open, path, os.O_RDWR, also=("ENOENT",))
denied("openpty", os.openpty, also=("ENOENT",))
