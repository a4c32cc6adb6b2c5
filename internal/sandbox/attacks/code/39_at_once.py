# row: 39
# tries: to take ten times the memory it may have, at once and touched.
# lines: 2
# status: ok out_of_memory
# gvisor status: ok out_of_memory died
# gvisor lines: 0
# beside: yes
try:
    b"a" * 2**46
except MemoryError:
    say("limited", "MemoryError for more than there is")
else:
    say("BREACH", "2**46 bytes")
say("own", "on to what exists")
try:
    taken = bytearray(10 * HOST["memory"])
except MemoryError:
    say("limited", "MemoryError")
else:
    say("BREACH", "took", len(taken), "bytes")
