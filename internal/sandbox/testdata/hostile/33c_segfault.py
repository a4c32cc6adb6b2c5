# Row 33: the session crashes.
# expect: died
ctypes.string_at(0)
