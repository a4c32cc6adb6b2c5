"""A session inside gVisor. It is prepared once, up to the checkpoint, and goes on
from there in every copy that is restored."""

import base64
import contextlib
import os
import resource
import socket
import sys
import traceback

HOME = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, HOME)
from understudy_agent import frames, kernel, linux, template  # noqa: E402


def main():
    channel = take_channel()
    try:
        config = receive(channel)
        shell, versions = template.prepare(config["imports"], HOME, shared=False)[:2]
        linux.close_from(4)
        linux.prctl(linux.PR_SET_DUMPABLE, 0)
        if config["seccomp"]:
            linux.install_seccomp(base64.b64decode(config["seccomp"]))
        del config
        channel.send(frames.READY, 0, {"ready": True, "python": ".".join(map(str, sys.version_info[:3])),
                                       "packages": versions, "shell": shell.name})
        for name, value in receive(channel)["rlimits"].items():  # the checkpoint is taken here; what arrives is for the copy
            resource.setrlimit(getattr(resource, "RLIMIT_" + name), (value, value))
        template.start_afresh()
        enter_data()
        report = {"landlock": 0, "seccomp": linux.has_seccomp(), "proc": "gvisor"}
        kernel.serve(channel, shell, report)
        os._exit(0)
    except BaseException:
        with contextlib.suppress(BaseException):
            channel.send(frames.FATAL, 0, {"text": traceback.format_exc()})
        os._exit(1)


def take_channel():
    """Move the socket from stdin to where sessions have it."""
    os.dup2(0, 3, inheritable=False)
    os.set_blocking(2, True)  # gVisor made the pipe non-blocking when it took it as descriptor 1, and shows that at 2
    null = os.open("/dev/null", os.O_RDONLY)
    os.dup2(null, 0)
    linux.close_from(4)
    return frames.Channel(socket.socket(fileno=3))


def enter_data():
    """Make /mnt/data the working folder, also if code has closed it to itself: a session
    that could not start would pass for a fault of the checkpoint."""
    try:
        os.chdir(template.DATA)
    except PermissionError:
        os.chmod(template.DATA, 0o700)
        os.chdir(template.DATA)


def receive(channel):
    import json

    frame = channel.receive()
    if frame is None:
        os._exit(0)
    return json.loads(frame[2])


if __name__ == "__main__":
    sys.dont_write_bytecode = True
    main()
