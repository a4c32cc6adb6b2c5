# row: 28
# tries: to meet the host and another session on abstract socket names, which have no file.
# lines: 5
import socket


def at(name):
    return "\0" + name


listener = socket.socket(socket.AF_UNIX)
listener.bind(at("understudy-meeting-" + HOST["abstract"]))
listener.listen()
say("own", "bound in the first session")
try:
    socket.socket(socket.AF_UNIX).connect(at(HOST["abstract"]))
except OSError as error:
    say("denied", name_of(error), "the host's name from the first session")
else:
    say("BREACH", "connected to the host")
# ==== session: second
import socket


def at(name):
    return "\0" + name


for name, what in ((HOST["abstract"], "the host's name"), ("understudy-meeting-" + HOST["abstract"], "the first session's name")):
    try:
        socket.socket(socket.AF_UNIX).connect(at(name))
    except OSError as error:
        say("denied", name_of(error), what)
    else:
        say("BREACH", "connected to", what)
listener = socket.socket(socket.AF_UNIX)
listener.bind(at("understudy-meeting-" + HOST["abstract"]))
say("own", "the same name is free in the second session")
