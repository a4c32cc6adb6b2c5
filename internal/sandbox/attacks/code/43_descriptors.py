# row: 43
# tries: to use up the descriptors and the kernel's objects of the host: files, pipes, sockets, epoll, events, timers.
# lines: 6
import socket
epoll_create, timerfd_create = {"x86_64": (291, 283), "aarch64": (20, 85)}[os.uname().machine]
MAKERS = {
    "files": lambda: [os.open("/dev/null", os.O_RDONLY)],
    "pipes": lambda: list(os.pipe()),
    "sockets": lambda: [s.detach() for s in socket.socketpair()],
    "epoll": lambda: [raw(epoll_create, 0)],
    "events": lambda: [os.eventfd(0)],
    "timers": lambda: [raw(timerfd_create, 1, 0)],
}
for kind, make in MAKERS.items():
    made = []
    try:
        while len(made) < 2 * HOST["open_files"]:
            made += make()
        say("BREACH", len(made), kind)
    except OSError as error:
        good = error.errno in REFUSED | {errno.EMFILE} and len(made) <= HOST["open_files"]
        say("limited" if good else "BREACH", name_of(error), kind, len(made))
    for fd in made:
        os.close(fd)
