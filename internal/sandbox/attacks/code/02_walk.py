# row: 2
# tries: to find the canary files of the host anywhere, by name, by inode and by content.
# lines: 4
# timeout: 60
# outside: breach
# gvisor: top level 1 ['sys']
needle = bytes.fromhex(HOST["needle"])[::-1]
names = {os.path.basename(path) for path in HOST["canaries"]}
inodes = {tuple(pair) for pair in HOST["inodes"]}
found, seen, content = [], [], []
count = 0
roots = ["/"]
if os.getpid() != 1:  # outside, the whole host would take too long
    roots = [HOST["data"]]
for root in roots:
    for folder, _, files in os.walk(root):
        for name in files:
            path = os.path.join(folder, name)
            count += 1
            try:
                info = os.lstat(path)
            except OSError:
                continue
            if name in names:
                found.append(path)
            if (info.st_dev, info.st_ino) in inodes:
                seen.append(path)
            if stat.S_ISREG(info.st_mode) and info.st_size == HOST["canary_size"]:
                try:
                    with open(path, "rb") as f:
                        if needle in f.read():
                            content.append(path)
                except OSError:
                    pass
clean("names of canaries", found)
clean("inodes of canaries", seen)
clean("content of canaries", content)
clean("top level", set(os.listdir("/")) - {"bin", "sbin", "lib", "lib32", "lib64", "libx32", "dev", "etc", "home", "mnt",
                                           "opt", "proc", "run", "tmp", "usr", "var"})
