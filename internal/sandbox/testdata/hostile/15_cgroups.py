# Row 15: out by way of control groups.
# expect: held
for folder in ["/sys/fs/cgroup", "/cgroup", "/tmp/cg"]:
    if os.path.isdir(folder) and os.listdir(folder):
        breach(f"{folder}: {os.listdir(folder)}")
os.makedirs("/tmp/cg", exist_ok=True)
refused("mount cgroup", lambda: call(165, 40, b"cgroup\0", b"/tmp/cg\0", b"cgroup\0", 0, b"memory\0"))
refused("mount cgroup2", lambda: call(165, 40, b"cgroup2\0", b"/tmp/cg\0", b"cgroup2\0", 0, 0))
for path in ["/sys/fs/cgroup/release_agent", "/sys/fs/cgroup/cgroup.procs", "/sys/fs/cgroup/memory/cgroup.procs"]:
    refused(path, lambda: open(path, "w").write("0"), also=GONE)
