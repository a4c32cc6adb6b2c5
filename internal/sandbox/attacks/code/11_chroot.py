# row: 11
# tries: the ways out of a root folder: chroot, chroot twice, fchdir to a folder that was kept.
# lines: 6
denied("chroot", os.chroot, "/tmp")
os.makedirs("/tmp/a/b", exist_ok=True)
kept = os.open("/", os.O_RDONLY | os.O_DIRECTORY)
denied("chroot below", raw, "chroot", b"/tmp/a\0")
home = os.stat("/")
os.fchdir(kept)
for _ in range(64):
    os.chdir("..")
here = os.stat(".")
clean("above the root", [] if (here.st_dev, here.st_ino) == (home.st_dev, home.st_ino) else [os.listdir(".")])
there = os.stat("../../../../..", dir_fd=kept)
clean("above a kept folder", [] if (there.st_dev, there.st_ino) == (home.st_dev, home.st_ino) else ["elsewhere"])
denied("chroot to a kept folder", raw, "chroot", b"/proc/self/fd/%d\0" % kept)
denied("pivot_root", raw, "pivot_root", b"/tmp/a\0", b"/tmp/a/b\0")
os.close(kept)
os.chdir("/mnt/data")
