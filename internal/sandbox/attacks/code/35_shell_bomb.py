# row: 35
# tries: the fork bomb of the shell, whose processes make more of themselves. Only if there is a limit that stops it.
# status: ok timeout died out_of_memory
# timeout: 3
import resource
import subprocess
limit = resource.getrlimit(resource.RLIMIT_NPROC)[0]
if not 0 < limit < 5000:
    say("BREACH", "no limit of processes but", limit)
    raise SystemExit
bomb = subprocess.Popen(["bash", "-c", "b() { b | b & }; b; sleep 1000"], stdin=subprocess.DEVNULL,
                        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
bomb.wait()
