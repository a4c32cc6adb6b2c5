# row: 13
# tries: to make new namespaces, in which it would be root again.
# lines: 35
FLAGS = {"NEWTIME": 0x80, "NEWNS": 0x20000, "NEWCGROUP": 0x2000000, "NEWUTS": 0x4000000, "NEWIPC": 0x8000000,
         "NEWUSER": 0x10000000, "NEWPID": 0x20000000, "NEWNET": 0x40000000}
for name, flag in FLAGS.items():
    denied(f"unshare {name}", raw, "unshare", flag)
    denied(f"unshare NEWUSER and {name}", raw, "unshare", flag | FLAGS["NEWUSER"])
    if flag > 0x80:  # its bit is that of a signal number here
        denied(f"clone {name}", raw_clone, flag)
        denied(f"clone NEWUSER and {name}", raw_clone, flag | FLAGS["NEWUSER"])
denied("unshare by the C library", lambda: os.unshare(FLAGS["NEWUSER"]) if hasattr(os, "unshare") else raw("unshare", FLAGS["NEWUSER"]))


def clone3(flags):
    arguments = (ctypes.c_uint64 * 11)()
    arguments[0], arguments[4] = flags, 17
    pid = raw("clone3", arguments, 88)
    if pid == 0:
        os._exit(0)
    os.waitpid(pid, 0)
    return pid


for name, flag in {"": 0, **FLAGS}.items():
    denied(f"clone3 {name}", clone3, flag)
import subprocess
for command in (["unshare", "-Ur", "id", "-u"], ["unshare", "-n", "true"]):
    try:
        done = subprocess.run(command, capture_output=True, timeout=20)
        clean(" ".join(command), [] if done.returncode else ["worked"])
    except FileNotFoundError:
        say("absent", command[0])
