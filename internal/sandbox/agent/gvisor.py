"""The supervisor of gVisor sandboxes: starts one, lets it import everything, takes a
checkpoint, and restores a copy of it per request.

It runs in the jail that stage0 built, so that even gVisor's own processes see no
more of the host than a session of the zygote does. Like the zygote it reads
requests only from the server. Each copy has a PID namespace on the host, whose
first process is `restore` below: with it all of gVisor's processes die.
"""

import contextlib
import json
import os
import resource
import select
import signal
import socket
import subprocess
import sys

HOME = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, HOME)
from understudy_agent import frames, jail, linux, template  # noqa: E402

RUN = "/run/gvisor"
ROOT, BUNDLE, IMAGE, STATE, SHARED = (f"{RUN}/{name}" for name in ("root", "bundle", "image", "state", "data"))
NAME = "session"
OWN = ("dev", "mnt", "proc", "run", "sys", "tmp")  # of the jail; a session has its own of these, or none
# gVisor moves its streams to 253 and on. A process with threads waits for the kernel when its table
# of descriptors has to grow; one that it inherits with this descriptor has room.
WIDE = 252
TMPFS = ["nosuid", "nodev", "mode=1777"]


def prepare(config):
    """Make the checkpoint; return what the server reports."""
    linux.mount("tmpfs", RUN, "tmpfs", linux.MS_NOSUID | linux.MS_NODEV, f"mode=0700,size={config['image_size']:d}")
    for folder in (ROOT, BUNDLE, IMAGE, STATE, SHARED):
        os.mkdir(folder)
    with open(f"{BUNDLE}/config.json", "w", encoding="utf-8") as f:
        json.dump(bundle(config), f)
    ours, theirs = socket.socketpair()
    first = runsc(config, "run", f"--bundle={BUNDLE}", NAME, stdin=theirs, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    theirs.close()
    with ours:
        channel = frames.Channel(ours)
        channel.send(frames.EXEC, 0, config["guest"])
        frame = channel.receive()
        if frame is None or frame[0] != frames.READY:
            first.kill()
            raise RuntimeError(f"the interpreter did not start in gVisor: {frame and frame[2]} {first.stdout.read()[-2000:]}")
        call(config, "checkpoint", f"--image-path={IMAGE}", NAME)
    first.communicate()
    call(config, "delete", "--force", NAME)
    return json.loads(frame[2])


def runsc(config, *arguments, **streams):
    flags = [f"--root={STATE}", "--network=none", "--overlay2=none", "--host-uds=none", "--ignore-cgroups",
             "--file-access-mounts=shared", f"--platform={config['platform']}", "--cpu-num-from-quota"]
    return subprocess.Popen([config["runsc"], *flags, *arguments], cwd="/", env={"PATH": "/usr/bin:/bin"}, **streams)


def call(config, *arguments):
    """Run a command of runsc that ends; raise with what it prints if it fails."""
    process = runsc(config, *arguments, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    text, _ = process.communicate()
    if process.returncode != 0:
        raise RuntimeError(f"runsc {arguments[0]}: {text[-2000:].decode('utf-8', 'replace')}")


def bundle(config):
    """Describe the sandbox for gVisor: the jail's read-only folders, a /tmp and a
    /dev/shm of its own, one volume, and a process without rights."""
    mounts = [{"destination": "/proc", "type": "proc", "source": "proc"},
              {"destination": "/dev", "type": "tmpfs", "source": "tmpfs", "options": ["ro"]},
              tmpfs("/tmp", config["tmp"]), tmpfs("/dev/shm", config["shm"]),
              {"destination": template.DATA, "type": "bind", "source": SHARED, "options": ["rw", "nosuid", "nodev"]}]
    for name in sorted(set(os.listdir("/")) - set(OWN)):
        if os.path.islink(f"/{name}"):
            os.symlink(os.readlink(f"/{name}"), f"{ROOT}/{name}")
        elif os.path.isdir(f"/{name}"):
            os.mkdir(f"{ROOT}/{name}")
            mounts.append({"destination": f"/{name}", "type": "bind", "source": f"/{name}",
                           "options": ["rbind", "ro", "nosuid", "nodev"]})
    for folder in ("dev", "mnt/data", "proc", "tmp"):
        os.makedirs(f"{ROOT}/{folder}")
    limits = [{"type": f"RLIMIT_{name}", "soft": value, "hard": value} for name, value in config["rlimits"].items()]
    process = {"terminal": False, "user": {"uid": config["uid"], "gid": config["uid"]}, "cwd": "/",
               "args": [os.readlink("/proc/self/exe"), "-I", "-B", f"{HOME}/guest.py"],
               "env": [f"{name}={value}" for name, value in os.environ.items()],
               "capabilities": {}, "noNewPrivileges": True, "rlimits": limits}
    return {"ociVersion": "1.0.0", "hostname": "sandbox", "root": {"path": ROOT, "readonly": True}, "mounts": mounts,
            "process": process,
            "linux": {"namespaces": [{"type": kind} for kind in ("pid", "network", "ipc", "uts", "mount")],
                      "resources": {"memory": {"limit": config["memory"]},
                                    "cpu": {"quota": config["cpu_quota"], "period": 100_000}}}}


def tmpfs(path, size):
    return {"destination": path, "type": "tmpfs", "source": "tmpfs", "options": [*TMPFS, f"size={size:d}"]}


def restore(config, request, fds, groups):
    """The life of the first process of a session's PID namespace: start a copy of the
    checkpoint, pass interrupts on, and end with it."""
    os.setsid()
    jail.join_groups(groups)
    linux.unshare(linux.CLONE_NEWNS)
    linux.mount("proc", "/proc", "proc", linux.MS_NOSUID | linux.MS_NODEV | linux.MS_NOEXEC)
    jail.die_first()
    linux.mount("tmpfs", STATE, "tmpfs", linux.MS_NOSUID | linux.MS_NODEV, "mode=0700,size=16m")
    jail.mount_data(request["volume"], SHARED)
    for name, value in request["rlimits"].items():
        resource.setrlimit(getattr(resource, "RLIMIT_" + name), (value, value))
    wide = []
    with contextlib.suppress(OSError):  # more than this process may have
        wide.append(os.dup2(os.open("/dev/null", os.O_RDONLY), WIDE))
    session = runsc(config, "restore", f"--bundle={BUNDLE}", f"--image-path={IMAGE}", NAME,
                    stdin=fds[0], stdout=fds[1], stderr=fds[1], pass_fds=wide)
    os.dup2(fds[2], 3, inheritable=False)
    linux.close_from(4)
    pass_interrupts(config, socket.socket(fileno=3), session.pid)


def pass_interrupts(config, requests, session):
    """Interrupt the session for each byte that the server sends, and answer when the
    signal is there, or was not sent: the server begins no other cell before, and asks
    again if this one goes on. Exit when the session does."""
    woken, wake = os.pipe()
    os.set_blocking(wake, False)
    signal.set_wakeup_fd(wake, warn_on_full_buffer=False)
    signal.signal(signal.SIGCHLD, lambda number, frame: None)
    while True:
        reap(session)
        ready, _, _ = select.select([requests, woken], [], [])
        if woken in ready:
            os.read(woken, 4096)
        if requests in ready:
            if not (request := requests.recv(1)):
                os._exit(1)  # the server is gone
            with contextlib.suppress(OSError):  # no process may be left to the session
                runsc(config, "kill", NAME, "INT", stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL).wait()
            requests.send(request)


def reap(session):
    """Collect the children that ended, which may be gVisor's; exit when the session did."""
    with contextlib.suppress(ChildProcessError):
        while (ended := os.waitpid(-1, os.WNOHANG)[0]) != 0:
            if ended == session:
                os._exit(0)


if __name__ == "__main__":
    sys.dont_write_bytecode = True
    jail.main(prepare, restore)
