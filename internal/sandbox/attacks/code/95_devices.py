# row: 95
# tries: to reach the hypervisor, other processors' registers, memory and disks by their devices.
# lines: 10
# outside: breach
# gvisor: /dev/fuse
# gvisor: /dev/net/tun
# gvisor: /dev/tty
# gvisor: /dev/ptmx
# gvisor: devices
absent("/dev/kvm", "/dev/vsock", "/dev/vhost-vsock", "/dev/cpu", "/dev/mem", "/dev/kmem", "/dev/port", "/dev/fuse", "/dev/net/tun",
       "/dev/mapper", "/dev/disk", "/dev/input", "/dev/dri", "/dev/nvidia0", "/dev/snapshot", "/dev/userfaultfd", "/dev/tty", "/dev/ptmx")
clean("devices", set(os.listdir("/dev")) - {"null", "zero", "full", "random", "urandom", "shm", "fd", "stdin", "stdout", "stderr"})
for kind, name in ((stat.S_IFBLK, "disk"), (stat.S_IFCHR, "character")):
    denied(f"make a {name} device", os.mknod, f"/tmp/{name}", kind | 0o600, os.makedev(8, 0))
