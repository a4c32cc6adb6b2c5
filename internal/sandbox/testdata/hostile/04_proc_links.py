# Row 4: /proc leads to the host.
# expect: held
for path in ["/proc/1/root", "/proc/self/root"]:
    try:
        if os.path.exists(os.path.join(path, CANARY_DIR.lstrip("/"))):
            breach(path)
    except OSError:
        pass
for path in ["/proc/1/cwd", "/proc/self/cwd", "/proc/self/exe"]:
    try:
        target = os.readlink(path)
    except OSError:
        continue
    if CANARY_DIR in target:
        breach(f"{path} → {target}")
if CANARY.encode() in open("/proc/self/cmdline", "rb").read():
    breach("cmdline")
