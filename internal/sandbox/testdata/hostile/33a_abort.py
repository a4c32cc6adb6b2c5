# Row 33: the session kills itself.
# expect: died
os.abort()
