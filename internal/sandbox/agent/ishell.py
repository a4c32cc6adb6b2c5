"""The shell of a session on top of IPython's own InteractiveShell."""

import ast
import contextlib
import linecache
import subprocess
import sys
import warnings

from IPython.core.compilerop import CachingCompiler
from IPython.core.displayhook import DisplayHook
from IPython.core.displaypub import DisplayPublisher
from IPython.core.formatters import IPythonDisplayFormatter, catch_format_error
from IPython.core.history import HistoryManager
from IPython.core.inputtransformer2 import TransformerManager
from IPython.core.interactiveshell import InteractiveShell
from traitlets.config import Config

from . import hints, kernel, packages, tracebacks, values

SYNTAX = vars(TransformerManager())  # what IPython adds to Python's


class Compiler(CachingCompiler):
    """Parses plain Python once, to tell that it is that and to run it."""

    _parsed = None, None  # code and its tree, good for one use: whoever gets the tree may change it

    def cache(self, transformed_code, number=0, raw_code=None):
        """Name the code; parse has done the rest, if it is the same."""
        name = self.get_code_name(raw_code, transformed_code, number)
        return name if name in self._filename_map and name in linecache.cache else super().cache(transformed_code, number, raw_code)

    def parse(self, code, number):
        """Return the tree of code, which is about to become the cell of this number, and keep it
        for the next ast_parse; None if it is not Python."""
        name = self.cache(code, number)  # a warning shows the line
        try:
            tree = super().ast_parse(code, name)
        except Exception:
            self._filename_map.pop(name, None)
            linecache.cache.pop(name, None)
            return None
        self._parsed = code, tree
        return tree

    def ast_parse(self, source, filename="<unknown>", symbol="exec"):
        (code, tree), self._parsed = self._parsed, (None, None)
        return tree if (code, "exec") == (source, symbol) else super().ast_parse(source, filename, symbol)


# What each cell changes is a plain attribute in the classes below: nobody observes it, and to
# check a trait takes longer than most cells run.


class Hook(DisplayHook):
    """Sends the value of a cell instead of printing it."""

    exec_result = None

    def write_output_prompt(self):
        pass

    def write_format_data(self, format_dict, md_dict=None):
        kernel.display.bundle(format_dict)

    def finish_displayhook(self):
        pass

    def log_output(self, format_dict):
        """Keep no copy of what was shown, but for a log that was asked for."""
        if self.shell.logger.log_output:
            super().log_output(format_dict)


class History(HistoryManager):
    """Remembers the cells of the session, and keeps nothing for a database."""

    _i = _ii = _iii = _i00 = ""

    def store_inputs(self, line_num, source, source_raw=None):
        raw = (source_raw or source).rstrip("\n")
        self.input_hist_parsed.append(source.rstrip("\n"))
        self.input_hist_raw.append(raw)
        self._iii, self._ii, self._i, self._i00 = self._ii, self._i, self._i00, raw
        self.shell.push({"_i": self._i, "_ii": self._ii, "_iii": self._iii, f"_i{line_num}": raw}, interactive=False)


class Publisher(DisplayPublisher):
    """Sends what display() is given."""

    def publish(self, data, metadata=None, source=None, *, transient=None, update=False, **kwargs):
        kernel.display.bundle(data)

    def clear_output(self, wait=False):
        pass


class Presenter(IPythonDisplayFormatter):
    """Lets the values that are known here be shown as they are everywhere."""

    @catch_format_error
    def __call__(self, obj):
        return values.present(obj) or super().__call__(obj)


