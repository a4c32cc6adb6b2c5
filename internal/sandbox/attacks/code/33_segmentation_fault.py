# row: 33
# tries: to end the session with a null pointer.
# status: died
ctypes.string_at(0)
