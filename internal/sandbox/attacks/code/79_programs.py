# row: 79
# tries: ways out through the programs that are installed, and whether what they return is true.
# lines: 8
import shutil
import subprocess
for command, want in (("true", 0), ("false", 1), ("exit 7", 7), ("kill -9 $$", -9), ("python3 -c 'import sys; sys.exit(5)'", 5)):
    code = subprocess.run(command, shell=True).returncode
    say("own" if code == want else "BREACH", command, "returned", code)
clean("waitpid", [s for s in [in_child(lambda: os._exit(3))] if os.waitstatus_to_exitcode(s) != 3])
for command in ("curl -s -m 3 http://127.0.0.1/", "wget -q -T 3 http://127.0.0.1/", "ping -c1 -W1 127.0.0.1", "mount -t tmpfs x /tmp",
                "su -c id", "sudo -n id", "unshare -r id", "nsenter -t 1 -m id", "chroot / id", "docker ps"):
    program = shutil.which(command.split()[0])
    if program is None:
        say("absent", command.split()[0])
        continue
    began = time.monotonic()
    done = subprocess.run(command, shell=True, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    good = done.returncode != 0 and time.monotonic() - began < 5
    say("denied" if good else "BREACH", command, done.returncode)
