# row: 1
# tries: to read the accounts, keys, logs and homes of the host, and the server's own folders.
# lines: 30
# outside: breach
absent("/etc/shadow", "/etc/shadow-", "/etc/gshadow", "/etc/sudoers", "/etc/ssh", "/etc/ssl/private", "/etc/machine-id",
       "/etc/hostname", "/etc/fstab", "/etc/crontab", "/etc/environment", "/etc/profile", "/root", "/home", "/boot", "/srv",
       "/media", "/var/lib", "/var/log", "/var/spool", "/var/run/secrets", "/run/secrets", "/run/systemd", "/lost+found",
       "/.dockerenv", HOST["data"], HOST["program"], *HOST["canaries"])
for name, fields in (("/etc/passwd", 7), ("/etc/group", 4)):
    with open(name) as f:
        lines = f.read().splitlines()
    clean(f"accounts in {name}", [line for line in lines if line.split(":")[0] not in ("sandbox", "root")])
with open("/etc/hosts") as f:
    clean("hosts", [line for line in f if line.split()[:2] != ["127.0.0.1", "localhost"]])
clean("name servers", open("/etc/resolv.conf").read().split())
