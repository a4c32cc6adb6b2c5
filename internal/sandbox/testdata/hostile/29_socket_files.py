# Row 29: socket files of the host.
# expect: held
import stat
for path in ["/var/run/docker.sock", "/run/docker.sock", "/run/containerd/containerd.sock", "/run/systemd/private", "/run/dbus/system_bus_socket", "/tmp/.X11-unix"]:
    if os.path.exists(path):
        breach(path)
for folder, dirs, files in os.walk("/"):
    dirs[:] = [d for d in dirs if (folder, d) not in {("/", "proc"), ("/", "usr"), ("/opt", "understudy")}]
    for name in files:
        try:
            if stat.S_ISSOCK(os.lstat(os.path.join(folder, name)).st_mode):
                breach(os.path.join(folder, name))
        except OSError:
            pass
