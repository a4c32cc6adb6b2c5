# Row 12: mount, remount, bind, the new mount calls.
# expect: held
refused("mount proc", lambda: call(165, 40, b"proc\0", b"/tmp\0", b"proc\0", 0, 0))
refused("mount tmpfs", lambda: call(165, 40, b"tmpfs\0", b"/tmp\0", b"tmpfs\0", 0, 0))
refused("bind", lambda: call(165, 40, b"/\0", b"/tmp\0", 0, 4096, 0))
refused("remount writable", lambda: call(165, 40, 0, b"/\0", 0, 32 | 4096, 0))
refused("umount", lambda: call(166, 39, b"/proc\0", 2))
refused("fsopen", lambda: call(430, 430, b"tmpfs\0", 0))
refused("open_tree", lambda: call(428, 428, -100, b"/\0", 1))
refused("move_mount", lambda: call(429, 429, -100, b"/tmp\0", -100, b"/mnt\0", 0))
refused("mount_setattr", lambda: call(442, 442, -100, b"/\0", 0, 0, 0))
refused("fspick", lambda: call(433, 433, -100, b"/\0", 0))
