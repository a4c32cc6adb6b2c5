# row: 40
# tries: to be swapped out by growing slowly near its limit, which would make the host's disk busy.
# lines: 1
held = []
for _ in range(HOST["memory"] // 4 >> 20):
    held.append(bytearray(os.urandom(4096)) * 256)
time.sleep(0.2)
try:
    clean("swapped pages", [n for n in status_field("VmSwap")[:1] if n != "0"])
except StopIteration:
    say("own", "this kernel counts no swap")
