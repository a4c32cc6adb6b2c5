# row: 27
# tries: to reach the network, by address, by name, and with the tools one would use. Each must fail at once.
# timeout: 180
# lines: 14
import shutil
import socket
import subprocess
import urllib.request


def fails(what, call, limit=1.0):
    took = 0.0
    for _ in range(3):  # the best of three: the machine may be busy
        began = time.monotonic()
        try:
            result = call()
        except Exception as error:
            took = time.monotonic() - began
        else:
            say("BREACH", what, "worked:", repr(result)[:100])
            return
        if took < limit:
            say("denied", what, f"in {took:.3f} s")
            return
    say("BREACH", what, f"fails only after {took:.1f} s")


def run(*command):
    return subprocess.run(command, check=True, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, timeout=50).stdout


for address in ("169.254.169.254", "192.0.2.1", "fd00:ec2::254"):
    fails(f"connect to {address}", lambda: socket.create_connection((address, 80), timeout=5))
for name in ("example.org", "metadata.google.internal", "localhost.localdomain"):
    fails(f"resolve {name}", lambda: socket.getaddrinfo(name, 80))
    fails(f"gethostbyname {name}", lambda: socket.gethostbyname(name))
fails("urllib", lambda: urllib.request.urlopen("http://example.org/", timeout=5))
fails("urllib of the metadata service", lambda: urllib.request.urlopen("http://169.254.169.254/latest/meta-data/", timeout=5))
fails("datagram", lambda: socket.socket(socket.AF_INET, socket.SOCK_DGRAM).sendto(b"x", ("192.0.2.1", 53)))
fails("ping", lambda: socket.socket(socket.AF_INET, socket.SOCK_RAW, 1))
fails("bash /dev/tcp", lambda: run("bash", "-c", f"exec 3<>/dev/tcp/127.0.0.1/{HOST['port']}"))
for tool in ("curl", "wget", "ssh", "git"):
    if shutil.which(tool):
        arguments = {"ssh": ["-o", "BatchMode=yes", "example.org"], "git": ["ls-remote", "http://example.org/x"]}
        fails(tool, lambda: run(tool, *arguments.get(tool, ["http://example.org/"])), limit=3)
pip = subprocess.run([sys.executable, "-c", "import pip"], capture_output=True).returncode == 0
if pip:  # its own retries take most of this
    fails("pip", lambda: run(sys.executable, "-m", "pip", "download", "--no-input", "-d", "/tmp", "understudy-canary"), limit=40)
else:
    say("absent", "pip")
