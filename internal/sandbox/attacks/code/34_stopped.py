# row: 34
# tries: to stop and never answer.
# status: timeout
# timeout: 1
import signal
os.kill(os.getpid(), signal.SIGSTOP)
signal.pthread_sigmask(signal.SIG_BLOCK, range(1, 64))
while True:
    time.sleep(1e6)
