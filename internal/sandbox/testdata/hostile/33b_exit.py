# Row 33: the session leaves without a word.
# expect: died
os._exit(3)
