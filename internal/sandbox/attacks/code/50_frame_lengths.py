# row: 50
# tries: to make the server take a frame of 4 GB into its memory.
# status: protocol_error
# prints: anything
# beside: yes
import struct
os.write(3, struct.pack("<IBII", 0xFFFFFFFF, 2, 2, 0))
try:
    while True:
        os.write(3, bytes(1 << 20))
except OSError:
    pass
time.sleep(1e6)
