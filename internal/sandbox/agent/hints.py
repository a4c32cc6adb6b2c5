"""One line behind a traceback that says what the sandbox has to do with it."""

import contextlib
import errno
import os
import re
import resource
import shlex
import typing

from . import kernel
from .tracebacks import AGENT

WRITABLE = ("/mnt/data", "/tmp", "/dev/shm")
SPAWNING = frozenset(("fork", "forkpty", "_fork_exec", "fork_exec", "posix_spawn", "_posixsubprocess"))

NO_NETWORK = "This sandbox has no network: work with the files in /mnt/data and the packages that are here."
NO_INSTALL = "There is no network in this sandbox, so nothing can be installed. Use the packages that are here."
WRITE_HERE = "Only /mnt/data and /tmp can be written to. Save files in /mnt/data."
FILES_HERE = "The files of this session are in /mnt/data."
TOO_MANY = "A session may have only so many processes and threads: wait for those that run, or use fewer."
NO_INPUT = "Nobody can type an answer here: put the value into the code."
NO_MEMORY = "The memory of a session is limited: work on the data in parts."
NO_BROWSER = "Pictures of plotly figures need a browser, which is not here: use matplotlib, or write_html for an interactive page."

INSTALL = re.compile(r"(?:\S*/)?(?:python[0-9.]*\s+-m\s+)?(?:pip[0-9.]*|conda|mamba|uv\s+pip)\s+install\b")
NEEDS_NETWORK = re.compile(r"(?:sudo\s+)?(?:curl|wget|apt|apt-get|git\s+(?:clone|fetch|pull)|npm|ping|ssh|nslookup|dig)\b")


def behind(error):
    """Return the hint for an exception as a line, or ""."""
    for link in chain(error):
        with contextlib.suppress(Exception):  # an exception's attributes may be anything
            if text := about(link):
                return f"\nHint: {text}\n"
    return ""


def chain(error):
    """Return an exception and those that led to it, a bounded number."""
    seen = []
    while isinstance(error, BaseException) and not any(error is one for one in seen) and len(seen) < 16:
        seen.append(error)
        error = error.__cause__ or error.__context__
    return seen


def about(error):
    """Return what to know about an exception, or None."""
    if isinstance(error, OSError):
        return about_system(error)
    text = str(error)
    if isinstance(error, ModuleNotFoundError) and error.name and "." not in error.name:
        if can_install():
            return f"The package {error.name} is not in this session. Perhaps `%pip install` can get it, under its own name."
        return f"The package {error.name} is not in this sandbox, and there is no network to install it from."
    if isinstance(error, EOFError) and (text == "EOF when reading a line" or raised_in(error) == "getpass.py"):
        return NO_INPUT
    if isinstance(error, RuntimeError) and "can't start new thread" in text:
        return TOO_MANY
    if isinstance(error, (RuntimeError, ValueError)) and "aleido" in text:
        return NO_BROWSER
    if isinstance(error, MemoryError):
        return NO_MEMORY
    return None


def can_install():
    return kernel.display.channel is not None and kernel.display.channel.can_install


def about_system(error):
    place = os.path.abspath(error.filename) if isinstance(error.filename, str) else ""
    outside = bool(place) and not any(place == top or place.startswith(f"{top}/") for top in WRITABLE)
    match error.errno:
        case errno.EROFS:
            return WRITE_HERE
        case errno.EACCES | errno.EPERM if outside:
            return WRITE_HERE
        case errno.ENOENT if outside and isinstance(error.filename, str) and error.filename.startswith("/"):
            return FILES_HERE
        case errno.ENOSPC | errno.EDQUOT:
            return f"There is no room left: {sizes()}. Delete files that are not needed any more."
        case errno.EFBIG:
            return f"One file may have {resource.getrlimit(resource.RLIMIT_FSIZE)[0] >> 20} MiB."
        case errno.EAGAIN if SPAWNING.intersection(raising_code(error).co_names):
            return TOO_MANY
        case errno.EPERM | errno.ENETUNREACH | errno.EAFNOSUPPORT if raised_in(error) == "socket.py":
            return NO_NETWORK
    if type(error).__name__ in ("gaierror", "herror", "URLError", "ConnectionError", "ConnectTimeout", "NameResolutionError"):
        return NO_NETWORK
    return None


def sizes():
    """Return how large the folders for files are."""
    found = []
    for folder in WRITABLE[:2]:
        with contextlib.suppress(OSError):
            stat = os.statvfs(folder)
            found.append(f"{folder} holds {stat.f_blocks * stat.f_frsize >> 20} MiB")
    return ", ".join(found)


def raising_code(error):
    """Return the code that an exception comes from: the last that is not of this package."""
    codes, trace = [], error.__traceback__
    while trace is not None:
        codes.append(trace.tb_frame.f_code)
        trace = trace.tb_next
    return next((code for code in reversed(codes) if not code.co_filename.startswith(AGENT)), codes[-1])


def raised_in(error):
    return os.path.basename(raising_code(error).co_filename)


class Installation(typing.NamedTuple):
    words: list  # behind `pip install`
    alone: bool  # the command does nothing else


def installation(command):
    """Return what a command is going to install, None if it is no such command."""
    if isinstance(command, (str, bytes)):
        return installation_of(os.fsdecode(command))
    words = [os.fsdecode(word) for word in command]
    if words[1:2] == ["-c"] and len(words) == 3 and os.path.basename(words[0]).endswith("sh"):
        return installation_of(words[2])
    if INSTALL.match(" ".join(words)):
        return Installation(words[words.index("install") + 1:], True)
    return None


def installation_of(text):
    found = INSTALL.match(text.strip())
    if not found:
        return None
    lexer = shlex.shlex(text.strip()[found.end():], posix=True, punctuation_chars=True)
    lexer.whitespace_split = True
    words = []
    with contextlib.suppress(ValueError):  # a quotation without an end
        for word in lexer:
            if word[0] in "();<>|&":
                if word[0] in "<>" and words and words[-1] in ("1", "2"):
                    words.pop()  # of a redirection
                return Installation(words, False)
            words.append(word)
    return Installation(words, True)


def about_failed(command):
    """Return what to know about a shell command that failed, or None."""
    return NO_NETWORK if NEEDS_NETWORK.match(command.strip()) else None
