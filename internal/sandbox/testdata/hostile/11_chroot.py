# Row 11: chroot, twice if need be.
# expect: held
os.makedirs("/tmp/jail", exist_ok=True)
refused("chroot", lambda: os.chroot("/tmp/jail"))
refused("chroot by number", lambda: call(161, 51, b"/tmp/jail\0"))
here = os.open("/", os.O_RDONLY)
os.fchdir(here)
refused("chroot ..", lambda: os.chroot(".."))
refused("pivot_root", lambda: call(155, 41, b"/tmp\0", b"/tmp/jail\0"))
