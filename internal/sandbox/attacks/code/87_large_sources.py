# row: 87
# tries: to exhaust the compiler with sources of many megabytes.
# status: ok out_of_memory died
# timeout: 30
for what, source in (("string", "x = '" + "a" * (20 << 20) + "'"), ("list", "[" + "1," * (1 << 20) + "]"), ("lines", "x = 1\n" * (1 << 18))):
    try:
        compile(source, "bomb", "exec")
        say("own", what, "was compiled")
    except (MemoryError, RecursionError, SyntaxError) as error:
        say("limited", type(error).__name__, what)
