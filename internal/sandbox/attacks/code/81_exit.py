# row: 81
# tries: to end its process by leaving a thread or a cell, and to replace it.
# lines: 2
import threading
thread = threading.Thread(target=sys.exit)
thread.start()
thread.join()
say("own", "a thread has left")
try:
    sys.exit(3)
except SystemExit:
    say("own", "so has the cell, nearly")
