"""The signal handlers that code sets. Python calls them between any two steps of the main
thread: also where what they raise would tear a frame, or has nobody to catch it."""

import functools
import signal


class Handler:
    """Calls a handler of the user's. While a frame is under way, or the same handler at
    work, the call waits. Between two cells what it raises is lost, as what it prints is."""

    def __init__(self, channel, call):
        self._channel = channel
        self.call = call
        self.at_work = False

    def __call__(self, signum, frame):
        if self._channel.busy or self.at_work:
            self._channel.late[signum] = self
            return
        self.at_work = True
        try:
            self.call(signum, frame)
        except BaseException:
            self._channel.late.pop(signum, None)  # it is over with what the handler ended
            if self._channel.running:
                raise
        finally:
            self.at_work = False
        self._channel.call_late()


def install(channel):
    """Have signal.signal set handlers that suit the channel. No caller sees that they do."""
    set_handler, get_handler = signal.signal, signal.getsignal

    @functools.wraps(set_handler)
    def set_suitable(signalnum, handler):
        if callable(handler) and handler != channel.interrupt:
            handler = Handler(channel, handler)
        return plain(set_handler(signalnum, handler))

    signal.signal = set_suitable
    signal.getsignal = functools.wraps(get_handler)(lambda signalnum: plain(get_handler(signalnum)))


def plain(handler):
    return handler.call if isinstance(handler, Handler) else handler
