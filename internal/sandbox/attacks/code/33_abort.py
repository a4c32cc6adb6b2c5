# row: 33
# tries: to end the session with abort.
# status: died
os.abort()
