# row: 29
# tries: to find a socket of the host in the file system: each is a way to a daemon with rights.
# lines: 12
# outside: breach
import socket
absent("/var/run/docker.sock", "/run/docker.sock", "/run/containerd", "/run/podman", "/run/dbus", "/run/user",
       "/run/systemd", "/run/udev", "/tmp/.X11-unix", "/var/run/nscd", "/run/volumes", HOST["socket"])
sockets = []
for entry in entries("/" if os.getpid() == 1 else os.path.dirname(HOST["socket"])):
    if entry.path.startswith("/proc/") or entry.is_dir(follow_symlinks=False) or entry.is_file(follow_symlinks=False) or entry.is_symlink():
        continue
    try:
        if stat.S_ISSOCK(entry.stat(follow_symlinks=False).st_mode):
            sockets.append(entry.path)
    except OSError:
        pass
clean("sockets", sockets)
try:
    socket.socket(socket.AF_UNIX).connect(HOST["socket"])
except OSError as error:
    say("denied", name_of(error), "the host's socket")
else:
    say("BREACH", "connected to the host")
