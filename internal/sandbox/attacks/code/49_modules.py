# row: 49
# tries: to take the libraries away from the code that talks to the server.
# status: ok error died protocol_error timeout
# timeout: 5
# prints: anything
import builtins
import socket
import struct
json.dumps = json.loads = lambda *a, **k: "forged"
socket.socket.sendall = lambda *a: None
struct.pack = None
builtins.print = builtins.len = builtins.isinstance = None
sys.stdout = sys.stderr = sys.__stdout__ = 7
sys.modules.clear()
