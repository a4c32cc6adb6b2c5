# Row 6: processes outside the session.
# expect: held
pids = [int(p) for p in os.listdir("/proc") if p.isdigit()]
if any(p > 64 for p in pids) or len(pids) > 8:
    breach(f"pids {pids}")
for pid in pids:
    try:
        name = open(f"/proc/{pid}/cmdline", "rb").read()
    except OSError:
        continue
    if b"go-build" in name or b"sandbox.test" in name:
        breach(f"{pid}: {name!r}")
