# row: 50
# tries: to exhaust the server's stack with a frame of deeply nested JSON.
# status: protocol_error
# prints: anything
import struct
j = b'{"status":' + b"[" * 1_000_000
os.write(3, struct.pack("<IBII", 9 + len(j), 7, 2, len(j)))
sent = 0
while sent < len(j):
    sent += os.write(3, j[sent:])
time.sleep(1e6)
