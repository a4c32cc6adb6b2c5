"""First stage: build the root file system, enter the namespaces, start what makes sessions.

It runs before any user code, with the privileges of the server (or, without
root, with the capabilities of a fresh user namespace), and leaves three
processes: itself, waiting; the init of the new PID namespace; and the second
stage, a fresh interpreter inside the jail that makes the sessions: the zygote,
or the supervisor of gVisor. The zygote is not PID 1 of its namespace, because
OpenSSL reseeds after a fork only when the process id changes, and each session
is PID 1 of its own.
"""

import contextlib
import json
import os
import shutil
import signal
import socket
import sys
import traceback

from . import linux

CTL = 3
HOME = "/opt/understudy"
SYSTEM = ("/usr/bin", "/usr/lib", "/usr/lib32", "/usr/lib64", "/usr/libx32", "/usr/libexec", "/usr/share")
TOP = ("bin", "sbin", "lib", "lib32", "lib64", "libx32")
ETC_FOLDERS = ("alternatives", "fonts")
ETC_FILES = ("ld.so.cache", "localtime", "timezone", "mime.types", "matplotlibrc", "debian_version", "os-release")
ETC_WRITTEN = {
    "hosts": "127.0.0.1 localhost\n",
    "nsswitch.conf": "passwd: files\ngroup: files\nhosts: files\n",
    "resolv.conf": "",
    "wgetrc": "tries = 1\n",  # else wget tries twenty times before it says that there is no network
}
# What an interpreter needs of its prefix. There may be more in it: ~/.local is a prefix, too.
PYTHON = ("bin", "include", "lib", "lib64", "ssl")
GVISOR_BIN = "gvisor-bin"
DEVICES = ("null", "zero", "full", "random", "urandom")
READ_ONLY = linux.ATTR_RDONLY | linux.ATTR_NOSUID | linux.ATTR_NODEV


def main():
    ctl = socket.socket(fileno=CTL)
    try:
        config = json.loads(ctl.recv(1 << 20))
        python = build_root(config)
        linux.pivot_root(config["root"])
        if config["remap"]:
            enter_user_namespace(ctl)
        linux.unshare(linux.CLONE_NEWPID | linux.CLONE_NEWNS | linux.CLONE_NEWIPC | linux.CLONE_NEWUTS
                      | linux.CLONE_NEWNET)
        die_with_parent()
        pid = os.fork()
        if pid == 0:
            init(config, python)
    except BaseException:
        ctl.send(json.dumps({"error": traceback.format_exc()}).encode())
        os._exit(1)
    ctl.close()
    os.waitpid(pid, 0)
    os._exit(0)


def die_with_parent():
    linux.prctl(linux.PR_SET_PDEATHSIG, signal.SIGKILL)


def enter_user_namespace(ctl):
    """Enter a user namespace whose root is nobody on the host; the server writes the maps."""
    linux.unshare(linux.CLONE_NEWUSER)
    ctl.send(b'{"userns": true}')
    if not json.loads(ctl.recv(4096)).get("mapped"):
        raise RuntimeError("the server wrote no id maps")
    os.setgroups([])
    os.setresgid(0, 0, 0)
    os.setresuid(0, 0, 0)


def build_root(config):
    """Build the jail below config["root"]; return how the zygote is started there."""
    root = config["root"]
    linux.mount(None, "/", None, linux.MS_REC | linux.MS_PRIVATE)
    linux.mount("root", root, "tmpfs", linux.MS_NOSUID | linux.MS_NODEV, "mode=0755,size=16m,nr_inodes=4096")
    for folder in ("dev/shm", "etc", "home", "mnt/data", "opt/understudy", "proc", "run/gvisor", "run/volumes", "tmp", "usr", "var"):
        os.makedirs(f"{root}/{folder}")
    os.symlink("/tmp", f"{root}/var/tmp")
    for path in SYSTEM:
        if os.path.isdir(path) and not os.path.islink(path):
            expose(root, path, path)
    for name in TOP:
        if os.path.islink(f"/{name}"):
            os.symlink(os.readlink(f"/{name}"), f"{root}/{name}")
        elif os.path.isdir(f"/{name}") and name != "sbin":
            expose(root, f"/{name}", f"/{name}")
    build_etc(root, config["uids"])
    build_dev(root)
    for name, source in config["files"].items():
        os.makedirs(os.path.dirname(f"{root}{HOME}/{name}"), exist_ok=True)
        with open(f"{root}{HOME}/{name}", "w", encoding="utf-8") as f:
            f.write(source)
    python = expose_python(root)
    if config["packages"]:
        expose(root, config["packages"], "/opt/packages")
    if config["runsc"]:
        expose_gvisor(root, config["runsc"])
    # A procfs of a new PID namespace may be mounted only where a complete one is in view already.
    linux.mount("/proc", f"{root}/proc", None, linux.MS_BIND | linux.MS_REC)
    linux.mount_setattr(root, linux.ATTR_RDONLY | linux.ATTR_NOSUID | linux.ATTR_NODEV, recursive=False)
    return python


