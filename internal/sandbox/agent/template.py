"""The process that sessions are copies of: what is made once for all of them, and
what each copy must replace."""

import contextlib
import ctypes
import gc
import importlib.util
import os
import random
import signal
import subprocess
import sys
import types

from . import kernel, values

DATA = "/mnt/data"
PACKAGES = "/opt/packages"
# Modules of the standard library that a first cell most often needs.
COMMON = ("base64 csv collections dataclasses datetime decimal fractions functools glob hashlib itertools json math "
          "operator os pathlib random re shutil statistics string subprocess tempfile textwrap time typing uuid zipfile "
          "asyncio ssl secrets sqlite3 urllib.parse urllib.request html xml.etree.ElementTree").split()


def prepare(imports, home, shared):
    """Import everything, run what first cells run, and settle the process and its heap. Return the shell,
    the versions of the packages, and the font list for child interpreters. home is the
    folder of the calling script, which sessions do not import from; shared says that the
    copies share memory until they change it."""
    gc.disable()
    free_children()
    find_packages(home)
    if shared and importlib.util.find_spec("pandas"):
        gather_arenas()
    prepare_charts()
    values.install()
    for name in COMMON:
        with contextlib.suppress(ImportError):
            __import__(name)
    versions = {}
    for name in imports:
        with contextlib.suppress(Exception):  # not installed, or broken: then the user sees why
            package = __import__(name)
            versions[package.__name__] = str(getattr(package, "__version__", ""))
    shell = kernel.make_shell()
    kernel.warm_up(shell)
    if ssl := sys.modules.get("ssl"):
        ssl.RAND_bytes(1)  # 4 MB of tables that each session would make for itself
    font_list = read_font_cache()
    if manager := sys.modules.get("matplotlib.font_manager"):
        with contextlib.suppress(AttributeError):  # it is not the same in every release
            manager._get_font.cache_clear()  # they keep files open, which a session does not inherit
    os.chdir("/")
    settle_process()
    settle_heap(shared)
    return shell, versions, font_list


PINNED = []  # an object in each arena that gather_arenas made


