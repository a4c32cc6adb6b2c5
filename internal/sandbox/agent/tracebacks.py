"""Tracebacks in the layout of IPython, from the lines of the files alone.

IPython parses every file that a traceback passes through, to find the expression in
the line. The files of pandas take it half a second and fifty megabytes, and each
session would pay that for its first KeyError."""

import contextlib
import inspect
import linecache
import os
import traceback

AGENT = os.path.dirname(__file__)
WIDTH = 75
TITLE = "Traceback (most recent call last)"
BEFORE, AFTER = 3, 2  # lines of context
ENDS = 5  # frames at each end of a long traceback
LINKS = 8  # exceptions that led to one another
CAUSE = "The above exception was the direct cause of the following exception:\n"
CONTEXT = "During handling of the above exception, another exception occurred:\n"


def render(error, trace, cell):
    """Return the traceback of an exception and of those that led to it. cell(name) says
    what to call a file that is a cell, and None of any other."""
    if isinstance(error, BaseExceptionGroup):
        return "".join(traceback.format_exception(error)).rstrip()
    known = set(linecache.cache)
    lines = ["-" * WIDTH]
    for error, trace, why in reversed(chain(error, trace)):
        lines += [one(error, trace, cell), "", why] if why else [one(error, trace, cell)]
    for name in set(linecache.cache) - known:
        linecache.cache.pop(name, None)
    return "\n".join(lines)


def chain(error, trace):
    """Return an exception and those that led to it, the last first, with what to say
    between each and the one before it in the list."""
    links = [(error, trace, "")]
    while len(links) < LINKS:
        error = links[-1][0]
        if error.__cause__ is not None:
            earlier, why = error.__cause__, CAUSE
        elif error.__context__ is not None and not error.__suppress_context__:
            earlier, why = error.__context__, CONTEXT
        else:
            break
        if any(earlier is link[0] for link in links):
            break
        links.append((earlier, earlier.__traceback__, why))
    return links


def one(error, trace, cell):
    name = type(error).__name__
    parts = [name + TITLE.rjust(WIDTH - len(name))]
    shown = frames(trace, cell)
    for place, (frame, line) in enumerate(shown):
        if len(shown) <= 3 * ENDS or place < ENDS or place >= len(shown) - ENDS:
            parts.append(describe(frame, line, cell))
        elif place == ENDS:
            parts.append(f"[... {len(shown) - 2 * ENDS} frames left out ...]\n")
    said = "".join(traceback.format_exception_only(error)).rstrip()
    return "\n".join((*parts, said.removeprefix(f"{type(error).__module__}.")))


def frames(trace, cell):
    """Return the frames of the user's code and what that called, with their lines. Our own
    are left out: those of an interrupt, or around a handler or a fork."""
    found = []
    while trace is not None:
        if not trace.tb_frame.f_code.co_filename.startswith(AGENT):
            found.append((trace.tb_frame, trace.tb_lineno))
        trace = trace.tb_next
    first = next((i for i, (frame, _) in enumerate(found) if cell(frame.f_code.co_filename)), None)
    return found[first or 0:]


def describe(frame, line, cell):
    """Name a frame, and show the lines around the one it is in."""
    code = frame.f_code
    name = cell(code.co_filename)
    where = f"{name}, line {line}" if name else f"File {code.co_filename}:{line}"
    first, last = max(1, line - BEFORE), line + AFTER
    if code.co_name != "<module>":
        where += f", in {code.co_qualname}({', '.join(arguments(code))})"
        first, last = max(first, code.co_firstlineno), min(last, max(n or 0 for *_, n in code.co_lines()))
    context = []
    with contextlib.suppress(Exception):  # the user's own loaders are asked too
        context = [text.rstrip() for text in linecache.getlines(code.co_filename, frame.f_globals)[first - 1:last]]
    margin = min((len(text) - len(text.lstrip()) for text in context if text), default=0)
    shown = [where]
    for number, text in enumerate(context, first):
        mark = f"{number:>7} " if number != line else f"{'> ':->{7 - len(str(number))}}{number} "
        shown.append((mark + text[margin:]).rstrip())
    return "\n".join((*shown, ""))


def arguments(code):
    """Return the names of a function's parameters as they are declared."""
    names, plain = list(code.co_varnames), code.co_argcount
    found, rest = names[:plain], names[plain:]
    keywords, rest = rest[:code.co_kwonlyargcount], rest[code.co_kwonlyargcount:]
    if code.co_flags & inspect.CO_VARARGS:
        found.append("*" + rest.pop(0))
    found += keywords
    if code.co_flags & inspect.CO_VARKEYWORDS:
        found.append("**" + rest.pop(0))
    return found
