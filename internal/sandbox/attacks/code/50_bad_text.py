# row: 50
# tries: to pass bytes that are no text on to the client through a frame.
# lines: 1
# prints: anything
import struct
junk = b"note " + bytes(range(128, 256)) + b"\0\x1b[31m\xed\xa0\x80\n"
os.write(3, struct.pack("<IBII", 9 + len(junk), 2, 2, 0) + junk)
