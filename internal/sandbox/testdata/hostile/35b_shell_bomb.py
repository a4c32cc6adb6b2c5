# Row 35: the classic one, in a shell. It may starve the session, not the host.
# expect: any
import subprocess
subprocess.Popen(["bash", "-c", ":(){ :|:& };:"])
time.sleep(1)
