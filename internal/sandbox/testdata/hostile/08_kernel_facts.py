# Row 8: what the kernel tells.
# expect: held
for path in ["/proc/kcore", "/proc/kmsg", "/proc/kallsyms", "/proc/keys", "/proc/timer_list", "/proc/config.gz", "/proc/sched_debug", "/proc/iomem", "/dev/mem", "/dev/kmsg", "/dev/kvm", "/sys/kernel", "/sys/fs", "/sys/class"]:
    try:
        found = os.listdir(path) if os.path.isdir(path) else open(path, "rb").read(64)
    except OSError:
        continue
    if found:
        breach(f"{path}: {found!r:.100}")
