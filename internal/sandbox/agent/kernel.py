"""The Python side of one session: frames, streams, figures and the cell loop.

A frame is a header (length of all that follows, type, cell, length of the JSON
part; little endian), the JSON part, and raw bytes.
"""

import contextlib
import ctypes
import functools
import gc
import io
import json
import os
import select
import signal
import socket
import struct
import sys
import threading
import time

from . import hints, packages, values, zombies

HEADER = struct.Struct("<IBII")
READY, STDOUT, STDERR, RESULT, IMAGE, ERROR, DONE, FATAL, SYNC, INSTALL, STOP = range(1, 12)
EXEC, ACK, HELLO, WHEEL, INSTALLED = range(64, 69)

REPR_LIMIT = 64 << 10
TRACEBACK_LIMIT = 64 << 10
IMAGE_LIMIT = 10 << 20
SPAWNS = frozenset(("subprocess.Popen", "os.system", "os.fork", "os.forkpty", "os.posix_spawn", "os.exec"))
IMAGE_TYPES = ("image/png", "image/jpeg", "image/gif", "image/webp")
TEXT_TYPES = ("text/markdown", "text/plain")

give_back = getattr(ctypes.CDLL(None), "malloc_trim", None)  # memory to the kernel; not every C library can


class Channel:
    """The socket to the server. send may be called from any thread; a message that is
    a str is JSON text already."""

    def __init__(self, sock):
        self._sock = sock
        self._lock = threading.Lock()
        self._main = threading.main_thread()
        self._sending = False  # the main thread is inside send: an interrupt waits
        self._interrupted = False
        self._active = False  # a cell runs: an interrupt is for it
        self.forking = False  # nobody sees what the functions around a fork raise: an interrupt waits
        self.cell = 0
        self.spawns = 0  # processes that the main thread has begun
        self.can_install = False  # the server gets packages for sessions
        self._stale = frozenset()
        self._syncs = 0

    def send(self, kind, cell, message=None, blob=b""):
        text = message.encode() if isinstance(message, str) else json.dumps(message).encode() if message is not None else b""
        frame = HEADER.pack(HEADER.size - 4 + len(text) + len(blob), kind, cell, len(text)) + text + blob
        main = threading.current_thread() is self._main
        if main:
            self._sending = True
        try:
            with self._lock:
                self._sock.sendall(frame)
        finally:
            if main:
                self._resume()

    def receive(self):
        """Return (kind, cell, message, blob) of the next frame; None at the end."""
        header = self._read(HEADER.size)
        if header is None:
            return None
        total, kind, cell, length = HEADER.unpack(header)
        body = self._read(total - HEADER.size + 4)
        return kind, cell, body[:length], body[length:]

    def _read(self, count):
        parts = []
        while count > 0:
            part = self._sock.recv(min(count, 1 << 20))
            if not part:
                return None
            parts.append(part)
            count -= len(part)
        return b"".join(parts)

    def settle(self):
        """Wait until the server has taken what was sent: what a child process is about
        to write takes another way, and must not overtake it. Main thread only."""
        self._syncs += 1
        mark = str(self._syncs).encode()
        self._sending = True  # an interrupt waits for the answer
        try:
            self._post(SYNC, mark)
            while (frame := self.receive()) is not None and frame[:3:2] != (ACK, mark):
                pass
        finally:
            self._resume()

    def install(self, arguments, take):
        """Ask the server for packages, and give each wheel to take(name, data). Return
        whether it had all of them, and what it said. Main thread only."""
        parts, stopped = [], False
        self._sending = True  # an interrupt waits for the server's last word, which then comes at once
        try:
            self._post(INSTALL, json.dumps({"arguments": arguments}).encode())
            while True:
                if self._interrupted and not stopped:
                    stopped = True
                    self._post(STOP)
                if not select.select([self._sock], [], [], 0.05)[0]:
                    continue
                frame = self.receive()
                if frame is None:
                    return False, "The server is gone."
                kind, cell, message, data = frame
                if cell != self.cell:
                    continue
                if kind == INSTALLED:
                    last = json.loads(message)
                    return last["ok"], last["text"]
                if kind == WHEEL and not stopped:
                    wheel = json.loads(message)
                    parts.append(data)
                    if wheel["left"] == 0:
                        data, parts = b"".join(parts), []
                        take(wheel["name"], data)
        finally:
            self._resume()

    def _post(self, kind, text=b""):
        with self._lock:
            self._sock.sendall(HEADER.pack(HEADER.size - 4 + len(text), kind, self.cell, len(text)) + text)

    def _resume(self):
        """Let the main thread be interrupted again, also by what came meanwhile."""
        self._sending = False
        if self._interrupted:
            self._active = self._interrupted = False
            raise KeyboardInterrupt

    def current(self):
        """The cell that what the calling thread prints belongs to: 0 for a thread
        that an earlier cell left behind."""
        if self._stale and threading.current_thread() in self._stale:
            return 0
        return self.cell

    def begin(self, cell):
        self.cell = cell
        self._interrupted = False
        self._active = True

    def end(self):
        self._active = self._interrupted = False

    def retire(self):
        """Mark the threads that outlive their cell."""
        self.cell = 0
        self._stale = frozenset(t for t in threading.enumerate() if t is not self._main)

    def interrupt(self, signum, frame):
        """Handle SIGINT: once per cell, never between cells or inside a frame or a fork."""
        if not self._active:
            return
        if self.forking:
            self._interrupted = True  # for the next fork or frame; the server sends another one, too
            return
        self._active, self._interrupted = False, self._sending
        if not self._sending:
            raise KeyboardInterrupt


