# row: 50
# tries: to end its own cell early with a forged frame, and to go on in the next one.
# status: ok protocol_error
# prints: anything
import struct
j = b'{"status":"ok","cpu":0}'
for cell in (1, 2, 3):
    os.write(3, struct.pack("<IBII", 9 + len(j), 7, cell, len(j)) + j)
time.sleep(0.5)
