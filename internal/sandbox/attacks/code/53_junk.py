# row: 53
# tries: to break the reader of its output with bytes that are no text, control sequences and half characters.
# lines: 4
junk = b"note " + bytes(b for b in range(256) if b not in b"\n\r")
os.write(1, junk + b"\n")
os.write(2, b"note \xf0\x9f\n")
sys.stdout.buffer.write(b"note \xff\xfe \x1b[2J\x1b]0;title\x07\n")
print("note \ud800 \udfff \0 \u202e")
