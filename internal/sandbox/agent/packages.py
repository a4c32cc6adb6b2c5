"""Packages that a session installs: it has no network, so it asks the server for
wheels, and unpacks them into a folder of its own, which goes with its process."""

import contextlib
import importlib
import io
import os
import re
import shutil
import sys
import threading
import zipfile

from . import hints, kernel

FOLDER = "/tmp/.packages"
SEPARATORS = re.compile(r"[-_.]+")


def enable():
    """Let this process and its children find what is going to be installed, and let a
    child that is pip itself see that it is there, rather than look for a network."""
    if FOLDER in sys.path:
        return
    first = next((i for i, path in enumerate(sys.path) if path.endswith("packages")), len(sys.path))
    sys.path.insert(first, FOLDER)
    inherited = os.environ.get("PYTHONPATH")
    os.environ["PYTHONPATH"] = f"{FOLDER}:{inherited}" if inherited else FOLDER
    os.environ.update(PIP_NO_INDEX="1", PIP_BREAK_SYSTEM_PACKAGES="1", PIP_DISABLE_PIP_VERSION_CHECK="1", PIP_NO_INPUT="1")


def install(words):
    """Do what `pip install` with these words would. Return whether it worked, and what
    to say about it. An interrupt ends it."""
    if not hints.can_install():
        return False, hints.NO_INSTALL
    if threading.current_thread() is not threading.main_thread():
        return False, "ERROR: Packages can only be installed by the main thread."
    try:
        wanted = [word for argument in expand(words) if (word := argument.strip())]
    except (OSError, ValueError) as error:
        return False, f"ERROR: Could not read the file of requirements: {error}"
    wheels = Wheels()
    ok, text = kernel.display.channel.install(wanted, wheels.take)
    importlib.invalidate_caches()
    if not ok:
        return False, f"ERROR: {text}"
    if wheels.failure:
        return False, f"ERROR: Could not unpack {wheels.failure}"
    return True, text + wheels.report()


def expand(words):
    """Put the lines of requirement files in the place of -r and their names."""
    words, found = list(words), []
    while words:
        word = words.pop(0)
        if word in ("-r", "--requirement"):
            found += lines_of(words.pop(0) if words else "")
        elif word.startswith("--requirement="):
            found += lines_of(word.partition("=")[2])
        elif word.startswith("-r"):
            found += lines_of(word[2:])
        else:
            found.append(word)
    return found


def lines_of(name):
    with open(name, encoding="utf-8") as f:
        text = f.read(1 << 16)
    return [line.partition(" #")[0] for line in text.splitlines() if line.strip() and not line.lstrip().startswith("#")]


class Wheels:
    """Unpacks wheels as they come."""

    def __init__(self):
        self.done = []
        self.there = []
        self.failure = ""
        self.loaded = []

    def take(self, name, data):
        if self.failure:
            return
        try:
            project, version = name.split("-")[:2]
            old = installed(project)
            if old and old.lower() == f"{project}-{version}.dist-info".lower():
                self.there.append(project)
                return
            if old:
                remove(old)
            self.loaded += unpack(project, version, data)
            self.done.append(f"{project}-{version}")
        except OSError as error:
            self.failure = f"{name}: {error.strerror or error}; {hints.sizes()}"
        except Exception as error:  # a wheel may be anything
            self.failure = f"{name}: {error}"

    def report(self):
        lines = [f"Requirement already satisfied: {name}" for name in self.there]
        if self.done:
            lines.append(f"Successfully installed {' '.join(self.done)}")
        if self.loaded:
            lines.append(f"Note: {', '.join(sorted(set(self.loaded)))} was imported before: this session goes on with that version.")
        return "".join(f"{line}\n" for line in lines)


def installed(project):
    """Return the folder that describes an installed project, or None."""
    with contextlib.suppress(OSError):
        for entry in os.listdir(FOLDER):
            if entry.endswith(".dist-info") and normal(entry.partition("-")[0]) == normal(project):
                return entry
    return None


def normal(name):
    return SEPARATORS.sub("-", name).lower()


def remove(description):
    """Remove the files of an installed project."""
    with contextlib.suppress(OSError), open(f"{FOLDER}/{description}/RECORD", encoding="utf-8") as f:
        for line in f:
            path = inside(line.rsplit(",", 2)[0].strip('"'))
            with contextlib.suppress(OSError):
                os.remove(path)
    shutil.rmtree(f"{FOLDER}/{description}", ignore_errors=True)


def inside(path):
    path = os.path.normpath(f"{FOLDER}/{path}")
    if not path.startswith(f"{FOLDER}/"):
        raise ValueError(f"the path {path} is outside")
    return path


def unpack(project, version, data):
    """Unpack the modules of a wheel; return those of them that are imported already."""
    loaded = set()
    elsewhere = f"{project}-{version}.data/"
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        for item in archive.infolist():
            path = item.filename
            if path.startswith(elsewhere):
                kind, _, path = path[len(elsewhere):].partition("/")
                if kind not in ("purelib", "platlib"):
                    continue  # programs and shared files: no shell looks for them there
            if item.is_dir() or not path:
                continue
            target = inside(path)
            os.makedirs(os.path.dirname(target), exist_ok=True)
            with archive.open(item) as source, open(target, "wb") as f:
                shutil.copyfileobj(source, f, 1 << 20)
            if (module := path.partition("/")[0].removesuffix(".py")) in sys.modules:
                loaded.add(module)
    return loaded
