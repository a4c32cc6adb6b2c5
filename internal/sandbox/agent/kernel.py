"""The Python side of one session: what its cells show, and the loop that runs them."""

import contextlib
import ctypes
import functools
import gc
import io
import json
import os
import signal
import socket
import sys
import threading
import time

from . import hints, packages, signals, values, zombies
from .frames import DONE, ERROR, EXEC, IMAGE, READY, RESULT, STDERR, STDOUT
from .streams import Stream

REPR_LIMIT = 64 << 10
TRACEBACK_LIMIT = 64 << 10
IMAGE_LIMIT = 10 << 20
SPAWNS = frozenset(("subprocess.Popen", "os.system", "os.fork", "os.forkpty", "os.posix_spawn", "os.exec"))
IMAGE_TYPES = ("image/png", "image/jpeg", "image/gif", "image/webp")
TEXT_TYPES = ("text/markdown", "text/plain")

give_back = getattr(ctypes.CDLL(None), "malloc_trim", None)  # memory to the kernel; not every C library can


class Display:
    """Where a cell's rich output goes: the figures and values of the shells."""

    def __init__(self):
        self.channel = None

    def image(self, kind, data, meaning=None):
        """Send an image; meaning is what it shows as data, JSON text."""
        if self.channel is None:
            return
        if len(data) > IMAGE_LIMIT:
            self.text(f"[image of {len(data)} bytes left out: the limit is {IMAGE_LIMIT}]\n")
            return
        self._settle()
        self.channel.send(IMAGE, self.channel.current(), f'{{"mime": "{kind}", "data": {meaning or "null"}}}', data)

    def text(self, text, meaning=None):
        """Send text; meaning is what it says as data, JSON text."""
        if len(text) > REPR_LIMIT:
            text = text[:REPR_LIMIT] + f"\n[... {len(text) - REPR_LIMIT} characters left out]\n"
        if self.channel is None:
            return
        self._settle()
        message = f'{{"data": {meaning}}}' if meaning else None
        self.channel.send(RESULT, self.channel.current(), message, text.encode("utf-8", "replace"))

    def traceback(self, text):
        if len(text) > TRACEBACK_LIMIT:
            half = TRACEBACK_LIMIT // 2
            text = f"{text[:half]}\n[... {len(text) - 2 * half} characters left out]\n{text[-half:]}"
        if self.channel is None:
            return
        self._settle()
        self.channel.send(ERROR, self.channel.current(), None, (text.rstrip("\n") + "\n").encode("utf-8", "replace"))

    def bundle(self, data):
        """Send the best form of a MIME bundle: an image, else text."""
        for kind in IMAGE_TYPES:
            if kind in data and self.channel is not None:
                value = data[kind]
                if isinstance(value, str):
                    import base64
                    value = base64.b64decode(value)
                self.image(kind, value)
                return
        for kind in TEXT_TYPES:
            if kind in data:
                self.text(str(data[kind]) + "\n")
                return

    def _settle(self):
        """Let the text before go out first, and end its line."""
        for stream in (sys.stdout, sys.stderr):
            if isinstance(stream, Stream):
                stream.finish()
                if not stream.at_start:
                    stream.write("\n")


display = Display()


def png(figure):
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", bbox_inches="tight")
    return buffer.getvalue()


def flush_figures():
    """Send every open figure of pyplot in the order of creation, and close it."""
    pyplot = sys.modules.get("matplotlib.pyplot")
    if pyplot is None:
        return
    numbers = pyplot.get_fignums()
    for number in numbers:
        figure = pyplot.figure(number)
        try:
            if figure.get_axes() or figure.texts or figure.images or figure.lines or figure.patches:
                values.figure(figure)
        finally:
            pyplot.close(figure)
    if numbers:
        del figure
        gc.collect(1)  # a figure is a heap of circles, some megabytes


def make_shell():
    """IPython's shell where it is installed, else a small one with the same output."""
    try:
        from . import ishell
    except ImportError:
        from . import minishell
        return minishell.Shell()
    return ishell.make()


WARM_UP = (
    "import sys\nprint('warm')\n[1, 2]",
    "raise ValueError('warm')",
    "import pandas as pd\npd.DataFrame({'a': [1, 2], 'b': ['x', 'y']}).describe()",
    "import numpy as np\n(np.arange(6.0).reshape(2, 3) @ np.ones((3, 1))).sum()",
    "import matplotlib.pyplot as plt\nplt.plot([1, 2], [3, 4], label='warm')\nplt.title('warm')\nplt.legend()",
)


def warm_up(shell):
    """Run what first cells run, so that lazily made state is shared by all sessions."""
    display.channel = Sink()
    for code in WARM_UP:
        with swapped_streams(Stream(display.channel, STDOUT, 1), Stream(display.channel, STDERR, 2)):
            shell.execute(code)
            flush_figures()
    display.channel = None
    shell.forget()


class Sink:
    """A channel to nowhere."""

    cell = 1
    left = False

    def send(self, kind, cell, message=None, blob=b""):
        json.dumps(message)

    def current(self):
        return 1


@contextlib.contextmanager
def swapped_streams(out, err):
    saved = sys.stdout, sys.stderr
    sys.stdout, sys.stderr = out, err
    try:
        yield
    finally:
        sys.stdout, sys.stderr = saved


