# row: 64
# tries: to poison what later sessions are copied from: shared libraries, byte code, the font list, shared memory.
# lines: 8
import mmap
libraries = sorted({line.split()[5] for line in open("/proc/self/maps") if ".so" in line and len(line.split()) == 6})[:200]
chosen = [p for p in libraries if "libc.so" in p or "_json" in p or "multiarray" in p or "libpython" in p][:4] or libraries[:1]
for path in chosen:
    denied(f"open {path}", os.open, path, os.O_RDWR, also=("EROFS",))
    denied(f"chmod {path}", os.chmod, path, 0o777, also=("EROFS",))
    denied(f"replace {path}", os.rename, "/mnt/data/kept", path, also=("EROFS", "EXDEV"))
    fd = os.open(path, os.O_RDONLY)
    denied(f"map {path}", mmap.mmap, fd, 4096, mmap.MAP_SHARED, mmap.PROT_READ | mmap.PROT_WRITE)
    os.close(fd)
for folder in {os.path.dirname(json.__file__), os.path.dirname(os.__file__), "/opt/understudy"}:
    denied(f"byte code of {folder}", os.mkdir, f"{folder}/__pycache__/x", also=("EROFS", "ENOENT"))
json.poisoned = os.poisoned = dict  # in memory: of this copy only
sys.modules["poisoned"] = json
say("own", "poisoned this copy")
# ==== session: second
clean("poison", [m for m in (json, os) if hasattr(m, "poisoned")] + [n for n in sys.modules if n == "poisoned"])
