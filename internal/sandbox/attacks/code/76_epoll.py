# row: 76
# tries: to take the epoll watches that the kernel gives the server's user, without which the server takes no connection.
# lines: 2
# gvisor: watches of the server's user
import asyncio, select, subprocess
taken, polls = 0, []
try:
    files = [os.eventfd(0) for _ in range(100)]
    for _ in range(100):
        polls.append(select.epoll())
        for file in files:
            polls[-1].register(file, select.EPOLLIN)
            taken += 1
except OSError as error:
    say("limited", name_of(error), "after", taken)
if taken and os.getuid() == 0:  # the server's, seen from within
    say("BREACH", "watches of the server's user:", taken)
elif taken:
    say("own", taken, "watches")
for poll in polls:
    poll.close()
asyncio.run(asyncio.sleep(0.01))
child = subprocess.run([sys.executable, "-c", "import asyncio; asyncio.run(asyncio.sleep(0.01))"], capture_output=True, text=True)
say("BREACH" if child.returncode else "own", "event loops", child.stderr)
