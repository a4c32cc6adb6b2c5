# row: 31
# tries: to see in one session what another has left in every folder it can write.
# lines: 8
from multiprocessing import shared_memory
FOLDERS = ("/dev/shm", "/tmp", "/var/tmp", "/mnt/data")
for folder in FOLDERS:
    os.makedirs(f"{folder}/.deep/er", exist_ok=True)
    for name in ("canary-of-the-first", ".deep/er/canary-of-the-first"):
        with open(f"{folder}/{name}", "w") as f:
            f.write("written by the first session")
        os.chmod(f"{folder}/{name}", 0o666)
memory = shared_memory.SharedMemory("understudy_canary", create=True, size=64)
say("own", "canaries of the first session")
# ==== session: second
from multiprocessing import shared_memory
for folder in ("/dev/shm", "/tmp", "/var/tmp", "/mnt/data"):
    found = [os.path.join(where, name) for where, _, names in os.walk(folder) for name in names]
    clean(folder, [path for path in found if "canary" in path])
clean("/mnt/data of the second session", os.listdir("/mnt/data"))
try:
    shared_memory.SharedMemory("understudy_canary")
except OSError as error:
    say("absent", name_of(error), "shared memory")
else:
    say("BREACH", "shared memory of the first session")
with open("/tmp/of-the-second", "w"):
    pass
# ==== session: first
clean("/tmp of the first session", [n for n in os.listdir("/tmp") if n == "of-the-second"])
memory.close()
memory.unlink()