class Shell(InteractiveShell):
    """IPython without a terminal, a history, or a way out."""

    name = "ipython"
    compiler_class = Compiler
    execution_count = 1
    last_execution_succeeded = True
    last_execution_result = None

    def init_history(self):
        self.history_manager = History(shell=self, parent=self)
        self.configurables.append(self.history_manager)

    def init_displayhook(self):
        self.displayhook_class = Hook
        super().init_displayhook()

    def init_display_pub(self):
        self.display_pub_class = Publisher
        super().init_display_pub()

    def transform_cell(self, raw_cell):
        """Leave plain Python as it is: to look for magics in each of its lines takes longer than
        most cells run. But one expression may be a command, such as ls, and a pasted prompt is
        an annotation to Python."""
        code = raw_cell if raw_cell.endswith("\n") else raw_cell + "\n"
        own_syntax = self.input_transformers_post or vars(self.input_transformer_manager) != SYNTAX
        if own_syntax or "In [" in code or not (tree := self.compile.parse(code, self.execution_count)) or is_expression(tree):
            return super().transform_cell(raw_cell)
        return code

    def should_run_async(self, raw_cell, **kwargs):
        """Say whether the cell awaits anything. One without these words is not compiled to find out."""
        code = kwargs.get("transformed_cell") or raw_cell
        return ("await" in code or "async" in code) and super().should_run_async(raw_cell, **kwargs)

    def _tee(self, channel):
        """Keep no copy of what was printed."""
        return contextlib.nullcontext()

    def _format_exception_for_storage(self, exception, *args, **kwargs):
        """Keep no copy of a traceback: it would have to be made a second time."""
        return {"ename": type(exception).__name__, "evalue": "", "traceback": []}

    def enable_gui(self, gui=None):
        pass

    def enable_matplotlib(self, gui=None):
        return "agg", None

    def ask_exit(self):
        kernel.display.text("The session stays open: there is nothing to exit from.\n")

    def system(self, cmd):
        command = self.var_expand(cmd, depth=1)
        asked = hints.installation(command)
        if asked and (asked.alone or not hints.can_install()):
            self.user_ns["_exit_code"] = 0 if install(asked.words) else 1
            return
        sys.stdout.flush()
        done = subprocess.run(command, shell=True, stdin=subprocess.DEVNULL)
        self.user_ns["_exit_code"] = done.returncode
        if done.returncode != 0 and (hint := hints.about_failed(cmd)):
            kernel.display.text(f"{hint}\n")

    system_piped = system_raw = system

    def cell_name(self, name):
        """What to call the file of a cell, None for other files."""
        number = self.compile._filename_map.get(name)
        return None if number is None else f"Cell In[{number}]"

    def _showtraceback(self, etype, evalue, stb):
        kernel.display.traceback(self.InteractiveTB.stb2text(stb) + hints.behind(evalue))

    def execute(self, code):
        """Run a cell; return ok, error or interrupted."""
        result = self.run_cell(code, store_history=True)
        error = result.error_before_exec or result.error_in_exec
        if error is None:
            return "ok"
        return "interrupted" if isinstance(error, KeyboardInterrupt) else "error"

    def report_interrupt(self):
        kernel.display.traceback("KeyboardInterrupt")

    def forget(self):
        """Forget the cells of the warm-up."""
        self.reset(new_session=True)
        self.execution_count = 1
        history = self.history_manager
        history._i = history._ii = history._iii = history._i00 = ""
        for name in ("last_type", "last_value", "last_traceback", "last_exc"):
            if hasattr(sys, name):
                delattr(sys, name)


def is_expression(tree):
    return len(tree.body) == 1 and isinstance(tree.body[0], ast.Expr)


def make():
    config = Config()
    config.HistoryManager.enabled = False
    config.HistoryAccessor.enabled = False
    config.InteractiveShell.cache_size = 100
    config.InteractiveShell.autoindent = False
    config.InteractiveShell.separate_in = ""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        shell = Shell.instance(config=config)
        for name in ("nocolor", "NoColor"):
            try:
                shell.colors = name
                break
            except Exception:  # the spelling differs between releases
                continue
    warnings.filterwarnings("ignore", message="To exit: use")
    shell.InteractiveTB.structured_traceback = (
        lambda kind, error, trace, *args, **kwargs: [tracebacks.render(error, trace, shell.cell_name)])
    formatter = shell.display_formatter
    formatter.active_types = [*kernel.IMAGE_TYPES, *kernel.TEXT_TYPES]
    formatter.ipython_display_formatter = Presenter(parent=formatter)
    shell.builtin_trap.__enter__()  # for good, rather than for each cell
    shell.register_magic_function(pip, "line", "pip")
    shell.register_magic_function(conda, "line", "conda")
    return shell


def pip(line):
    """The magic %pip, which also goes without a sign. It does what the command does."""
    Shell.instance().system(f"pip {line}")


def conda(line):
    """The magic %conda: there is pip at best."""
    kernel.display.text("There is no conda here: use %pip.\n" if hints.can_install() else f"{hints.NO_INSTALL}\n")


def install(words):
    """Install packages, and show what came of it."""
    ok, text = packages.install(words)
    kernel.display.text(text if text.endswith("\n") else f"{text}\n")
    return ok
