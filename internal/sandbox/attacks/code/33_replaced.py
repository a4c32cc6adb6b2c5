# row: 33
# tries: to replace the session's first process by another program, which keeps its socket.
# status: died timeout protocol_error
# timeout: 2
os.set_inheritable(3, True)
os.execv("/bin/sh", ["sh", "-c", "sleep 1000"])
