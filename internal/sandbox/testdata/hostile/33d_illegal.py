# Row 33: signals to itself that an init process ignores, then one it cannot.
# expect: died
import signal
signal.signal(signal.SIGILL, signal.SIG_DFL)
for number in [signal.SIGTERM, signal.SIGKILL, signal.SIGSTOP]:
    os.kill(os.getpid(), number)  # ignored, or the end
os.abort()
