# row: 33
# tries: to end the session's first process by signals; a first process ignores what its own namespace sends.
# lines: 6
# gvisor status: died
# gvisor lines: 0
import signal
for name in ("SIGTERM", "SIGKILL", "SIGSTOP", "SIGSEGV", "SIGILL", "SIGABRT"):
    os.kill(1, getattr(signal, name))
    say("own", "still there after", name)
