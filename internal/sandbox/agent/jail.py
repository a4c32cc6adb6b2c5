"""What every second stage does in the jail that the first stage built: take requests
from the server, keep the volumes, and fork the first process of a session."""

import contextlib
import json
import os
import socket
import traceback

from . import linux

CTL = 3
VOLUMES = "/run/volumes"
VOLUME_FLAGS = linux.MS_NOSUID | linux.MS_NODEV


def main(prepare, start):
    """Serve until the server closes the control socket. prepare(config) returns what
    the server is told at first; start(config, request, fds, groups) is the life of a
    session's first process, and does not return."""
    ctl = socket.socket(fileno=CTL)
    try:
        config = json.loads(ctl.recv(1 << 20))
        ready = prepare(config) | {"userns": has_user_namespace()}
    except BaseException:
        send(ctl, {"error": traceback.format_exc()})
        os._exit(1)
    pidns = os.open("/proc/self/ns/pid", os.O_RDONLY | os.O_CLOEXEC)
    send(ctl, ready | {"memory": own_memory()})
    operations = {"volume": make_volume, "resize": resize_volume, "drop": drop_volume, "reap": reap,
                  "start": lambda request, fds: fork(pidns, request, fds, lambda groups: start(config, request, fds[:request["streams"]], groups))}
    while True:
        data, fds, _, _ = socket.recv_fds(ctl, 1 << 16, 32)
        if not data:
            os._exit(0)
        request = json.loads(data)
        try:
            reply, passed = operations[request["op"]](request, fds)
        except Exception:
            reply, passed = {"error": traceback.format_exc(limit=4)}, ()
        finally:
            for fd in fds:
                os.close(fd)
        send(ctl, reply, passed)
        for fd in passed:
            os.close(fd)


def has_user_namespace():
    """Say whether this is another user namespace than the host's first, which maps every id to itself."""
    with open("/proc/self/uid_map", encoding="ascii") as f:
        return f.read().split() != ["0", "0", "4294967295"]


def send(ctl, message, fds=()):
    socket.send_fds(ctl, [json.dumps(message).encode()], list(fds))


def make_volume(request, fds):
    """Mount a size-limited tmpfs for the files of one session, and hand out its folder."""
    path = f"{VOLUMES}/{request['volume']:d}"
    os.mkdir(path)
    linux.mount("data", path, "tmpfs", VOLUME_FLAGS,
                f"mode=0700,uid={request['uid']:d},gid={request['uid']:d},size={request['size']:d},"
                f"nr_inodes={request['inodes']:d}")
    return {}, [os.open(path, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)]


def resize_volume(request, fds):
    """Give a volume another size. The kernel refuses one below what the files take. A
    remount drops the flags of this mount that it does not name, and keeps the other
    options; it does not touch the mount that the session has of the same file system."""
    linux.mount(None, f"{VOLUMES}/{request['volume']:d}", None, linux.MS_REMOUNT | VOLUME_FLAGS, f"size={request['size']:d}")
    return {}, ()


def drop_volume(request, fds):
    path = f"{VOLUMES}/{request['volume']:d}"
    linux.umount(path)
    os.rmdir(path)
    return {}, ()


def reap(request, fds):
    """Collect a dead session."""
    if os.waitpid(request["pid"], os.WNOHANG)[0] == 0:
        raise ChildProcessError(f"process {request['pid']} still runs")
    return {}, ()


def fork(pidns, request, fds, child):
    """Fork the first process of a session: PID 1 of a new PID namespace. child gets the
    control groups that it has still to join."""
    into = None
    if request["into"]:  # the folder of a version 2 group comes last
        *fds, into = fds
        try:
            pid = linux.fork_into(into, linux.CLONE_NEWPID)
        except OSError:  # refused inside some containers
            into = None
    if into is None:
        linux.setns(pidns, linux.CLONE_NEWPID)  # else the second unshare is refused
        linux.unshare(linux.CLONE_NEWPID)
        pid = os.fork()
    if pid == 0:
        try:
            child(fds[request["streams"]:] if into is None else ())
        except BaseException:
            traceback.print_exc()  # the server's log
        finally:
            os._exit(1)  # it must not come to serve beside its parent
    return {"pid": pid, "into": into is not None, "memory": own_memory()}, [os.pidfd_open(pid)]


def own_memory():
    """The bytes of this process that no file backs: the server replaces one that grows."""
    with open("/proc/self/statm", encoding="ascii") as f:
        _, resident, shared, *_ = map(int, f.read().split())
    return (resident - shared) * os.sysconf("SC_PAGESIZE")


def join_groups(groups):
    """Join the control groups of a session first of all, so that all memory from here
    is charged to it."""
    for fd in groups:
        os.write(fd, b"0")


def die_first():
    """Be chosen before the server where the host, and not a control group, runs out of memory."""
    with contextlib.suppress(OSError):  # no procfs of this namespace
        with open("/proc/self/oom_score_adj", "w", encoding="utf-8") as f:
            f.write("1000")


def mount_data(volume, target):
    """Show a volume at target, and the others nowhere. The caller has a mount
    namespace of its own."""
    linux.mount(f"{VOLUMES}/{volume:d}", target, None, linux.MS_BIND)
    linux.umount(VOLUMES)
