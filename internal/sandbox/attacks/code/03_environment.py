# row: 3
# tries: to read the environment the server was started with.
# lines: 4
# outside: breach
needle = bytes.fromhex(HOST["needle"])[::-1]
for path in ("/proc/self/environ", "/proc/1/environ", "/proc/thread-self/environ"):
    try:
        with open(path, "rb") as f:
            clean(path, [name for name in f.read().split(b"\0") if needle in name or b"UNDERSTUDY" in name])
    except PermissionError as error:
        say("denied", name_of(error), path)
allowed = {"HOME", "IPYTHONDIR", "LANG", "LC_ALL", "LOGNAME", "MPLBACKEND", "MPLCONFIGDIR", "PATH", "PWD", "PYTHONPATH",
           "LD_LIBRARY_PATH", "PYTHONDONTWRITEBYTECODE", "TMPDIR", "TZ", "USER"}
clean("environment", [n for n in os.environ if n not in allowed and not n.endswith("_NUM_THREADS")])
