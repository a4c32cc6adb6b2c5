# Row 3: the environment of the host's processes.
# expect: held
for path in ["/proc/self/environ", "/proc/1/environ", "/proc/thread-self/environ"]:
    try:
        text = open(path, "rb").read()
    except OSError:
        continue
    if CANARY.encode() in text:
        breach(path)
    for entry in text.split(b"\0"):
        name = entry.split(b"=")[0].decode(errors="replace")
        if name and name not in {"PATH", "HOME", "LANG", "LC_ALL", "LC_CTYPE", "TZ", "USER", "TMPDIR"} and not name.startswith(("OPENBLAS", "OMP", "MKL", "NUMEXPR", "MPL", "PYTHON", "NUMBA", "VECLIB", "BLIS", "GOTO", "XDG", "MALLOC", "IPYTHON", "JOBLIB", "LOKY")):
            breach(f"{path}: {name}")
if CANARY in str(dict(os.environ)):
    breach("os.environ")
