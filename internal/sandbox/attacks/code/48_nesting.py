# row: 48
# tries: to exhaust the stack by deep nesting in parsers, picklers and calls.
# lines: 6
# status: ok died out_of_memory
import ast
import pickle


def limited(what, call):
    try:
        call()
    except (RecursionError, MemoryError, SyntaxError, ValueError) as error:
        say("limited", type(error).__name__, what)
    else:
        say("own", what, "went through")


def endless():
    endless()


deep = []
for _ in range(100_000):
    deep = [deep]
limited("calls", endless)
limited("json", lambda: json.loads("[" * 100_000))
limited("json out", lambda: json.dumps(deep))
limited("pickle", lambda: pickle.dumps(deep))
limited("brackets", lambda: ast.parse("(" * 100_000))
limited("minus signs", lambda: compile("-" * 100_000 + "1", "x", "eval"))
del deep
