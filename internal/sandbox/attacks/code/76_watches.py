# row: 76
# tries: to watch what others open in the folders that all sessions share, and to use up what the kernel counts by user.
# lines: 3
import fcntl
init = {"x86_64": 294, "aarch64": 26}[os.uname().machine]
denied("inotify", raw, init, 0)
folder = os.open("/usr/lib", os.O_RDONLY | os.O_DIRECTORY)
denied("directory notification", fcntl.fcntl, folder, fcntl.F_NOTIFY, 1 | 0x80000000, also=("EINVAL",))
source = os.open(os.__file__, os.O_RDONLY)
denied("lease on a shared file", fcntl.fcntl, source, fcntl.F_SETLEASE, fcntl.F_RDLCK, also=("EINVAL",))
pipes, refused = [], 0
try:
    for _ in range(HOST["open_files"]):
        pipes += os.pipe()
        try:
            fcntl.fcntl(pipes[-1], 1031, 1 << 20)  # F_SETPIPE_SZ
        except OSError:
            refused += 1
except OSError:
    pass
say("own", len(pipes) // 2, "pipes,", refused, "of them small")
# ==== session: second
end, out = os.pipe()
os.write(out, b"x" * 4096)
say("own", "pipes work in the second session", len(os.read(end, 4096)))
