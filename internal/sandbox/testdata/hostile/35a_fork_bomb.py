# Row 35: processes without end stop at the limit.
# expect: held
children = []
try:
    for _ in range(5000):
        pid = os.fork()
        if pid == 0:
            time.sleep(60)
            os._exit(0)
        children.append(pid)
    breach(f"{len(children)} processes")
except OSError as e:
    if e.errno != errno.EAGAIN:
        breach(errno.errorcode[e.errno])
import signal
for pid in children:
    os.kill(pid, signal.SIGKILL)
