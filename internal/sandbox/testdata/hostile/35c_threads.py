# Row 35: threads without end stop at the limit.
# expect: held
import threading
stop = threading.Event()
started = []
try:
    for _ in range(100000):
        t = threading.Thread(target=stop.wait)
        t.start()
        started.append(t)
    breach(f"{len(started)} threads")
except RuntimeError:
    pass
stop.set()
for t in started:
    t.join()
