# row: 26
# tries: a socket of every family the kernel has.
# lines: 282
# outside: breach
import socket
TYPES = {"STREAM": 1, "DGRAM": 2, "RAW": 3, "RDM": 4, "SEQPACKET": 5}
for family in range(47):
    if family == socket.AF_UNIX:
        continue
    for name, kind in TYPES.items():
        denied(f"socket {family} {name}", lambda: socket.socket(family, kind).close())
    denied(f"socketpair {family}", lambda: [s.close() for s in socket.socketpair(family, socket.SOCK_STREAM)])
denied("socket with the high half of the word set", raw, {0: 41, 1: 198}[MACHINE], 2 | 1 << 32, 1, 0)
for kind in (socket.SOCK_STREAM, socket.SOCK_DGRAM):
    a, b = socket.socketpair(socket.AF_UNIX, kind)
    denied(f"send out of band {kind.name}", a.send, b"x", socket.MSG_OOB)
    denied(f"receive out of band {kind.name}", b.recv, 1, socket.MSG_OOB | socket.MSG_DONTWAIT)
    denied(f"send a message out of band {kind.name}", a.sendmsg, [b"x"], [], socket.MSG_OOB)
    a.close(), b.close()
say("own", "AF_UNIX")
