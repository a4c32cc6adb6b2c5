# row: 33
# tries: to end the session with an error.
# status: died
os._exit(77)
