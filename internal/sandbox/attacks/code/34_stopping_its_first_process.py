# row: 34
# tries: to stop the session's first process from a child.
# lines: 1
# gvisor status: timeout
# gvisor lines: 0
# gvisor timeout: 2
import signal
in_child(lambda: os.kill(1, signal.SIGSTOP))
in_child(lambda: os.kill(-1, signal.SIGSTOP))
say("own", "still there")
