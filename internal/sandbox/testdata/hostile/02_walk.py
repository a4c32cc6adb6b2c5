# Row 2: walk the whole tree for a string that the host has in a file.
# expect: held
seen = 0
for folder, dirs, files in os.walk("/"):
    dirs[:] = [d for d in dirs if (folder, d) not in {("/", "proc"), ("/", "usr"), ("/", "lib"), ("/", "lib64"), ("/opt", "understudy")} and "site-packages" not in d]
    for name in files + dirs:
        seen += 1
        path = os.path.join(folder, name)
        if CANARY in path:
            breach(path)
        try:
            if os.path.isfile(path) and not os.path.islink(path) and CANARY.encode() in open(path, "rb").read(1 << 20):
                breach(path)
        except OSError:
            pass
if seen == 0:
    breach("nothing was walked")
