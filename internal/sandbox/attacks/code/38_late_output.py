# row: 38
# tries: to put words into the result of a cell from a thread that another cell left behind.
# lines: 2
import threading
go, said = threading.Event(), threading.Event()


def late():
    go.wait()
    print("BREACH printed into another cell")
    sys.stderr.write("BREACH written into another cell\n")
    said.set()


threading.Thread(target=late, daemon=True).start()
say("own", "a thread stays behind")
# ==== session: first
go.set()
said.wait(5)
say("own", "the thread has printed")
