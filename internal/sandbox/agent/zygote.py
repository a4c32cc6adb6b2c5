"""The zygote: imports everything once, then forks one session per request.

It runs in the jail that stage0 built, as root of a user namespace without any
right outside it. It reads requests only from the server, never from a session,
and starts no thread: a fork copies the calling thread alone, so whatever a
second thread had locked would stay locked for ever.
"""

import base64
import contextlib
import os
import resource
import signal
import socket
import sys
import traceback

HOME = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, HOME)
from understudy_agent import frames, jail, kernel, linux, template  # noqa: E402


def prepare(config):
    """Become what sessions are forked from; return what the server reports."""
    shell, versions, fonts = template.prepare(config["imports"], HOME, shared=True)
    config["shell"], config["fonts"] = shell, fonts
    config["seccomp"] = base64.b64decode(config["seccomp"])
    config["landlock"] = linux.landlock_abi() if config["landlock"] else 0
    config["data"] = data_size()
    if not config["epoll"]:  # the filter denies it; a child interpreter finds that out by itself
        import selectors
        selectors.DefaultSelector = selectors.PollSelector
    threads = len(os.listdir("/proc/self/task"))
    if threads != 1:
        raise RuntimeError(f"the imported packages started {threads - 1} threads, so the zygote cannot fork")
    if config["collapse"]:
        linux.collapse_heap()
    return {"ready": True, "python": ".".join(map(str, sys.version_info[:3])), "packages": versions,
            "shell": shell.name, "landlock": config["landlock"]}


def data_size():
    """The bytes that RLIMIT_DATA already counts, which sessions have not taken."""
    with open("/proc/self/status", encoding="ascii") as status:
        return next(int(line.split()[1]) << 10 for line in status if line.startswith("VmData:"))


def run_session(config, request, fds, groups):
    """The life of the child. Nothing of the user runs before isolate returns."""
    channel = None
    try:
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        os.setsid()  # or kill(0) would reach the zygote and all sessions: a process group does not end at a namespace
        jail.join_groups(groups)
        jail.die_first()
        null = os.open("/dev/null", os.O_RDONLY)
        os.dup2(null, 0)
        os.dup2(fds[1], 1)
        os.dup2(fds[1], 2)
        if fds[0] != 3:
            os.dup2(fds[0], 3, inheritable=False)
        linux.close_from(4)
        channel = frames.Channel(socket.socket(fileno=3))
        report = isolate(config, request)
        template.start_afresh()
        template.write_font_cache(config["fonts"])
        shell = config["shell"]
        config.clear()
        kernel.serve(channel, shell, report)
        os._exit(0)
    except BaseException:
        with contextlib.suppress(BaseException):
            channel.send(frames.FATAL, 0, {"text": traceback.format_exc()})
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
    jail.mount_data(request["volume"], template.DATA)
    try:
        if not config["proc"]:
            raise PermissionError
        linux.mount("proc", "/proc", "proc", flags | linux.MS_NOEXEC | linux.MS_RDONLY, "hidepid=invisible,subset=pid")
        report["proc"] = "subset"
    except OSError:  # refused inside some containers; then nothing, rather than the one in view
        linux.mount("tmpfs", "/proc", "tmpfs", flags | linux.MS_NOEXEC | linux.MS_RDONLY, "size=4k,mode=0555")
    socket.sethostname("sandbox")
    os.chdir(template.DATA)
    limits = request["rlimits"]
    if "DATA" in limits:
        limits["DATA"] += config["data"]
    for name, value in limits.items():
        resource.setrlimit(getattr(resource, "RLIMIT_" + name), (value, value))
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
        writable = [template.DATA, "/tmp", "/dev/shm"]
        linux.restrict_paths(config["landlock"], ["/"], writable, ["/dev/null", "/dev/zero", "/dev/full"])
    if config["seccomp"]:
        linux.install_seccomp(config["seccomp"])
        report["seccomp"] = True
    return report


if __name__ == "__main__":
    sys.dont_write_bytecode = True
    jail.main(prepare, run_session)
