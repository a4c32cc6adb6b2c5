# Row 27: reach anything over the network; nothing may wait for a time-out.
# expect: held
import subprocess, urllib.request
def attempt(what, action):
    start = time.monotonic()
    try:
        breach(f"{what}: {action()!r:.80}")
    except Exception:
        pass
    if time.monotonic() - start > 3:
        breach(f"{what}: took {time.monotonic() - start:.1f} s")
attempt("loopback", lambda: socket.create_connection(("127.0.0.1", PORT), timeout=5))
attempt("metadata", lambda: socket.create_connection(("169.254.169.254", 80), timeout=5))
attempt("name", lambda: socket.getaddrinfo("localhost.localdomain", 80) and socket.gethostbyname("one.one.one.one"))
attempt("url", lambda: urllib.request.urlopen(f"http://127.0.0.1:{PORT}/", timeout=5).read())
attempt("shell", lambda: subprocess.run(["bash", "-c", f"exec 3<>/dev/tcp/127.0.0.1/{PORT} && echo in"], capture_output=True, check=True, timeout=5).stdout)
