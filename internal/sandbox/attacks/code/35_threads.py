# row: 35
# tries: as many threads as it can get, and stops by itself.
# lines: 1
# timeout: 60
import _thread
TOO_MANY = 16 * HOST["processes"]
made = 0
lock = _thread.allocate_lock()
lock.acquire()
try:
    while made < TOO_MANY:
        _thread.start_new_thread(lock.acquire, ())
        made += 1
except RuntimeError:
    say("limited", f"after {made} threads")
else:
    say("BREACH", f"{made} threads")
