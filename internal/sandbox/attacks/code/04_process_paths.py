# row: 4
# tries: to learn paths of the host from the process table, and to leave the root by its links.
# lines: 9
# outside: breach
host = (HOST["data"], HOST["program"], HOST["folder"])
for name in ("cmdline", "maps", "comm", "cgroup", "mounts"):
    with open(f"/proc/self/{name}") as f:
        text = f.read()
    clean(f"/proc/self/{name}", [path for path in host if path in text])


def root_of(path):
    info = os.stat(path)
    return info.st_dev, info.st_ino


for pid in ("1", "self", "thread-self"):
    try:
        where = os.readlink(f"/proc/{pid}/root")
        clean(f"/proc/{pid}/root", [where] if where != "/" or root_of(f"/proc/{pid}/root/") != root_of("/") else [])
        clean(f"/proc/{pid}/root/..", [] if root_of(f"/proc/{pid}/root/../..") == root_of("/") else ["elsewhere"])
    except PermissionError as error:
        say("denied", name_of(error), f"/proc/{pid}/root")
try:
    cwd = os.readlink("/proc/1/cwd")
    clean("/proc/1/cwd", [] if cwd == "/mnt/data" else [cwd])
except PermissionError as error:
    say("denied", name_of(error), "/proc/1/cwd")
exe = os.readlink("/proc/self/exe")
clean("/proc/self/exe", [] if exe.startswith(("/usr/", "/opt/python/")) else [exe])
