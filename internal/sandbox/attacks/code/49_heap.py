# row: 49
# tries: to write over the interpreter's own memory.
# status: died error protocol_error ok timeout
# timeout: 5
# prints: anything
for size in (64, 512, 1 << 16):
    at = ctypes.addressof(ctypes.create_string_buffer(size))
    ctypes.memset(at, 0x41, 1 << 16)
for target in (sys, json, os, dict, object):
    ctypes.memset(id(target), 0x41, 64)
