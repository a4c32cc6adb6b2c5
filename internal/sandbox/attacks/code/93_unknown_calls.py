# row: 93
# tries: system calls that the kernel below may not know, or know differently, and very many mappings.
# lines: 4
# timeout: 30
# gvisor status: ok died
import mmap
for number in (400, 500, 1000, 0x3FFFFFFF):
    denied(f"call {number}", raw, number, 0, 0, 0)
maps = []  # gVisor gives up a session that has more than the host allows a process: vm.max_map_count
until = time.monotonic() + 2
try:
    for _ in range(70_000):
        if time.monotonic() > until:
            break
        maps.append(mmap.mmap(-1, 4096, mmap.MAP_PRIVATE, mmap.PROT_READ if len(maps) % 2 else mmap.PROT_READ | mmap.PROT_WRITE))
    say("note", len(maps), "mappings")
except (OSError, MemoryError, ValueError) as error:
    say("limited", type(error).__name__, "mappings")
for m in maps:
    m.close()
