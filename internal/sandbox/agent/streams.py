"""sys.stdout and sys.stderr of a session."""

import io
import threading

from .frames import STDOUT


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

    def leave(self):
        """In a forked child: have a lock that no thread of the parent holds, and none of its text."""
        self._lock, self._pending = threading.RLock(), ""

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
        if self._channel.left:  # whoever holds this stream did so before the fork
            with io.FileIO(self._fd, "w", closefd=False) as file, io.BufferedWriter(file) as pipe:
                pipe.write(text.encode("utf-8", "replace"))
            return
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
