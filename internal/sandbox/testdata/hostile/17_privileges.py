# Row 17: programs that would give more rights.
# expect: held
import subprocess
status = dict(line.split(":", 1) for line in open("/proc/self/status") if ":" in line)
for name in ["CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"]:
    if int(status[name], 16):
        breach(f"{name} {status[name].strip()}")
if status["NoNewPrivs"].strip() != "1":
    breach("no_new_privs is off")
if status["Seccomp"].strip() != "2":
    breach("no system call filter")
for program in ["/bin/su", "/usr/bin/su", "/usr/bin/sudo", "/usr/bin/mount", "/bin/mount", "/usr/bin/pkexec", "/usr/bin/passwd", "/usr/bin/newgrp", "/usr/bin/chsh"]:
    if not os.path.exists(program):
        continue
    try:
        out = subprocess.run([program, "-c", "id"], stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=10)
    except OSError:
        continue
    if "uid=0" in out.stdout and os.getuid() != 0:  # an unprivileged server's sessions see themselves as 0, without capabilities
        breach(f"{program}: {out.stdout}")
