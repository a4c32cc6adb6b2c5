# row: 5
# tries: to read other sessions' volumes and folders of the host from the list of mounts.
# lines: 5
# outside: breach
# gvisor: writable mounts
with open("/proc/self/mountinfo") as f:
    mounts = [line.split() for line in f]
# What is shown of the system and the interpreter has its host's name there: the kernel has no other for it.
shown = ("/usr/", "/lib", "/bin", "/etc/", "/dev/", "/opt/")
clean("roots", [m[3:5] for m in mounts if m[3] != "/" and not m[4].startswith(shown)])
clean("volumes", [m[3:5] for m in mounts if "volumes" in m[3] or "volumes" in m[4]])
hidden = [m for m in mounts if not m[4].startswith("/opt/")]
clean("server's folder", [m[3:5] for m in hidden if HOST["data"] in m[3] + m[4] or HOST["folder"] in m[3] + m[4]])
clean("jail", [m[3:5] for m in mounts if "jail" in m[3] or "jail" in m[4]])
writable = [m[4] for m in mounts if "rw" in m[5].split(",")]
clean("writable mounts", set(writable) - {"/tmp", "/dev/shm", "/mnt/data", "/proc", "/run/volumes"})