def expose(root, source, target):
    os.makedirs(root + target, exist_ok=True)
    linux.bind(source, root + target, READ_ONLY)


def expose_gvisor(root, program):
    """Make runsc reachable in the jail, and beside it the folder of programs that it
    starts, where there is one: gVisor's releases have it, `make runsc` needs none."""
    with open(f"{root}/opt/runsc", "wb"):
        pass
    linux.bind(program, f"{root}/opt/runsc", READ_ONLY)
    folder = os.path.join(os.path.dirname(os.path.realpath(program)), GVISOR_BIN)
    if os.path.isdir(folder):
        expose(root, folder, f"/opt/{GVISOR_BIN}")


def expose_python(root):
    """Make the interpreter reachable in the jail. One that is not part of the
    system moves to /opt/python, so that the path of its real home is not shown."""
    prefix = os.path.realpath(sys.base_prefix)
    executable = os.path.realpath(getattr(sys, "_base_executable", None) or sys.executable)
    if prefix == "/usr":
        return executable
    if prefix == "/usr/local":
        for folder in ("bin", "lib"):
            expose(root, f"/usr/local/{folder}", f"/usr/local/{folder}")
        return executable
    for folder in PYTHON:
        if os.path.isdir(f"{prefix}/{folder}"):
            expose(root, f"{prefix}/{folder}", f"/opt/python/{folder}")
    return "/opt/python/" + os.path.relpath(executable, prefix)


def build_etc(root, uids):
    for name in ETC_FOLDERS:
        if os.path.isdir(f"/etc/{name}"):
            expose(root, f"/etc/{name}", f"/etc/{name}")
    for name in ETC_FILES:
        if os.path.isfile(f"/etc/{name}"):
            shutil.copyfile(f"/etc/{name}", f"{root}/etc/{name}")
    accounts = range(uids[0], uids[0] + uids[1])
    passwd = [f"sandbox:x:{n}:{n}:sandbox:/tmp:/bin/sh\n" for n in accounts]
    group = [f"sandbox:x:{n}:\n" for n in accounts]
    if 0 not in accounts:
        passwd.append("root:x:0:0:root:/tmp:/bin/false\n")
        group.append("root:x:0:\n")
    for name, text in {**ETC_WRITTEN, "passwd": "".join(passwd), "group": "".join(group)}.items():
        with open(f"{root}/etc/{name}", "w", encoding="utf-8") as f:
            f.write(text)


def build_dev(root):
    for name in DEVICES:
        with open(f"{root}/dev/{name}", "w", encoding="utf-8"):
            pass
        linux.bind(f"/dev/{name}", f"{root}/dev/{name}", linux.ATTR_RDONLY | linux.ATTR_NOSUID | linux.ATTR_NOEXEC)
    for name, target in {"fd": "", "stdin": "/0", "stdout": "/1", "stderr": "/2"}.items():
        os.symlink(f"/proc/self/fd{target}", f"{root}/dev/{name}")


def init(config, python):
    """PID 1 of the jail's namespace: start the second stage, then reap until nobody is
    left. It outlives a second stage that dies, so that the running sessions go on."""
    die_with_parent()
    with contextlib.suppress(OSError):  # refused inside some containers; the second stage then uses the one in view
        if not config["proc"]:
            raise PermissionError
        linux.mount("proc", "/proc", "proc", linux.MS_NOSUID | linux.MS_NODEV | linux.MS_NOEXEC)
    for path, options in (("/run/volumes", "mode=0711,size=1m"), ("/tmp", "mode=1777,size=64m")):
        linux.mount("tmpfs", path, "tmpfs", linux.MS_NOSUID | linux.MS_NODEV, options)
    environment = dict(config["environment"])
    prefix = os.path.dirname(os.path.dirname(python))
    if prefix == "/opt/python":
        environment["PATH"] = f"{prefix}/bin:" + environment["PATH"]
        environment["LD_LIBRARY_PATH"] = f"{prefix}/lib"
    if (second := os.fork()) == 0:
        os.set_inheritable(CTL, True)
        os.execve(python, [python, "-I", "-B", f"{HOME}/{config['script']}"], environment)
    linux.close_from(CTL)
    while True:
        try:
            if os.wait()[0] == second:
                linux.umount("/run/volumes")  # nobody is left to drop one: it goes with its session and the server's handle
        except ChildProcessError:
            os._exit(0)
