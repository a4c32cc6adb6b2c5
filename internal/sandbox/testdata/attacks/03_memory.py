# row: 3
# tries: to find the canary in the memory that came with the fork. It is looked for backwards, so that the needle is not what it finds.
# lines: 1
# timeout: 60
# outside: breach
backwards = bytes.fromhex(HOST["needle"])
found = []
with open("/proc/self/maps") as maps, open("/proc/self/mem", "rb", buffering=0) as memory:
    for line in maps.read().splitlines():
        span, rights, *rest = line.split()
        if not rights.startswith("rw") or rest[-1].startswith("[v"):
            continue
        start, end = (int(x, 16) for x in span.split("-"))
        for at in range(start, end, 1 << 20):
            try:
                memory.seek(at)
                block = memory.read(min(1 << 20, end - at) + 64)
            except (OSError, ValueError):
                continue
            if backwards in block[::-1]:
                found.append(hex(at))
            del block
clean("memory", found)
