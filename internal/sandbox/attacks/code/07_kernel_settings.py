# row: 7
# tries: to open for writing what would run a program of the attacker's as root of the host, or stop it.
# lines: 14
# outside: breach as root
# gvisor: the session is root of the host
# gvisor: /proc/sysrq-trigger is open for writing
# gvisor: /sys/fs/cgroup is there
for path in ("/proc/sys/kernel/core_pattern", "/proc/sys/kernel/modprobe", "/proc/sys/kernel/hostname",
             "/proc/sys/kernel/hotplug", "/proc/sys/vm/overcommit_memory", "/proc/sys/fs/binfmt_misc/register",
             "/proc/sys/net/ipv4/ip_forward", "/proc/sysrq-trigger", "/proc/acpi", "/proc/scsi/scsi", "/proc/irq",
             "/sys/kernel/uevent_helper", "/sys/power/state", "/sys/fs/cgroup"):
    try:
        fd = os.open(path, os.O_WRONLY)
    except FileNotFoundError:
        say("absent", path)
    except IsADirectoryError:
        say("BREACH", path, "is there")
    except OSError as error:
        say("denied", name_of(error), path)
    else:
        os.close(fd)
        say("BREACH", path, "is open for writing")
with open("/proc/self/uid_map") as f:
    inside, outside, count = map(int, f.read().split())
kernel = outside + os.getuid() - inside
if kernel == 0 and count > 1 or count > 1 << 20:
    say("BREACH", "the session is root of the host")
else:
    say("own", "user is not root of the host")
