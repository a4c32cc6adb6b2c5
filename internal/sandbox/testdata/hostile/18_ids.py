# Row 18: become somebody else.
# expect: held
other = 0 if os.getuid() else 1
for what, action in {
    "setuid": lambda: os.setuid(other), "setgid": lambda: os.setgid(other), "setresuid": lambda: os.setresuid(other, other, other),
    "setgroups": lambda: os.setgroups([0]), "setreuid": lambda: os.setreuid(os.getuid() + 1, os.getuid() + 1),
    "capset": lambda: call(126, 91, (ctypes.c_uint32 * 2)(0x20080522, 0), (ctypes.c_uint32 * 6)(0xFFFFFFFF, 0xFFFFFFFF, 0, 0xFFFFFFFF, 0xFFFFFFFF, 0)),
    "file capability": lambda: (open("/tmp/f", "w").close(), os.setxattr("/tmp/f", "security.capability", b"\x01\x00\x00\x02" + b"\xff" * 16)),
}.items():
    refused(what, action, also={errno.EINVAL, errno.ENOTSUP})
