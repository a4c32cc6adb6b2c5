# row: 12
# tries: to mount, unmount and remount, with the old calls and the new.
# lines: 28
# gvisor: write /run/x was carried out: [Errno 2]
# gvisor: write /dev/x
def mount(source, target, kind, flags=0, options=b""):
    return raw("mount", source + b"\0", target + b"\0", kind + b"\0", flags, options + b"\0")


REMOUNT, BIND, REC, MOVE, SHARED = 0x20, 0x1000, 0x4000, 0x2000, 0x100000
os.makedirs("/tmp/m", exist_ok=True)
for kind in (b"tmpfs", b"proc", b"sysfs", b"cgroup", b"cgroup2", b"overlay", b"devpts", b"mqueue", b"fuse", b"ext4", b"bpf"):
    denied(f"mount {kind.decode()}", mount, b"x", b"/tmp/m", kind)
for path in (b"/", b"/usr", b"/proc", b"/mnt/data"):
    denied(f"remount {path.decode()} writable", mount, b"none", path, b"", REMOUNT | BIND)
denied("remount /mnt/data larger", mount, b"none", b"/mnt/data", b"", REMOUNT, b"size=64g")
denied("bind /", mount, b"/", b"/tmp/m", b"", BIND | REC)
denied("move /usr", mount, b"/usr", b"/tmp/m", b"", MOVE)
denied("share /", mount, b"none", b"/", b"", SHARED | REC)
for path in (b"/", b"/usr", b"/proc", b"/mnt/data", b"/dev/null"):
    denied(f"unmount {path.decode()}", raw, "umount2", path + b"\0", 2)
denied("fsopen", raw, "fsopen", b"tmpfs\0", 0)
denied("fspick", raw, "fspick", -100, b"/\0", 0)
denied("fsconfig", raw, "fsconfig", 3, 6, 0, 0, 0)
denied("fsmount", raw, "fsmount", 3, 0, 0)
denied("open_tree", raw, "open_tree", -100, b"/\0", 1)
denied("open_tree_attr", raw, "open_tree_attr", -100, b"/\0", 1, 0, 0)
denied("move_mount", raw, "move_mount", -100, b"/usr\0", -100, b"/tmp/m\0", 0)
attributes = (ctypes.c_uint64 * 4)(0, 1, 0, 0)
denied("mount_setattr", raw, "mount_setattr", -100, b"/usr\0", 0, attributes, 32)
denied("statmount", raw, "statmount", attributes, attributes, 32, 0)
denied("listmount", raw, "listmount", attributes, attributes, 4, 0)
for path in ("/usr/bin/x", "/etc/x", "/x", "/opt/x", "/dev/x", "/run/x"):
    denied(f"write {path}", open, path, "w", also=("EROFS",))
