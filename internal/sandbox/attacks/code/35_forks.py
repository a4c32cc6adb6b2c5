# row: 35
# tries: as many processes as it can get. It stops by itself, in case nothing else stops it.
# lines: 1
# timeout: 60
# gvisor status: ok out_of_memory died timeout
# gvisor lines: 0
TOO_MANY = 16 * HOST["processes"]
made = 0
try:
    while made < TOO_MANY:
        if os.fork() == 0:
            time.sleep(1000)
            os._exit(0)
        made += 1
except OSError as error:
    say("limited", name_of(error), f"after {made} processes")
else:
    say("BREACH", f"{made} processes")