def serve(channel, shell, report):
    """Run cells until the server closes the socket."""
    signal.signal(signal.SIGINT, channel.interrupt)
    signals.install(channel)
    zombies.note_children()
    sys.unraisablehook = channel.lost
    display.channel = channel
    out, err = Stream(channel, STDOUT, 1), Stream(channel, STDERR, 2)
    sys.stdout = sys.__stdout__ = out
    sys.stderr = sys.__stderr__ = err
    sys.stdin = sys.__stdin__ = _null_input()
    sys.modules["__main__"].__dict__.setdefault("__spec__", None)  # multiprocessing looks at it
    sys.addaudithook(lambda event, args: before_spawn(channel, event, args) if event in SPAWNS else None)
    during_fork = functools.partial(setattr, channel, "forking")  # no Python code, in which an interrupt could come
    os.register_at_fork(before=functools.partial(during_fork, True), after_in_parent=functools.partial(during_fork, False),
                        after_in_child=lambda: _leave(channel))
    channel.send(READY, 0, report | {"network": reaches_network()})
    while True:
        frame = channel.receive()
        if frame is None:
            return
        kind, cell, message, _ = frame
        if kind == EXEC:
            order = json.loads(message)
            if order["install"]:
                channel.can_install = True
                packages.enable()
            run(channel, shell, cell, order["code"])


def reaches_network():
    """Say whether there is a way to any other machine: connecting a datagram socket looks
    for one, and sends nothing."""
    for family, address in ((socket.AF_INET, "192.0.2.1"), (socket.AF_INET6, "2001:db8::1")):
        with contextlib.suppress(OSError), socket.socket(family, socket.SOCK_DGRAM) as s:
            s.connect((address, 9))
            return True
    return False


def settle_streams(channel):
    """Send what the cell printed last, and repair what it broke. A stream that the
    user put in place of ours stays: that is what Python does."""
    for name, kind in (("stdout", STDOUT), ("stderr", STDERR)):
        stream = getattr(sys, name, None)
        if unusable(stream):
            setattr(sys, name, Stream(channel, kind, 1 if kind == STDOUT else 2))
        elif isinstance(stream, Stream):
            stream.finish()
            stream.at_start = True
        else:
            with contextlib.suppress(Exception):
                stream.flush()
    if unusable(getattr(sys, "stdin", None)):
        sys.stdin = _null_input()


def unusable(stream):
    try:
        return stream is None or bool(getattr(stream, "closed", False))
    except Exception:  # it is detached
        return True


def before_spawn(channel, event, args):
    """Let what was printed so far arrive before anything a child process writes, and
    say what will not work."""
    if threading.current_thread() is not threading.main_thread() or channel.cell == 0 or display.channel is None:
        return
    depth = channel.busy
    channel.busy += 1  # here an exception of the user's would pass for one of ours
    try:
        with contextlib.suppress(Exception):
            for stream in (sys.stdout, sys.stderr):
                if isinstance(stream, Stream):
                    stream.flush()
        with contextlib.suppress(Exception):  # the command may be anything
            command = {"subprocess.Popen": args[1:2], "os.system": args[:1]}.get(event)
            if command and (asked := hints.installation(command[0])):
                ok, text = packages.install(asked.words)  # a pip that is started then finds it there
                if not ok:
                    display.text(f"{text}\n")
        with contextlib.suppress(Exception):
            channel.spawns += 1
            if channel.spawns % zombies.KEPT == 0:
                zombies.collect()
            channel.settle()
    finally:
        channel.busy = depth  # also if the user's recursion had no level left for ours
        if not depth:
            channel.resume()


def _null_input():
    return io.TextIOWrapper(io.FileIO(0, closefd=False), encoding="utf-8")


def _leave(channel):
    """In a forked child: print to the pipe, leave the frames to the parent."""
    for stream in (sys.stdout, sys.stderr, sys.__stdout__, sys.__stderr__):
        if isinstance(stream, Stream):
            stream.leave()
    sys.stdout = sys.__stdout__ = io.TextIOWrapper(io.FileIO(1, "w", closefd=False), "utf-8", "replace",
                                                   line_buffering=True)
    sys.stderr = sys.__stderr__ = io.TextIOWrapper(io.FileIO(2, "w", closefd=False), "utf-8", "replace",
                                                   line_buffering=True)
    channel.leave()
    signal.signal(signal.SIGINT, signal.default_int_handler)
    display.channel = None


def run(channel, shell, cell, code):
    """Run one cell and report it done, whatever the cell does."""
    began = time.process_time()
    status = "error"
    try:
        values.begin()
        signal.signal(signal.SIGINT, channel.interrupt)  # an earlier cell may have changed it, or blocked it
        signal.pthread_sigmask(signal.SIG_UNBLOCK, [signal.SIGINT])
        channel.begin(cell)
        try:
            status = shell.execute(code)
            flush_figures()
        finally:
            channel.end()
    except KeyboardInterrupt:
        status = "interrupted"
        shell.report_interrupt()
    except BaseException as error:
        status = "error"
        with contextlib.suppress(BaseException):
            display.traceback(f"{type(error).__name__}: {error}")
    channel.end()  # also if a handler raised where that was to be done
    display.channel = channel
    settle_streams(channel)
    channel.retire()
    with contextlib.suppress(Exception):
        zombies.collect()
    spent = time.process_time() - began
    channel.send(DONE, cell, f'{{"status": "{status}", "cpu": {spent}}}')
    if spent > 0.02 and give_back:
        give_back(0)  # the session may be idle for long
