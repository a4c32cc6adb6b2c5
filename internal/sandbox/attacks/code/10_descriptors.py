# row: 10
# tries: to use a descriptor that the server, the zygote or another session left open.
# lines: 9
# outside: breach
# gvisor: targets 3
open_now = []
for number in range(4096):
    try:
        open_now.append((number, os.fstat(number).st_mode))
    except OSError:
        pass
clean("leaked descriptors", [n for n, _ in open_now if n > 3])
clean("folders among them", [n for n, mode in open_now if stat.S_ISDIR(mode)])
listed = []
for name in os.listdir("/proc/self/fd"):
    try:
        listed.append((int(name), os.readlink(f"/proc/self/fd/{name}")))
    except FileNotFoundError:
        pass  # the one that listed
clean("targets", [pair for pair in listed if not pair[1].startswith(("/dev/null", "pipe:", "socket:"))])
for number in range(4):
    for climb in ("/..", "/../../..", "/../../../etc/shadow"):
        try:
            names = os.stat(f"/proc/self/fd/{number}{climb}")
        except OSError as error:
            say("denied", name_of(error), f"descriptor {number}{climb}")
        else:
            say("BREACH", f"descriptor {number}{climb} is there")
import socket
import struct
with_server = socket.socket(fileno=os.dup(3))
pid, uid, gid = struct.unpack("3i", with_server.getsockopt(socket.SOL_SOCKET, 17, 12))  # SO_PEERCRED
clean("server's process id", [pid] if pid else [])
try:
    handle = struct.unpack("i", with_server.getsockopt(socket.SOL_SOCKET, 77, 4))[0]  # SO_PEERPIDFD
except OSError as error:
    say("denied", name_of(error), "handle of the server")
else:
    denied("signal the server by its handle", raw, "pidfd_send_signal", handle, 0, 0, 0, also=("EINVAL", "ESRCH"))
    denied("join the server's namespaces", raw, "setns", handle, 0x20000)
    denied("take the server's descriptors", raw, "pidfd_getfd", handle, 0, 0)
