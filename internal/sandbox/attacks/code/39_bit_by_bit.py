# row: 39
# tries: to take more memory than it may have in small pieces, and in several processes.
# status: ok out_of_memory died
# beside: yes
MUCH = 3 * HOST["memory"]
pieces = []


def take(count):
    for _ in range(count >> 20):
        pieces.append(bytearray(os.urandom(4096)) * 256)


readers = []
try:
    for _ in range(4):
        end, out = os.pipe()
        readers.append(end)
        if os.fork() == 0:
            try:
                take(MUCH // 4)
                os.write(out, b"x")
                time.sleep(1000)
            finally:
                os._exit(0)
        os.close(out)
    full = [end for end in readers if os.read(end, 1)]
except MemoryError:
    say("limited", "MemoryError")
else:
    time.sleep(1)  # a watchdog looks four times a second
    if len(full) == 4:
        say("BREACH", "four processes took", MUCH, "bytes together")
    else:
        say("limited", "only", len(full), "processes got what they wanted")
