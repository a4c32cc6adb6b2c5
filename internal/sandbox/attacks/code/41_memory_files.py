# row: 41
# tries: to hold memory in files without a name and in pipes, where no process is seen to own it.
# status: ok out_of_memory died error
# timeout: 60
# beside: yes
import fcntl
MUCH = 2 * HOST["memory"] + (256 << 20)
block = bytes(1 << 20)
held, files = 0, []
try:
    while held < MUCH:
        files.append(os.memfd_create("x"))
        for _ in range(16):
            held += os.write(files[-1], block)
    time.sleep(1)  # a watchdog looks four times a second
    os.fstat(files[0])
    say("BREACH", "memory files hold", held, "bytes")
except (OSError, MemoryError) as error:
    say("limited", error, "after", held)
for fd in files:
    os.close(fd)
pipes, buffered = [], 0
try:
    while True:
        end, out = os.pipe()
        pipes.append((end, out))
        try:
            fcntl.fcntl(out, 1031, 1 << 20)  # F_SETPIPE_SZ
        except OSError:
            pass
        os.set_blocking(out, False)
        buffered += os.write(out, block)
except OSError as error:
    say("limited", name_of(error), "pipes hold", buffered)
