# row: 53
# tries: to fill the server's memory or the client's connection by printing without end.
# status: protocol_error
# timeout: 60
# prints: anything
# beside: yes
line = "x" * 100_000
while True:
    print(line)
