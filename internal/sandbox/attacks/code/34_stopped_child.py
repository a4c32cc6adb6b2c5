# row: 34
# tries: to wait for a child that stopped itself, and to ignore whatever wants to end the wait.
# status: timeout
# timeout: 1
import signal
child = os.fork()
if child == 0:
    os.kill(os.getpid(), signal.SIGSTOP)
    os._exit(0)
while True:
    try:
        os.waitpid(child, 0)
    except BaseException:
        pass
