# row: 94
# tries: to measure what others do, by what the kernel counts for all.
# lines: 8
# outside: breach
# gvisor: /proc/
# gvisor: /sys/class
absent("/proc/loadavg", "/proc/stat", "/proc/vmstat", "/proc/schedstat", "/proc/diskstats", "/proc/interrupts", "/proc/pressure",
       "/proc/net", "/proc/slabinfo", "/proc/locks", "/proc/uptime", "/sys/fs/cgroup", "/sys/class")
