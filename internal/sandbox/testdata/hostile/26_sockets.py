# Row 26: sockets of every family but the local one.
# expect: held
for family in range(0, 46):
    if family == socket.AF_UNIX:
        continue
    for kind in [socket.SOCK_STREAM, socket.SOCK_DGRAM, socket.SOCK_RAW]:
        refused(f"socket {family} {kind}", lambda: call(41, 198, family, kind, 0), also={errno.EAFNOSUPPORT})
a, b = socket.socketpair()
a.send(b"x")
if b.recv(1) != b"x":
    breach("local sockets are broken: the attack proves nothing")
