# row: 74
# tries: to raise its own limits.
# lines: 12
# gvisor: nice
import resource
for name in ("NOFILE", "NPROC", "FSIZE", "CORE", "MEMLOCK", "MSGQUEUE", "NICE", "RTPRIO", "SIGPENDING", "STACK", "DATA"):
    kind = getattr(resource, "RLIMIT_" + name)
    hard = resource.getrlimit(kind)[1]
    if hard == resource.RLIM_INFINITY:
        say("BREACH" if name not in ("DATA", "STACK") else "note", name, "is not limited")
        continue
    try:
        resource.setrlimit(kind, (hard + 1, hard + 1))
    except (ValueError, OSError):
        say("denied", "raise", name)
    else:
        say("BREACH", "raised", name)
    try:
        resource.prlimit(0, kind, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    except (ValueError, OSError):
        say("denied", "prlimit", name)
    else:
        say("BREACH", "prlimit raised", name)
denied("nice", os.nice, -5)
denied("real time", os.sched_setscheduler, 0, os.SCHED_FIFO, os.sched_param(1), also=("EINVAL",))
