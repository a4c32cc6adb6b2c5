# row: 36
# tries: to leave a process behind by forking twice, in a session of its own, and to be free of limits and of the kill.
# lines: 4
if os.fork() == 0:
    os.setsid()
    if os.fork() == 0:
        with open("/tmp/daemon", "w") as f:
            f.write(str(os.getpid()))
        time.sleep(1000)
    os._exit(0)
os.wait()
for _ in range(500):
    if os.path.exists("/tmp/daemon") and os.path.getsize("/tmp/daemon"):
        break
    time.sleep(0.01)
say("own", "a daemon is on its way")
# ==== session: first
daemon = int(open("/tmp/daemon").read())
os.kill(daemon, 0)
say("own", "the daemon lives into the next cell")
clean("parents of the daemon but the first process", [w for w in [os.waitpid(daemon, os.WNOHANG)] if w != (0, 0)])
# ==== session: second
clean("the daemon's file in the second session", [n for n in os.listdir("/tmp") if n == "daemon"])
