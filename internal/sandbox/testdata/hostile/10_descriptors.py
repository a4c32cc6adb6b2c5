# Row 10: descriptors that were left open, and folders behind them.
# expect: held
fds = sorted(int(f) for f in os.listdir("/proc/self/fd"))
extra = [f for f in fds if f > 3]
if len(extra) > 1:  # the listing itself has one
    breach(f"descriptors {fds}")
for fd in range(0, 256):
    for way in ["..", "../..", "../../../../../../.."]:
        try:
            found = os.listdir(f"/proc/self/fd/{fd}/{way}")
        except OSError:
            continue
        if os.path.basename(CANARY_DIR) in found or "root" in found and "home" in found and "boot" in found:
            breach(f"{fd}/{way}: {found}")
