# row: 50
# tries: to keep the server busy with long descriptions of output that belongs to no cell.
# status: protocol_error
# timeout: 20
# prints: anything
# beside: yes
import json, struct
text = json.dumps({"data": {"type": "table", "table": {"rows": [[]] * 60000}}}).encode()
frame = struct.pack("<IBII", 9 + len(text), 4, 0, len(text)) + text
while True:
    rest = frame
    while rest:
        rest = rest[os.write(3, rest):]
