"""The frames of a session: what its code, the server and the sandbox's processes tell
one another over a socket.

A frame is a header (length of all that follows, type, cell, length of the JSON
part; little endian), the JSON part, and raw bytes.
"""

import contextlib
import json
import select
import struct
import sys
import threading

HEADER = struct.Struct("<IBII")
READY, STDOUT, STDERR, RESULT, IMAGE, ERROR, DONE, FATAL, SYNC, INSTALL, STOP = range(1, 12)
EXEC, ACK, HELLO, WHEEL, INSTALLED = range(64, 69)


class Channel:
    """The socket to the server. send may be called from any thread; a message that is
    a str is JSON text already."""

    def __init__(self, sock):
        self._sock = sock
        self._lock = threading.Lock()
        self._main = threading.main_thread()
        self.busy = 0  # how deep the main thread is in what must not be cut short: interrupts and handlers wait
        self.late = {}  # the handlers that wait, by signal
        self.running = False  # the code of a cell runs
        self._calling = False  # what was late
        self._interrupted = False
        self._active = False  # a cell runs: an interrupt is for it
        self.left = False  # this is a copy, in a child: the frames are the parent's
        self.forking = False  # nobody sees what the functions around a fork raise: an interrupt waits
        self.cell = 0
        self.spawns = 0  # processes that the main thread has begun
        self.can_install = False  # the server gets packages for sessions
        self._stale = frozenset()
        self._syncs = 0

    def send(self, kind, cell, message=None, blob=b""):
        text = message.encode() if isinstance(message, str) else json.dumps(message).encode() if message is not None else b""
        frame = HEADER.pack(HEADER.size - 4 + len(text) + len(blob), kind, cell, len(text)) + text + blob
        if threading.current_thread() is not self._main:
            with self._lock:
                self._sock.sendall(frame)
            return
        self.busy += 1
        try:
            with self._lock:
                self._sock.sendall(frame)
        finally:
            self.busy -= 1
            if not self.busy:
                self.resume()

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
        self.busy += 1
        try:
            self._post(SYNC, mark)
            while (frame := self.receive()) is not None and frame[:3:2] != (ACK, mark):
                pass
        finally:
            self.busy -= 1
            if not self.busy:
                self.resume()

    def install(self, arguments, take):
        """Ask the server for packages, and give each wheel to take(name, data). Return
        whether it had all of them, and what it said. Main thread only."""
        parts, stopped = [], False
        self.busy += 1  # an interrupt waits for the server's last word, which then comes at once
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
            self.busy -= 1
            if not self.busy:
                self.resume()

    def _post(self, kind, text=b""):
        with self._lock:
            self._sock.sendall(HEADER.pack(HEADER.size - 4 + len(text), kind, self.cell, len(text)) + text)

    def resume(self):
        """Make up for the interrupts and signals that came while the main thread was busy."""
        if self._interrupted:
            self._active = self._interrupted = False
            raise KeyboardInterrupt
        if self.late:
            self.call_late()

    def call_late(self):
        """Call the handlers of signals that came where they had to wait: each once, or one
        that is slower than its signal would leave the code no time."""
        if self._calling:
            return
        self._calling = True
        try:
            for signum in [s for s, handler in self.late.items() if not handler.at_work]:
                if handler := self.late.pop(signum, None):
                    handler(signum, sys._getframe(1))
        finally:
            self._calling = False

    def current(self):
        """The cell that what the calling thread prints belongs to: 0 for a thread
        that an earlier cell left behind."""
        if self._stale and threading.current_thread() in self._stale:
            return 0
        return self.cell

    def begin(self, cell):
        self.cell = cell
        self.busy = 0  # whatever an earlier cell broke
        self._interrupted = self._calling = False
        self._active = self.running = True

    def end(self):
        self._active = self._interrupted = self.running = False
        self.late.clear()

    def leave(self):
        """In a forked child: leave the frames to the parent, and signals to the code."""
        self.left = self.running = True
        self.busy = 0
        self.late.clear()
        with contextlib.suppress(OSError):
            self._sock.close()

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
        self._active, self._interrupted = False, self.busy > 0
        if not self.busy:
            raise KeyboardInterrupt

    def lost(self, unraisable):
        """Handle what nobody can catch, such as an exception in __del__: an interrupt that
        went that way does not count."""
        if unraisable.exc_type is KeyboardInterrupt and self.running:
            self._active = True
        else:
            sys.__unraisablehook__(unraisable)
