"""Children that have ended and that nobody waits for. The first process of a session
inherits all whose parent is gone, such as what a shell left in the background, and
code forgets children of its own. They count as processes until they are collected."""

import contextlib
import gc
import os
import sys

KEPT = 8  # that stay: code may still ask how a child of its own ended
PEEK = os.WEXITED | os.WNOHANG | os.WNOWAIT


def collect():
    """Collect them once there are many, but for those that an object waits for."""
    with contextlib.suppress(ChildProcessError):  # without any child, as mostly
        if os.waitid(os.P_ALL, 0, PEEK) is None:
            return
        found = ended()
        if len(found) > KEPT:
            for pid in found - awaited():
                os.waitpid(pid, os.WNOHANG)


def ended():
    """Return the ids of the children of this process that have ended."""
    found = set()
    for pid in children():
        with contextlib.suppress(ChildProcessError):
            if os.waitid(os.P_PID, pid, PEEK) is not None:
                found.add(pid)
    return found


def children():
    """Return the ids of the children of this process, among others, as far as /proc is there.
    Its folders do not have them all: a copy of a process that hides itself is hidden."""
    try:
        words = []
        for task in os.listdir("/proc/self/task"):
            with open(f"/proc/self/task/{task}/children", encoding="ascii") as f:
                words += f.read().split()
    except OSError:  # no such file, or not the whole of /proc
        with contextlib.suppress(OSError):
            words = os.listdir("/proc")
    return [int(word) for word in words if word.isdigit()]


def awaited():
    """Return the ids of children that an object of subprocess or multiprocessing stands for."""
    types = tuple(sys.modules[name].Popen for name in ("subprocess", "multiprocessing.popen_fork") if name in sys.modules)
    return {o.pid for o in gc.get_objects() if issubclass(type(o), types) and hasattr(o, "pid")}
