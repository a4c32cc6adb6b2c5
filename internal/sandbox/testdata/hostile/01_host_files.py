# Row 1: read the host's files. Expect: absent, or the sandbox's own.
# expect: held
for path in ["/root", "/home", "/etc/shadow", "/etc/ssh", "/etc/sudoers", "/var/lib", "/var/log", "/srv", "/boot", "/opt/secrets", CANARY_DIR]:
    try:
        listing = os.listdir(path) if os.path.isdir(path) else open(path).read()
    except OSError:
        continue
    if listing:
        breach(f"{path}: {listing!r:.200}")
passwd = open("/etc/passwd").read() if os.path.exists("/etc/passwd") else ""
if "root:x:0:0:root:/root:/bin/bash" in passwd:
    breach("the host's /etc/passwd")
