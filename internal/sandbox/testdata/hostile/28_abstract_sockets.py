# Row 28: abstract sockets of the host.
# expect: held
s = socket.socket(socket.AF_UNIX)
refused("connect to the host's", lambda: s.connect("\0" + ABSTRACT), also={errno.ECONNREFUSED})
mine = socket.socket(socket.AF_UNIX)
mine.bind("\0" + ABSTRACT)  # free here, though the host has it
