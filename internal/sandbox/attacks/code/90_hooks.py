# row: 90
# tries: to hook into the interpreter of other sessions.
# lines: 2
import builtins


def hook(*args):
    os.write(1, b"BREACH a hook of the first session was called\n")


def take_over():
    shell = get_ipython() if "get_ipython" in globals() else None
    if shell is not None:
        shell.poisoned = True
        shell.ast_transformers.append(type("T", (), {"visit": lambda self, node: node, "poisoned": True})())
        shell.user_ns["poisoned"] = True
    sys.excepthook_poisoned = sys.excepthook
    builtins.poisoned_hook = hook
    sys.setprofile(None)


take_over()
say("own", "hooked into the first session")
# ==== session: second
import builtins
shell = get_ipython() if "get_ipython" in globals() else None
clean("hooks", [n for n in ("poisoned_hook",) if hasattr(builtins, n)] + [n for n in ("poisoned",) if n in globals() or hasattr(shell, n)]
      + [n for n in ("excepthook_poisoned",) if hasattr(sys, n)] + [t for t in getattr(shell, "ast_transformers", []) if hasattr(t, "poisoned")])
