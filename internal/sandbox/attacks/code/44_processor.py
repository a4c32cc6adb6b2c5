# row: 44
# tries: to take all processors of the host with many processes.
# lines: 1
# timeout: 30
# beside: yes
# gvisor: took
WALL = 1.5
# gVisor counts a process that waits for a processor, too: there TestProcessorsAreBounded asks the host.
before = os.times()
began = time.monotonic()
children = []
for _ in range(4):
    pid = os.fork()
    if pid == 0:
        while time.monotonic() - began < WALL:
            pass
        os._exit(0)
    children.append(pid)
for pid in children:
    os.waitpid(pid, 0)
spent = os.times().children_user + os.times().children_system - before.children_user - before.children_system
share = spent / (time.monotonic() - began)
if "cpu" not in HOST["controllers"]:
    say("note", f"no control group bounds the processor here; {share:.2f} taken")
elif share > 1.3 * HOST["cpu"] + 0.1:
    say("BREACH", f"took {share:.2f} processors of {HOST['cpu']}")
else:
    say("limited", f"{share:.2f} processors")
