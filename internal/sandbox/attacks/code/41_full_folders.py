# row: 41
# tries: to fill the disks of the host through the folders it can write.
# lines: 4
# timeout: 60
# gvisor status: ok out_of_memory died
# gvisor lines: 0
# gvisor: 20000 files in /tmp
LIMITS = {"/tmp": HOST["tmp_bytes"], "/dev/shm": HOST["tmp_bytes"], "/mnt/data": HOST["data_bytes"]}
block = os.urandom(1 << 20)
for folder, limit in LIMITS.items():
    written, files = 0, []
    try:
        while written < limit + (64 << 20):
            files.append(f"{folder}/fill-{len(files)}")
            with open(files[-1], "wb", buffering=0) as f:
                for _ in range(8):
                    written += f.write(block)
        say("BREACH", folder, "took", written, "bytes of", limit)
    except OSError as error:
        say("limited" if error.errno in (errno.ENOSPC, errno.EDQUOT) else "BREACH", name_of(error), folder)
    finally:
        for name in files:
            if os.path.exists(name):
                os.remove(name)
made = 0
try:
    os.mkdir("/tmp/many")
    while made < 20_000:
        os.close(os.open(f"/tmp/many/{made}", os.O_CREAT))
        made += 1
    say("BREACH", made, "files in /tmp")
except OSError as error:
    say("limited", name_of(error), "files in /tmp")
for number in range(made):
    os.remove(f"/tmp/many/{number}")
