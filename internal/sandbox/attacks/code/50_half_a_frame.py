# row: 50
# tries: to hold the server with the largest frame there may be, which never ends.
# status: timeout
# timeout: 2
# prints: anything
# beside: yes
import struct
os.write(3, struct.pack("<IBII", 15 << 20, 2, 2, 0))
for _ in range(14):
    sent = 0
    while sent < 1 << 20:
        sent += os.write(3, bytes((1 << 20) - sent))
while True:
    try:
        time.sleep(1e6)
    except KeyboardInterrupt:
        pass
