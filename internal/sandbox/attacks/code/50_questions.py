# row: 50
# tries: to keep the server busy with answers, which it reads as fast as they come.
# status: protocol_error
# timeout: 20
# prints: anything
# beside: yes
import struct, threading
def read():
    while True:
        os.read(3, 1 << 16)
threading.Thread(target=read, daemon=True).start()
frames = (struct.pack("<IBII", 10, 9, 0, 1) + b"1") * 1000
while True:
    rest = frames
    while rest:
        rest = rest[os.write(3, rest):]
