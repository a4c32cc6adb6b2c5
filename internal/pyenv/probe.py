# Say in one line of JSON what this interpreter is. Runs on any Python 3, so that one that is refused can still say why.
import importlib.util
import json
import os
import platform
import struct
import sys
import sysconfig

# What the sandbox and the packages import from the standard library and distributions ship apart or leave out.
NEEDED = ("_ctypes", "_bz2", "_lzma", "_sqlite3", "_ssl", "zlib", "json", "multiprocessing", "sqlite3", "compileall", "unittest")

# In a virtual environment this is the interpreter that it was made from: the sandbox brings its own packages.
base = getattr(sys, "_base_executable", None) or sys.executable or ""
libc = platform.libc_ver(base)[0] if base else ""
if not libc and "musl" in (sysconfig.get_config_var("SOABI") or "") + (sysconfig.get_config_var("HOST_GNU_TYPE") or ""):
    libc = "musl"

print(json.dumps({
    "executable": os.path.realpath(base) if base else "",
    "implementation": sys.implementation.name,
    "version": list(sys.version_info[:3]),
    "bits": struct.calcsize("P") * 8,
    "system": sys.platform,
    "machine": platform.machine(),
    "libc": libc or "an unknown C library",
    "free_threaded": bool(sysconfig.get_config_var("Py_GIL_DISABLED")),
    "missing": [name for name in NEEDED if importlib.util.find_spec(name) is None],
}))
