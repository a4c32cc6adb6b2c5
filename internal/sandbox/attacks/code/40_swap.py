# row: 40
# tries: to be swapped out by growing slowly near its limit, which would make the host's disk busy.
# lines: 2
# gvisor: chances
held = []
for _ in range(HOST["memory"] // 4 >> 20):
    held.append(bytearray(os.urandom(4096)) * 256)
time.sleep(0.2)
try:
    clean("swapped pages", [n for n in status_field("VmSwap")[:1] if n != "0"])
except StopIteration:
    say("own", "this kernel counts no swap")
with open("/proc/self/oom_score_adj") as f:
    clean("chances to outlive the server when the host is short of memory", [n for n in f.read().split() if n != "1000"])
