"""A small shell for interpreters without IPython: the same output, fewer comforts."""

import ast
import builtins
import linecache
import sys
import types

from . import hints, kernel, tracebacks, values


class Shell:
    """Runs cells in one namespace and shows the value of a last expression."""

    name = "minimal"

    def __init__(self):
        self.forget()
        builtins.display = show

    def forget(self):
        """Start over with an empty namespace."""
        module = types.ModuleType("__main__")
        sys.modules["__main__"] = module
        self.namespace = module.__dict__
        self.namespace["__builtins__"] = builtins
        self.count = 0
        leave = lambda code=None: kernel.display.text("The session stays open: there is nothing to exit from.\n")
        self.namespace["exit"] = self.namespace["quit"] = leave

    def execute(self, code):
        """Run a cell; return ok, error or interrupted."""
        self.count += 1
        name = f"<cell {self.count}>"
        linecache.cache[name] = (len(code), None, code.splitlines(True), name)
        try:
            tree = ast.parse(code, name)
            last = None
            if tree.body and isinstance(tree.body[-1], ast.Expr) and not code.rstrip().endswith(";"):
                last = ast.Expression(tree.body.pop().value)
            exec(compile(tree, name, "exec"), self.namespace)
            if last is not None:
                value = eval(compile(last, name, "eval"), self.namespace)
                if value is not None:
                    self.namespace["_"] = value
                    show(value)
        except KeyboardInterrupt:
            self.report_interrupt()
            return "interrupted"
        except SystemExit as error:
            kernel.display.traceback(f"SystemExit: {error}")
            return "error"
        except BaseException as error:
            kernel.display.traceback(tracebacks.render(error, error.__traceback__, cell_name) + hints.behind(error))
            return "error"
        return "ok"

    def report_interrupt(self):
        kernel.display.traceback("KeyboardInterrupt")


def cell_name(name):
    """What to call the file of a cell, None for other files."""
    return f"Cell In[{name[6:-1]}]" if name.startswith("<cell ") else None


def show(*shown):
    """Show each value: as a picture if it can be one, else its repr."""
    for value in shown:
        if values.present(value):
            continue
        data = {}
        for kind, method in (("image/png", "_repr_png_"), ("image/jpeg", "_repr_jpeg_")):
            render = getattr(type(value), method, None)
            if render is not None and (image := render(value)):
                data[kind] = image
        if not data:
            data["text/plain"] = repr(value)
        kernel.display.bundle(data)
