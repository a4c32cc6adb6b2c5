# row: 50
# tries: to drown the server in tiny frames.
# status: protocol_error timeout
# timeout: 6
# prints: anything
# beside: yes
import struct
frames = struct.pack("<IBII", 10, 2, 0, 0) + b"x"
while True:
    os.write(3, frames * 5000)
