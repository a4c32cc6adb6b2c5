# Row 7: change the kernel's settings. Also: not the host's root.
# expect: held
for path in ["/proc/sys/kernel/core_pattern", "/proc/sys/kernel/modprobe", "/proc/sys/kernel/hostname", "/proc/sys/kernel/ns_last_pid", "/proc/sys/vm/overcommit_memory", "/proc/sysrq-trigger", "/proc/self/uid_map", "/proc/self/setgroups"]:
    refused(path, lambda: open(path, "w").write("x"), also=GONE | {errno.EINVAL})
try:
    inside = [line.split() for line in open("/proc/self/uid_map")]
except OSError:
    inside = []
for first, host, size in inside:
    if int(host) == 0:
        breach("the host's root is mapped")
