# row: 8
# tries: to read memory, symbols, keys and devices of the kernel.
# lines: 18
# outside: breach
# gvisor: /proc/
# gvisor: /sys holds
# gvisor: /dev/fuse
# gvisor: /dev/net
# gvisor: devices
absent("/proc/kcore", "/proc/kmsg", "/proc/kallsyms", "/proc/keys", "/proc/key-users", "/proc/timer_list",
       "/proc/sched_debug", "/proc/config.gz", "/proc/modules", "/proc/net/unix", "/proc/net/tcp", "/proc/partitions",
       "/proc/interrupts", "/proc/slabinfo", "/proc/vmallocinfo", "/proc/sys", "/proc/bus", "/sys", "/dev/mem", "/dev/kmsg",
       "/dev/kvm", "/dev/fuse", "/dev/net", "/dev/vsock", "/dev/loop-control", "/dev/mapper", "/dev/cpu", "/dev/disk")
clean("devices", set(os.listdir("/dev")) - {"null", "zero", "full", "random", "urandom", "shm", "fd", "stdin", "stdout", "stderr"})
