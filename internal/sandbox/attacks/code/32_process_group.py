# row: 32
# tries: to reach the zygote and other sessions by the process group, which a PID namespace does not divide.
# lines: 6
# gvisor lines: 4
import signal
before = os.getpriority(os.PRIO_PROCESS, 0)
say("own", "priority", before)
# ==== session: second
import signal
clean("process group from above", [] if os.getpgrp() == 1 else [os.getpgrp()])
clean("session from above", [] if os.getsid(0) == 1 else [os.getsid(0)])


def kill_group():
    os.kill(0, signal.SIGKILL)


in_child(kill_group)
say("own", "kill(0) is over")
for which, what in ((os.PRIO_PGRP, "group"), (os.PRIO_USER, "user")):
    try:
        os.setpriority(which, 0, 19)
    except OSError as error:
        say("denied", name_of(error), "renice its", what)
    else:
        say("own", "reniced its", what)
# ==== session: first
now = os.getpriority(os.PRIO_PROCESS, 0)
clean("priority of the first session", [] if now == before else [now])
