# row: 15
# tries: to reach the control groups: release_agent runs a program as root of the host (CVE-2022-0492).
# lines: 5
# gvisor: /sys/fs/cgroup
WANTED = {"release_agent", "cgroup.procs", "notify_on_release", "devices.allow", "memory.max", "cgroup.kill"}
found = []
for root in ("/sys", "/proc", "/dev", "/run", "/mnt", "/var", "/tmp"):
    for folder, folders, files in os.walk(root):
        found += [os.path.join(folder, name) for name in WANTED.intersection(files)]
clean("files of control groups", found)
with open("/proc/self/mountinfo") as f:
    clean("mounts of control groups", [line for line in f if " cgroup" in line])
with open("/proc/self/cgroup") as f:
    clean("path of the session's group", [line for line in f if line.rstrip("\n").split(":")[2] != "/"])
os.makedirs("/tmp/c", exist_ok=True)
for kind, options in ((b"cgroup", b"memory"), (b"cgroup", b"rdma"), (b"cgroup", b"none,name=x"), (b"cgroup2", b"")):
    denied(f"mount {kind.decode()} {options.decode()}", raw, "mount", b"x\0", b"/tmp/c\0", kind + b"\0", 0, options + b"\0")