class Stream(io.TextIOBase):
    """sys.stdout or sys.stderr. Whole lines leave at once, so that nothing is lost
    when the session is killed; a line rewritten with carriage returns leaves when
    it is finished, in its last state."""

    encoding = "utf-8"
    errors = "replace"

    def __init__(self, channel, kind, fd):
        super().__init__()
        self._channel = channel
        self._kind = kind
        self._fd = fd
        self._pending = ""
        self._owner = 0
        self.at_start = True  # of a line
        self._lock = threading.RLock()  # reentrant: a signal handler may print within a print
        self.buffer = _Bytes(self)

    name = property(lambda self: "<stdout>" if self._kind == STDOUT else "<stderr>")
    mode = "w"

    def writable(self):
        return True

    def isatty(self):
        return False

    def fileno(self):
        return self._fd

    def write(self, text):
        if not isinstance(text, str):
            raise TypeError(f"write() argument must be str, not {type(text).__name__}")
        with self._lock:
            cell = self._channel.current()
            if cell != self._owner:
                self._emit()
                self._owner = cell
            pending = self._pending + text
            if "\r" in pending:
                pending = collapse(pending)
            if len(pending) > 8192 and "\r" not in pending[-8192:]:
                cut = len(pending)
            else:
                cut = pending.rfind("\n") + 1
            self._pending = pending[cut:]
            if cut:
                self._send(pending[:cut])
        return len(text)

    def flush(self):
        with self._lock:
            if "\r" not in self._pending:
                self._emit()

    def finish(self):
        """Send a line that has no end yet."""
        with self._lock:
            self._emit()

    def close(self):
        """A session has no second stdout, so this one stays open."""
        self.finish()

    def _emit(self):
        if self._pending:
            text, self._pending = self._pending, ""
            self._send(text.replace("\r", ""))

    def _send(self, text):
        self.at_start = text.endswith("\n")
        for start in range(0, len(text), 1 << 20):
            self._channel.send(self._kind, self._owner, None,
                               text[start:start + (1 << 20)].encode("utf-8", "replace"))


class _Bytes(io.RawIOBase):
    """The .buffer of a stream."""

    def __init__(self, stream):
        super().__init__()
        self._stream = stream

    def writable(self):
        return True

    def fileno(self):
        return self._stream.fileno()

    def write(self, data):
        data = bytes(data)
        self._stream.write(data.decode("utf-8", "replace"))
        return len(data)

    def flush(self):
        self._stream.flush()


def collapse(text):
    """Drop from each line what a carriage return overwrites, as a terminal shows it.
    A carriage return at the very end stays: what follows decides."""
    lines = text.replace("\r\n", "\n").split("\n")
    for i, line in enumerate(lines):
        if "\r" in line:
            end = "\r" if i == len(lines) - 1 and line.endswith("\r") else ""
            shown = line.rstrip("\r").rpartition("\r")[2]
            lines[i] = ("\r" if i == len(lines) - 1 and not end else "") + shown + end
    return "\n".join(lines)


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
        if stream is None or getattr(stream, "closed", False):
            setattr(sys, name, Stream(channel, kind, 1 if kind == STDOUT else 2))
        elif isinstance(stream, Stream):
            stream.finish()
            stream.at_start = True
        else:
            with contextlib.suppress(Exception):
                stream.flush()
    if getattr(sys.stdin, "closed", True):
        sys.stdin = _null_input()


def before_spawn(channel, event, args):
    """Let what was printed so far arrive before anything a child process writes, and
    say what will not work."""
    if threading.current_thread() is not threading.main_thread() or channel.cell == 0 or display.channel is None:
        return
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


def _null_input():
    return io.TextIOWrapper(io.FileIO(0, closefd=False), encoding="utf-8")


def _leave(channel):
    """In a forked child: print to the pipe, leave the frames to the parent."""
    sys.stdout = sys.__stdout__ = io.TextIOWrapper(io.FileIO(1, "w", closefd=False), "utf-8", "replace",
                                                   line_buffering=True)
    sys.stderr = sys.__stderr__ = io.TextIOWrapper(io.FileIO(2, "w", closefd=False), "utf-8", "replace",
                                                   line_buffering=True)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    display.channel = None
    with contextlib.suppress(OSError):
        channel._sock.close()


def run(channel, shell, cell, code):
    """Run one cell and report it done, whatever the cell does."""
    began = time.process_time()
    status = "error"
    try:
        values.begin()
        channel.begin(cell)
        signal.signal(signal.SIGINT, channel.interrupt)  # an earlier cell may have changed it
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
    display.channel = channel
    settle_streams(channel)
    channel.retire()
    with contextlib.suppress(Exception):
        zombies.collect()
    spent = time.process_time() - began
    channel.send(DONE, cell, {"status": status, "cpu": spent})
    if spent > 0.02 and give_back:
        give_back(0)  # the session may be idle for long
