"""The zygote: imports everything once, then forks one session per request.

It runs in the jail that stage0 built, as root of a user namespace without any
right outside it. It reads requests only from the server, never from a session,
and starts no thread: a fork copies the calling thread alone, so whatever a
second thread had locked would stay locked for ever.
"""

import base64
import contextlib
import gc
import json
import os
import random
import resource
import signal
import socket
import sys
import traceback

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from understudy_agent import kernel, linux  # noqa: E402

CTL = 3
PACKAGES = "/opt/packages"
VOLUMES = "/run/volumes"
DATA = "/mnt/data"
# Modules of the standard library that a first cell most often needs.
COMMON = ("base64 csv collections dataclasses datetime decimal fractions functools glob hashlib itertools json math "
          "operator os pathlib random re shutil statistics string subprocess tempfile textwrap time typing uuid zipfile "
          "asyncio ssl secrets sqlite3 urllib.parse urllib.request html xml.etree.ElementTree").split()


def main():
    ctl = socket.socket(fileno=CTL)
    try:
        config = json.loads(ctl.recv(1 << 20))
        ready = prepare(config)
    except BaseException:
        send(ctl, {"error": traceback.format_exc()})
        os._exit(1)
    pidns = os.open("/proc/self/ns/pid", os.O_RDONLY | os.O_CLOEXEC)
    send(ctl, ready)
    serve(ctl, config, pidns)


def send(ctl, message, fds=()):
    socket.send_fds(ctl, [json.dumps(message).encode()], list(fds))


def prepare(config):
    """Import, warm up and settle the heap; return what the server reports."""
    gc.disable()
    sys.path[:] = [p for p in sys.path if p != os.path.dirname(os.path.abspath(__file__))]
    if os.path.isdir(PACKAGES):
        import site
        system = [p for p in sys.path if p.endswith(("dist-packages", "site-packages"))]
        sys.path[:] = [p for p in sys.path if p not in system]
        site.addsitedir(PACKAGES)
        os.environ["PYTHONPATH"] = PACKAGES
    os.environ["MPLCONFIGDIR"] = "/tmp/.matplotlib"
    with contextlib.suppress(ImportError):
        import matplotlib
        from understudy_agent import figures
        matplotlib.use(f"module://{figures.__name__}")
    for name in COMMON:
        with contextlib.suppress(ImportError):
            __import__(name)
    versions = {}
    for name in config["imports"]:
        with contextlib.suppress(Exception):  # not installed, or broken: then the user sees why
            package = __import__(name)
            versions[package.__name__] = str(getattr(package, "__version__", ""))
    shell = kernel.make_shell()
    kernel.warm_up(shell)
    if ssl := sys.modules.get("ssl"):
        ssl.RAND_bytes(1)  # 4 MB of tables that each session would make for itself
    config["shell"] = shell
    config["seccomp"] = base64.b64decode(config["seccomp"])
    config["landlock"] = linux.landlock_abi() if config["landlock"] else 0
    config["fonts"] = read_font_cache()
    os.chdir("/")
    threads = len(os.listdir("/proc/self/task"))
    if threads != 1:
        raise RuntimeError(f"the imported packages started {threads - 1} threads, so the zygote cannot fork")
    gc.collect()
    gc.freeze()
    if config["collapse"]:
        linux.collapse_heap()
    return {"ready": True, "python": ".".join(map(str, sys.version_info[:3])), "packages": versions,
            "shell": shell.name, "landlock": config["landlock"]}


def read_font_cache():
    """The font list matplotlib wrote during the warm-up, for child interpreters of a session."""
    with contextlib.suppress(OSError):
        for name in os.listdir("/tmp/.matplotlib"):
            if name.startswith("fontlist"):
                with open(f"/tmp/.matplotlib/{name}", "rb") as f:
                    return name, f.read()
    return None


def serve(ctl, config, pidns):
    while True:
        data, fds, _, _ = socket.recv_fds(ctl, 1 << 16, 32)
        if not data:
            os._exit(0)
        request = json.loads(data)
        try:
            reply, passed = OPERATIONS[request["op"]](config, pidns, request, fds)
        except Exception:
            reply, passed = {"error": traceback.format_exc(limit=4)}, ()
        finally:
            for fd in fds:
                os.close(fd)
        send(ctl, reply, passed)
        for fd in passed:
            os.close(fd)


def make_volume(config, pidns, request, fds):
    """Mount a size-limited tmpfs for the files of one session, and hand out its folder."""
    path = f"{VOLUMES}/{request['volume']:d}"
    os.mkdir(path)
    linux.mount("data", path, "tmpfs", linux.MS_NOSUID | linux.MS_NODEV,
                f"mode=0700,uid={request['uid']:d},gid={request['uid']:d},size={request['size']:d},"
                f"nr_inodes={request['inodes']:d}")
    return {}, [os.open(path, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)]


def drop_volume(config, pidns, request, fds):
    path = f"{VOLUMES}/{request['volume']:d}"
    linux.umount(path)
    os.rmdir(path)
    return {}, ()


def reap(config, pidns, request, fds):
    """Collect a dead session; say how it died."""
    pid, status = os.waitpid(request["pid"], os.WNOHANG)
    if pid == 0:
        return {"running": True}, ()
    code = os.waitstatus_to_exitcode(status)
    return {"code": max(code, 0), "signal": max(-code, 0)}, ()


