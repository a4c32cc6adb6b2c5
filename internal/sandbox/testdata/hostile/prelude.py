# What every attack may use. Each check prints a line; one that begins with
# BREACH says that the fence did not hold.
import ctypes, errno, os, platform, socket, sys, time
libc = ctypes.CDLL(None, use_errno=True)
ARM = platform.machine() == "aarch64"
REFUSED = {errno.EPERM, errno.EACCES, errno.ENOSYS, errno.EROFS}
GONE = {errno.ENOENT, errno.ENOTDIR, errno.ENODEV, errno.ENXIO}

def breach(what):
    print("BREACH", what)

def refused(what, action, also=()):
    """action must fail with a refusal, or with one of the errors in also."""
    try:
        result = action()
    except OSError as e:
        if e.errno not in REFUSED | set(also):
            breach(f"{what}: {errno.errorcode.get(e.errno, e.errno)}")
    except (ValueError, AttributeError) as e:
        breach(f"{what}: the attack itself is broken: {e}")
    else:
        breach(f"{what}: succeeded with {result!r}")

def call(amd64, arm64, *args):
    """A system call by its number."""
    number = arm64 if ARM else amd64
    if number is None:
        raise OSError(errno.ENOSYS, "not on this machine")
    result = libc.syscall(ctypes.c_long(number), *[ctypes.c_void_p(a) if isinstance(a, int) else a for a in args])
    if result == -1:
        raise OSError(ctypes.get_errno(), "system call %d" % number)
    return result
