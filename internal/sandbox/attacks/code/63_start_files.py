# row: 63
# tries: to have code of its own run at the start of the next session, by the files that Python and its libraries read.
# lines: 6
NAMES = ("sitecustomize.py", "usercustomize.py", "json.py", "poison.pth", "matplotlibrc", "pyvenv.cfg", "pandas.py")
code = "import builtins\nbuiltins.poisoned = True\nprint('BREACH a file of the first session was run')\n"
version = f"python{sys.version_info[0]}.{sys.version_info[1]}"
homes = ("/tmp", "/mnt/data", "/tmp/.ipython/profile_default/startup", f"/tmp/.local/lib/{version}/site-packages",
         "/tmp/.matplotlib", "/tmp/.config/matplotlib")
for folder in homes:
    os.makedirs(folder, exist_ok=True)
    for name in NAMES:
        with open(f"{folder}/{name}", "w") as f:
            f.write("backend: poison\n" if name == "matplotlibrc" else code)
for folder in ("/opt/understudy", "/opt/packages", f"/usr/lib/{version}", f"/usr/lib/{version}/json", "/etc/matplotlib"):
    def write(path=f"{folder}/sitecustomize.py"):
        with open(path, "w") as f:
            f.write(code)
    denied(folder, write, also=("EROFS", "ENOENT", "ENOTDIR"))
say("own", "the files are in place")
# ==== session: second
import builtins
clean("traces of the first session", [n for n in ("poisoned",) if hasattr(builtins, n)])
clean("modules from folders that sessions write", [n for n, m in list(sys.modules.items())
      if str(getattr(m, "__file__", "") or "").startswith(("/tmp", "/mnt/data"))])
