# row: 27
# tries: to reach the server, or anything else that listens on the loopback of the host.
# lines: 4
# outside: breach
import socket


def connect(address, port):
    began = time.monotonic()
    try:
        with socket.create_connection((address, port), timeout=5):
            say("BREACH", address, "answers")
    except OSError as error:
        say("denied", name_of(error), address)
    if (took := time.monotonic() - began) > 1:
        say("BREACH", address, f"failed only after {took:.1f} s")


for address in ("127.0.0.1", "::1", "localhost", "::ffff:127.0.0.1"):
    connect(address, HOST["port"])