def gather_arenas(count=80, size=1 << 20):
    """Have Python make the arenas that the imports fill, one beside the other. Made by and by
    they lie between a hundred libraries, where no huge page fits, and a fork copies twice as
    many entries. Python gives back an arena without objects, so that each keeps some."""
    blocks = [None] * (count * size // 512)
    for i in range(len(blocks)):
        blocks[i] = bytes(479)  # with its header as much as Python takes from an arena at once
    PINNED.extend(blocks[::1000])


def find_packages(home):
    """Take packages from PACKAGES alone, where there are any, and nothing from home."""
    sys.path[:] = [p for p in sys.path if p != home]
    if os.path.isdir(PACKAGES):
        import site
        system = [p for p in sys.path if p.endswith(("dist-packages", "site-packages"))]
        sys.path[:] = [p for p in sys.path if p not in system]
        site.addsitedir(PACKAGES)
        os.environ["PYTHONPATH"] = PACKAGES


def free_children():
    """Let an interpreter that code starts with the flags of its own one find the packages:
    -I would keep PYTHONPATH from it."""
    flags = subprocess._args_from_interpreter_flags
    subprocess._args_from_interpreter_flags = lambda: [flag for flag in flags() if flag not in ("-I", "-S")]


def prepare_charts():
    """Have matplotlib, where it is installed, hand its figures to us and know our fonts."""
    os.environ["MPLCONFIGDIR"] = "/tmp/.matplotlib"
    with contextlib.suppress(ImportError):
        import matplotlib
        from . import figures, fonts
        with contextlib.suppress(AttributeError, TypeError):  # it uses what other releases may lack: charts work without
            fonts.install(PACKAGES)
        matplotlib.use(f"module://{figures.__name__}")


def settle_process():
    """Set what is the same for the code of all sessions: signals, environment, arguments."""
    for number in range(1, signal.NSIG):
        with contextlib.suppress(OSError, ValueError):
            if signal.getsignal(number) not in (signal.SIG_DFL, None):
                signal.signal(number, signal.SIG_DFL)
    signal.signal(signal.SIGPIPE, signal.SIG_IGN)  # what a Python program starts with
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    signal.pthread_sigmask(signal.SIG_SETMASK, ())
    os.environ.update(HOME="/tmp", USER="sandbox", LOGNAME="sandbox", PWD=DATA, TMPDIR="/tmp")
    sys.argv[:] = [""]


def settle_heap(shared):
    """Make what there is as little changed by the copies as can be, where they share it;
    else keep it small. Nothing that frees memory may come after this."""
    gc.collect()
    if shared and sys.version_info[:2] in IMMORTAL and getattr(sys, "_is_gil_enabled", lambda: True)():
        make_immortal()
    if kernel.give_back:
        kernel.give_back(0)
    if shared:
        fill_pools()
        fill_heap()
    gc.freeze()


def fill_pools(count=3000):
    """Use up the free blocks in the pools of Python's allocator: a session's first objects
    would lie scattered among those of the template, and copy a page each."""
    allocate = ctypes.pythonapi.PyObject_Malloc
    allocate.restype, allocate.argtypes = ctypes.c_void_p, [ctypes.c_size_t]
    for size in range(16, 513, 16):
        for _ in range(count):
            allocate(size)


def fill_heap():
    """Do the same to the C library's heap: use up what is free below its end."""
    libc = ctypes.CDLL(None)
    if not hasattr(libc, "sbrk"):
        return
    libc.malloc.restype, libc.malloc.argtypes = ctypes.c_void_p, [ctypes.c_size_t]
    libc.sbrk.restype, libc.sbrk.argtypes = ctypes.c_void_p, [ctypes.c_ssize_t]
    end = libc.sbrk(0)
    for size in (*(1 << n for n in range(16, 9, -1)), *range(1008, 0, -16)):
        for _ in range(1 << 14):  # more than there are, unless it is another library's malloc
            if (libc.malloc(size) or end) >= end:
                break


# Releases in which an object whose count of references is this one is never counted
# nor freed (PEP 683), and which store it in the object's first four bytes.
IMMORTAL = {(3, 12): 0xFFFFFFFF, (3, 13): 0xFFFFFFFF}


def make_immortal():
    """Stop the counting of references to every object there is: each count is a write,
    which copies the page for the session that uses the object. Half of the memory of a
    session, and much of the time of its first cells, is that."""
    count = IMMORTAL[sys.version_info[:2]]
    memory = (ctypes.c_uint32 * (1 << 46)).from_address(0)
    found = gc.get_objects()
    seen = set()  # made later, so that it is not found, and can be freed
    while found:
        fresh = {id(o): o for o in found if not isinstance(o, types.FrameType)}
        for address in fresh.keys() & seen:
            del fresh[address]
        seen.update(fresh)
        for address in fresh:
            memory[address >> 2] = count
        found = gc.get_referents(*fresh.values())
        for code in fresh.values():  # it shows the collector nothing
            if type(code) is types.CodeType:
                found += (code.co_consts, code.co_names, code.co_varnames, code.co_name, code.co_qualname, code.co_filename,
                          code.co_linetable, code.co_exceptiontable, code.co_freevars, code.co_cellvars)


def read_font_cache():
    """The font list that matplotlib wrote, as a name and its bytes; None without."""
    with contextlib.suppress(OSError):
        for name in os.listdir("/tmp/.matplotlib"):
            if name.startswith("fontlist"):
                with open(f"/tmp/.matplotlib/{name}", "rb") as f:
                    return name, f.read()
    return None


def write_font_cache(font_list):
    """Put the font list where child interpreters look for it."""
    if font_list:
        name, content = font_list
        os.makedirs("/tmp/.matplotlib", exist_ok=True)
        with open(f"/tmp/.matplotlib/{name}", "wb") as f:
            f.write(content)


def start_afresh():
    """Replace every piece of state that sessions must not share, though they come from
    one process."""
    random.seed()
    if ssl := sys.modules.get("ssl"):
        ssl.RAND_add(os.urandom(48), 48.0)
    if numpy := sys.modules.get("numpy"):
        numpy.random.seed()
    if tempfile := sys.modules.get("tempfile"):
        tempfile._name_sequence = tempfile.tempdir = None
    if uuid := sys.modules.get("uuid"):
        uuid._node = random.getrandbits(48) | 1 << 40  # the multicast bit marks a random node
        uuid._last_timestamp = None
    sys.path.insert(0, "")
    gc.enable()
    gc.set_threshold(10000, 50, 50)
