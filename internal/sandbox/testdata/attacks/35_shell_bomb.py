# row: 35
# tries: the fork bomb of the shell, whose processes make more of themselves. Only where something stops it.
# status: ok timeout died out_of_memory
# timeout: 3
# bomb: yes
# needs: limit of processes
import subprocess
bomb = subprocess.Popen(["bash", "-c", "b() { b | b & }; b; sleep 1000"], stdin=subprocess.DEVNULL,
                        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
bomb.wait()
