# row: 80
# tries: to wait for an answer that nobody can give.
# lines: 3
# timeout: 10
# prints: anything
import getpass
for what, ask in (("input", input), ("getpass", getpass.getpass), ("stdin", lambda: sys.stdin.readline() or [][0])):
    try:
        ask()
    except (EOFError, IndexError, OSError, RuntimeError) as error:
        print()
        say("denied", type(error).__name__, what)
    else:
        say("BREACH", what, "got an answer")
