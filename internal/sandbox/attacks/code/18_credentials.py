# row: 18
# tries: to become another user, join groups, and get capabilities back.
# lines: 17
# gvisor: file capabilities was carried out: [Errno 95]
# gvisor: trusted attribute was carried out: [Errno 95]
uid, gid = os.getuid(), os.getgid()
unmapped = ("EINVAL",)  # where the user namespace has one id, no other can even be named
for other in {0, 1, uid - 1 if uid > 1 else 2, uid + 1, 65534, 1000} - {uid}:
    denied(f"setuid {'lower' if other < uid else 'higher'}", os.setuid, other, also=unmapped)
    denied(f"setresuid {'lower' if other < uid else 'higher'}", os.setresuid, other, other, other, also=unmapped)
    denied(f"setgid {'lower' if other < gid else 'higher'}", os.setgid, other, also=unmapped)
    denied(f"chown to {'a lower' if other < uid else 'a higher'} user", os.chown, "/mnt/data", other, other, also=unmapped)
denied("setgroups", os.setgroups, [0, 1, 42])
header = (ctypes.c_uint32 * 2)(0x20080522, 0)
data = (ctypes.c_uint32 * 6)(*[0xffffffff] * 6)
denied("capset", raw, "capset", header, data)
data = (ctypes.c_uint32 * 6)(0, 1 << 21, 0, 0, 0, 0)
denied("capset CAP_SYS_ADMIN", raw, "capset", header, data)
with open("/mnt/data/caps", "w"):
    pass
capabilities = b"\x01\x00\x00\x02" + b"\xff" * 16
denied("file capabilities", os.setxattr, "/mnt/data/caps", "security.capability", capabilities, also=("EOPNOTSUPP",))
denied("trusted attribute", os.setxattr, "/mnt/data/caps", "trusted.x", b"x", also=("EOPNOTSUPP",))
os.remove("/mnt/data/caps")


def prctl(*words):
    result = libc.prctl(*(ctypes.c_ulong(w) for w in words))
    if result < 0:
        code = ctypes.get_errno()
        raise OSError(code, os.strerror(code))
    return result


denied("raise an ambient capability", prctl, 47, 2, 21, 0, 0)
denied("securebits", prctl, 28, 0x2f, 0, 0, 0)
denied("become dumpable", prctl, 4, 1, 0, 0, 0)
denied("PR_SET_MM", prctl, 35, 1, 0, 0, 0)
denied("take no_new_privs back", prctl, 38, 0, 0, 0, 0, also=("EINVAL",))
denied("take the filter back", prctl, 22, 0, 0, 0, 0, also=("EINVAL",))
import resource
for name in ("CORE", "NOFILE", "FSIZE", "MEMLOCK", "STACK", "NICE", "RTPRIO"):
    soft, hard = resource.getrlimit(getattr(resource, "RLIMIT_" + name))
    try:
        resource.setrlimit(getattr(resource, "RLIMIT_" + name), (hard, hard + 1 if hard >= 0 else hard))
    except (ValueError, OSError) as error:
        say("denied", "EPERM", f"raise RLIMIT_{name}")
    else:
        say("BREACH", f"RLIMIT_{name} was raised from {hard}")
