# row: 6
# tries: to see processes that are not the session's.
# lines: 3
# outside: breach
own = {os.getpid()}
child = os.fork()
if child == 0:
    time.sleep(100)
    os._exit(0)
own.add(child)
clean("listed processes", [n for n in os.listdir("/proc") if n.isdigit() and int(n) not in own])
clean("processes by number", [n for n in range(1, 4096) if n not in own and os.path.exists(f"/proc/{n}/stat")])
os.kill(child, 9)
os.waitpid(child, 0)
clean("parent", [] if os.getppid() == 0 else [os.getppid()])
