# row: 50
# tries: to keep the server busy with frames that show nothing, which take no time to make.
# status: protocol_error
# timeout: 20
# prints: anything
# beside: yes
import struct
frames = struct.pack("<IBII", 9, 2, 2, 0) * 5000
while True:
    os.write(3, frames)
