"""Children that have ended and that this process has not begun. The first process of a
session inherits all whose parent is gone, such as what a shell left in the background.
They count as processes until they are collected."""

import _posixsubprocess
import contextlib
import functools
import os
import subprocess
import threading

KEPT = 8  # that stay: a library may have begun them in a way that is not noted
PEEK = os.WEXITED | os.WNOHANG | os.WNOWAIT
BEGINNINGS = ((os, "fork"), (os, "forkpty"), (os, "posix_spawn"), (os, "posix_spawnp"),
              (_posixsubprocess, "fork_exec"), (subprocess, "_fork_exec"))

own = set()  # children that code has begun: it may wait for them, now or in another cell
beginning = set()  # threads that are about to begin one


def note_children():
    """Note each child that code begins, from now on."""
    for module, name in BEGINNINGS:
        if begin := getattr(module, name, None):
            setattr(module, name, noted(begin))


def noted(begin):
    @functools.wraps(begin)
    def begin_and_note(*args, **kwargs):
        thread = threading.get_ident()
        beginning.add(thread)
        try:
            begun = begin(*args, **kwargs)
            own.add(begun[0] if isinstance(begun, tuple) else begun)
            return begun
        finally:
            beginning.discard(thread)
    return begin_and_note


def collect():
    """Collect what has ended and is not this process's own, once there is much. Main thread only."""
    with contextlib.suppress(ChildProcessError):  # without any child, as mostly
        if os.waitid(os.P_ALL, 0, PEEK) is None:
            return
        known, there = set(own), children()
        found = ended(there)
        if beginning - {threading.get_ident()}:
            return  # one of them may be a thread's that has not noted it yet
        own.difference_update(known.difference(there))
        if len(strays := found - own) > KEPT:
            for pid in strays:
                os.waitpid(pid, os.WNOHANG)


def ended(pids):
    """Return those that are children of this process and have ended."""
    found = set()
    for pid in pids:
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
        words = []
        with contextlib.suppress(OSError):
            words = os.listdir("/proc")
    return [int(word) for word in words if word.isdigit()]
