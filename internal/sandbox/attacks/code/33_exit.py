# row: 33
# tries: to end the session without a word.
# status: died
os._exit(0)