def start(config, pidns, request, fds):
    """Fork a session as PID 1 of a new PID namespace."""
    linux.setns(pidns, linux.CLONE_NEWPID)  # else the second unshare is refused
    linux.unshare(linux.CLONE_NEWPID)
    pid = os.fork()
    if pid == 0:
        run_session(config, request, fds)
    return {"pid": pid}, [os.pidfd_open(pid)]


OPERATIONS = {"volume": make_volume, "drop": drop_volume, "reap": reap, "start": start}


def run_session(config, request, fds):
    """The life of the child. Nothing of the user runs before isolate returns."""
    channel = None
    try:
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        os.setsid()  # or kill(0) would reach the zygote and all sessions: a process group does not end at a namespace
        for fd in fds[2:]:
            os.write(fd, b"0")  # join the control group first, so that all memory from here is charged to it
        null = os.open("/dev/null", os.O_RDONLY)
        os.dup2(null, 0)
        os.dup2(fds[1], 1)
        os.dup2(fds[1], 2)
        if fds[0] != 3:
            os.dup2(fds[0], 3, inheritable=False)
        linux.close_from(4)
        channel = kernel.Channel(socket.socket(fileno=3))
        report = isolate(config, request)
        start_afresh(config)
        shell = config["shell"]
        config.clear()
        kernel.serve(channel, shell, report)
        os._exit(0)
    except BaseException:
        with contextlib.suppress(BaseException):
            channel.send(kernel.FATAL, 0, {"text": traceback.format_exc()})
        os._exit(1)


def isolate(config, request):
    """Give up, one after another, everything a session does not need. The order
    matters: each step needs a right that a later one drops."""
    report = {"landlock": config["landlock"], "seccomp": False, "proc": "none"}
    linux.unshare(linux.CLONE_NEWNS | linux.CLONE_NEWNET | linux.CLONE_NEWIPC | linux.CLONE_NEWUTS
                  | linux.CLONE_NEWCGROUP)
    flags = linux.MS_NOSUID | linux.MS_NODEV
    linux.mount("tmpfs", "/tmp", "tmpfs", flags,
                f"mode=1777,size={request['tmp']:d},nr_inodes=8192")
    linux.mount("tmpfs", "/dev/shm", "tmpfs", flags | linux.MS_NOEXEC,
                f"mode=1777,size={request['shm']:d},nr_inodes=8192")
    linux.mount(f"{VOLUMES}/{request['volume']:d}", DATA, None, linux.MS_BIND)
    linux.umount(VOLUMES)  # the volumes of all the others
    try:
        if not config["proc"]:
            raise PermissionError
        linux.mount("proc", "/proc", "proc", flags | linux.MS_NOEXEC, "hidepid=invisible,subset=pid")
        report["proc"] = "subset"
    except OSError:  # refused inside some containers; then nothing, rather than the one in view
        linux.mount("tmpfs", "/proc", "tmpfs", flags | linux.MS_NOEXEC | linux.MS_RDONLY, "size=4k,mode=0555")
    socket.sethostname("sandbox")
    os.chdir(DATA)
    set_rlimits(request["rlimits"])
    linux.drop_bounding_set()
    uid = request["uid"]
    with contextlib.suppress(OSError):  # refused where the user namespace maps one id; nothing to drop then
        os.setgroups([])
    os.setresgid(uid, uid, uid)
    os.setresuid(uid, uid, uid)
    linux.drop_capabilities()
    linux.prctl(linux.PR_SET_NO_NEW_PRIVS, 1)
    linux.prctl(linux.PR_SET_DUMPABLE, 0)
    if config["landlock"]:
        writable = [DATA, "/tmp", "/dev/shm"]
        linux.restrict_paths(config["landlock"], ["/"], writable, ["/dev/null", "/dev/zero", "/dev/full"])
    if config["seccomp"]:
        linux.install_seccomp(config["seccomp"])
        report["seccomp"] = True
    return report


def set_rlimits(limits):
    for name, value in limits.items():
        resource.setrlimit(getattr(resource, "RLIMIT_" + name), (value, value))


def start_afresh(config):
    """Replace every piece of state that a fork would make two sessions share."""
    for number in range(1, signal.NSIG):
        with contextlib.suppress(OSError, ValueError):
            if signal.getsignal(number) not in (signal.SIG_DFL, None):
                signal.signal(number, signal.SIG_DFL)
    signal.signal(signal.SIGPIPE, signal.SIG_IGN)  # what a Python program starts with
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    signal.pthread_sigmask(signal.SIG_SETMASK, ())
    random.seed()
    if ssl := sys.modules.get("ssl"):
        ssl.RAND_add(os.urandom(48), 48.0)
    if numpy := sys.modules.get("numpy"):
        numpy.random.seed()
    if tempfile := sys.modules.get("tempfile"):
        tempfile._name_sequence = tempfile.tempdir = None
    if uuid := sys.modules.get("uuid"):
        uuid._node = random.getrandbits(48) | 1 << 40  # the multicast bit marks a random node
        uuid._last_timestamp = None
    os.environ.update(HOME="/tmp", USER="sandbox", LOGNAME="sandbox", PWD=DATA, TMPDIR="/tmp")
    if config["fonts"]:
        os.mkdir("/tmp/.matplotlib")
        with open(f"/tmp/.matplotlib/{config['fonts'][0]}", "wb") as f:
            f.write(config["fonts"][1])
    sys.argv[:] = [""]
    sys.path.insert(0, "")
    gc.enable()
    gc.set_threshold(10000, 50, 50)


if __name__ == "__main__":
    sys.dont_write_bytecode = True
    main()
