# row: 3
# tries: to find the canary in the memory that came with the fork. It is looked for backwards, so that the needle is not what it finds.
# lines: 1
# timeout: 60
# outside: breach
backwards = bytes.fromhex(HOST["needle"])
found = []
with open("/proc/self/maps") as maps:
    lines = maps.read().splitlines()
for line in lines:
    span, rights, _, _, inode, *name = line.split()
    if not rights.startswith("rw") or name and name[0].startswith("[v"):
        continue
    start, end = (int(x, 16) for x in span.split("-"))
    for at in range(start, end, 1 << 20):
        block = ctypes.string_at(at, min((1 << 20) + 64, end - at))
        if backwards in block[::-1]:
            found.append(hex(at))
        del block
clean("memory", found)
