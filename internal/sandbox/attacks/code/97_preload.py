# row: 97
# tries: to find variables that load code into programs, and to have its own loaded into the session's interpreter.
# lines: 3
import subprocess
LOADERS = ("LD_PRELOAD", "LD_AUDIT", "PYTHONSTARTUP", "PYTHONHOME", "PYTHONINSPECT", "GCONV_PATH", "BASH_ENV", "ENV", "IFS")
clean("variables that load code", [n for n in LOADERS if n in os.environ])
clean("packages of others", [p for p in os.environ.get("PYTHONPATH", "").split(":") if p not in ("", "/opt/packages")])
os.environ.update(dict.fromkeys(LOADERS[1:4], "/tmp/evil"))
say("own", "set them in the first session")
# ==== session: second
clean("variables of the first session", [n for n, v in os.environ.items() if v == "/tmp/evil"])
