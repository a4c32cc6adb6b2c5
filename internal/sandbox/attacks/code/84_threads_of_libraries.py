# row: 84
# tries: to lock itself up with 64 threads of the numeric libraries and forks between them.
# lines: 2
# timeout: 30
# status: ok error
try:
    import numpy
except ImportError:
    say("note", "numpy is not here")
    say("note", "nor its threads")
else:
    for line in open("/proc/self/maps"):
        if "openblas" in line:
            blas = ctypes.CDLL(line.split()[-1])
            for name in ("openblas_set_num_threads", "openblas_set_num_threads64_", "scipy_openblas_set_num_threads64_"):
                if hasattr(blas, name):
                    getattr(blas, name)(64)
            break
    a = numpy.ones((400, 400))
    say("own", (a @ a).sum())
    status = in_child(lambda: (a @ a).sum())
    say("own" if status == 0 else "note", "a fork after threads ended with", status)
