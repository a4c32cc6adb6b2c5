# row: 17
# tries: to gain rights from programs with the set-user-id bit, the system's and its own.
# lines: 12
# gvisor: mounts without nosuid 2 ['/', '/proc']
import shutil
import subprocess

for field in ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"):
    value = status_field(field)[0]
    clean(field, [] if int(value, 16) == 0 else [value])
clean("NoNewPrivs", [] if status_field("NoNewPrivs") == ["1"] else ["off"])
user = status_field("Uid")


def gained(command, **options):
    """What a program could do after it: capabilities or another user."""
    try:
        out = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=20, **options).stdout
    except (OSError, subprocess.TimeoutExpired):
        return []
    lines = dict(line.split(":", 1) for line in out.splitlines() if ":" in line)
    bad = [n + lines[n] for n in ("CapEff", "CapPrm", "CapBnd") if n in lines and int(lines[n], 16)]
    return bad + ([lines["Uid"]] if "Uid" in lines and lines["Uid"].split() != user else [])


clean("a plain program", gained(["cat", "/proc/self/status"]))
marked = []
for folder in ("/usr/bin", "/usr/sbin", "/usr/lib/dbus-1.0", "/usr/lib/openssh", "/usr/libexec"):
    for path in os.scandir(folder) if os.path.isdir(folder) else ():
        mode = path.stat(follow_symlinks=False).st_mode
        if mode & (stat.S_ISUID | stat.S_ISGID) and stat.S_ISREG(mode):
            marked.append(path.path)
say("note", "programs with the bit:", len(marked))
for path in marked:
    flags = os.statvfs(path).f_flag
    clean(f"{path} without nosuid", [] if flags & os.ST_NOSUID else [hex(flags)])
clean("su", gained(["su", "root", "-s", "/bin/sh", "-c", "cat /proc/self/status"]))
clean("sudo", gained(["sudo", "-n", "cat", "/proc/self/status"]))
clean("pkexec", gained(["pkexec", "cat", "/proc/self/status"]))
os.makedirs("/tmp/x", exist_ok=True)
mounted = subprocess.run("mount -t tmpfs x /tmp/x", shell=True, stdin=subprocess.DEVNULL, capture_output=True)
clean("mount", [] if mounted.returncode else ["worked"])
for folder in ("/mnt/data", "/tmp", "/dev/shm"):
    own = f"{folder}/cat"
    shutil.copy("/bin/cat", own)
    os.chmod(own, 0o6755)
    clean(f"a program of its own in {folder}", gained([own, "/proc/self/status"]))
    os.remove(own)
clean("mounts without nosuid", [path for path in ("/", "/usr", "/mnt/data", "/tmp", "/dev/shm", "/proc", "/etc", "/opt")
                                if not os.statvfs(path).f_flag & os.ST_NOSUID])
