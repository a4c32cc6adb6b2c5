# row: 56
# tries: to pass a web page with a script off as a picture.
# status: protocol_error
# prints: anything
import struct
j, page = b'{"mime":"text/html"}', b"<script>alert(1)</script>"
os.write(3, struct.pack("<IBII", 9 + len(j) + len(page), 5, 2, len(j)) + j + page)
time.sleep(1e6)
