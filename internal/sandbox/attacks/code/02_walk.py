# row: 2
# tries: to find the canary files of the host anywhere, by name, by inode and by content.
# lines: 4
# timeout: 60
# outside: breach
# gvisor: top level 1 ['sys']
needle = bytes.fromhex(HOST["needle"])[::-1]
names = {os.path.basename(path) for path in HOST["canaries"]}
inodes = {inode for _, inode in HOST["inodes"]}
found, seen, content = [], [], []
# Outside, the whole host would take too long.
for entry in entries("/" if os.getpid() == 1 else HOST["data"]):
    if entry.name in names:
        found.append(entry.path)
    try:
        if entry.inode() in inodes:
            info = entry.stat(follow_symlinks=False)
            seen += [entry.path for pair in HOST["inodes"] if [info.st_dev, info.st_ino] == pair]
        if entry.is_file(follow_symlinks=False) and not entry.path.startswith(("/usr/", "/opt/", "/proc/", "/sys/")):
            with open(entry.path, "rb") as f:
                if needle in f.read(1 << 20):
                    content.append(entry.path)
    except OSError:
        pass
clean("names of canaries", found)
clean("inodes of canaries", seen)
clean("content of canaries", content)
clean("top level", set(os.listdir("/")) - {"bin", "sbin", "lib", "lib32", "lib64", "libx32", "dev", "etc", "home", "mnt",
                                           "opt", "proc", "run", "tmp", "usr", "var"})
