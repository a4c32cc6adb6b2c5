"""Runs pip as its order on stdin says, with the rights that needs: to read the
system's programs, the interpreter, and of /etc what every user may read of its files
and certificates; to write in one folder; and the network.

pip takes no package from an index that is no wheel, but a wheel may say that it
needs a package from any address, and that one pip would fetch, and even build: run.
So such needs are an error here, and no process can be started."""

import contextlib
import ctypes
import json
import os
import resource
import stat
import sys

PR_SET_NO_NEW_PRIVS = 38
SYS_LANDLOCK_CREATE_RULESET, SYS_LANDLOCK_ADD_RULE, SYS_LANDLOCK_RESTRICT_SELF = 444, 445, 446
EXECUTE, READ = 1, 1 << 2 | 1 << 3  # of a file; a file or a folder
SPAWNS = ("subprocess.Popen", "os.system", "os.fork", "os.forkpty", "os.posix_spawn", "os.exec")
SYSTEM = ("/usr", "/bin", "/lib", "/lib64", "/opt/python", "/run/systemd/resolve", "/dev/null", "/dev/urandom")
CERTIFICATES = ("/etc/ca-certificates", "/etc/crypto-policies", "/etc/pki/ca-trust", "/etc/pki/tls/cert.pem", "/etc/pki/tls/certs",
                "/etc/pki/tls/openssl.cnf", "/etc/ssl/ca-bundle.pem", "/etc/ssl/cert.pem", "/etc/ssl/certs", "/etc/ssl/openssl.cnf")

libc = ctypes.CDLL(None, use_errno=True)
libc.syscall.restype = ctypes.c_long


class Ruleset(ctypes.Structure):
    _fields_ = [("access", ctypes.c_uint64)]


class PathRule(ctypes.Structure):
    _pack_ = 1
    _fields_ = [("access", ctypes.c_uint64), ("folder", ctypes.c_int32)]


def main():
    order = json.load(sys.stdin)
    die_first()
    for name, value in order["limits"].items():
        resource.setrlimit(getattr(resource, "RLIMIT_" + name), (value, value))
    import pip
    from pip._internal.cli.main import main as run
    readable = [sys.prefix, sys.base_prefix, os.path.dirname(pip.__file__), *order["readable"]]
    if order["packages"]:  # what sessions have installed is that, and nothing else
        sys.path[:] = [p for p in sys.path if p and not p.endswith(("dist-packages", "site-packages"))] + [order["packages"]]
        readable.append(order["packages"])
    stay_in_index()
    sys.addaudithook(deny_spawns)
    libc.prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
    confine([*SYSTEM, *public_files("/etc"), *CERTIFICATES, *readable], [os.getcwd(), "/dev/null"])
    sys.exit(run(order["arguments"]))


def die_first():
    """Be chosen before the server where memory runs out: a small wheel can have much metadata."""
    try:
        with open("/proc/self/oom_score_adj", "w", encoding="ascii") as f:
            f.write("1000")
    except OSError:
        pass  # no procfs


def stay_in_index():
    """Make it an error that a package needs another one from an address of its own."""
    from pip._internal.exceptions import InstallationError
    from pip._vendor.packaging.requirements import Requirement
    original = Requirement.__init__

    def read(self, text):
        original(self, text)
        if self.url:
            raise InstallationError("a package needs one from outside the index")

    Requirement.__init__ = read


def deny_spawns(event, _):
    if event in SPAWNS:
        raise PermissionError(f"{event} is denied")


def public_files(folder):
    """The files in a folder that every user may read, and none below: by those of /etc
    names are looked up, and the system's own is found."""
    public = []
    with contextlib.suppress(FileNotFoundError), os.scandir(folder) as entries:
        for e in entries:
            with contextlib.suppress(OSError):  # it has just gone, or is a link to where this user may not look
                if e.is_file() and e.stat().st_mode & stat.S_IROTH:
                    public.append(e.path)
    return public


def confine(readable, writable):
    """Close all other files to this process by Landlock, if the kernel has it."""
    abi = libc.syscall(SYS_LANDLOCK_CREATE_RULESET, None, 0, 1)
    if abi < 1:
        return
    every = (1 << 13) - 1 | (1 << 13 if abi >= 2 else 0) | (1 << 14 if abi >= 3 else 0)
    of_files = EXECUTE | 1 << 1 | 1 << 2 | (1 << 14 if abi >= 3 else 0)
    rules = Ruleset(every)
    ruleset = check(libc.syscall(SYS_LANDLOCK_CREATE_RULESET, ctypes.byref(rules), ctypes.sizeof(rules), 0))
    for path, access in [(p, READ) for p in readable] + [(p, every & ~EXECUTE) for p in writable]:
        try:
            fd = os.open(path, os.O_PATH)
        except OSError:
            continue
        rule = PathRule(access if os.path.isdir(path) else access & of_files, fd)
        check(libc.syscall(SYS_LANDLOCK_ADD_RULE, ruleset, 1, ctypes.byref(rule), 0))
        os.close(fd)
    check(libc.syscall(SYS_LANDLOCK_RESTRICT_SELF, ruleset, 0))
    os.close(ruleset)


def check(result):
    if result < 0:
        raise OSError(ctypes.get_errno(), "landlock")
    return result


if __name__ == "__main__":
    main()
