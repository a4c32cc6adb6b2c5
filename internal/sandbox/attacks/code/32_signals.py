# row: 32
# tries: to signal every process number there is, and all at once.
# lines: 8
# timeout: 60
import signal
import struct
signal.signal(signal.SIGTERM, signal.SIG_IGN)  # -1 spares the sender, yet not in every call
child = os.fork()
if child == 0:
    time.sleep(1000)
    os._exit(0)


def hit(send):
    """Send a signal to all numbers but the session's own; return those it reached."""
    reached = []
    for pid in range(2, 65536):
        if pid == child:
            continue
        try:
            send(pid)
        except ProcessLookupError:
            continue
        except OSError as error:
            if error.errno == errno.ESRCH:
                continue
            reached.append((pid, name_of(error)))
        else:
            reached.append((pid, "reached"))
    return reached


clean("kill", hit(lambda pid: os.kill(pid, signal.SIGKILL)))
clean("kill a group", hit(lambda pid: os.kill(-pid, signal.SIGKILL)))
clean("tkill", hit(lambda pid: raw("tkill", pid, signal.SIGKILL)))
clean("tgkill", hit(lambda pid: raw("tgkill", pid, pid, signal.SIGKILL)))
clean("pidfd_open", hit(lambda pid: os.close(raw("pidfd_open", pid, 0))))
information = ctypes.create_string_buffer(128)
struct.pack_into("iii", information, 0, signal.SIGKILL, 0, -1)  # si_code: SI_QUEUE
clean("rt_sigqueueinfo", hit(lambda pid: raw("rt_sigqueueinfo", pid, signal.SIGKILL, information)))
os.kill(-1, signal.SIGKILL)
clean("own child after kill(-1)", [] if os.WTERMSIG(os.waitpid(child, 0)[1]) == 9 else ["survived"])
try:
    os.kill(0, 0)
except OSError as error:
    say("denied", name_of(error), "signal its own group")
else:
    say("own", "signal its own group")
