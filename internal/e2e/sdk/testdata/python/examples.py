"""Runs the SDK's own examples, each as a program of its own.

usage: examples.py FOLDER"""

import contextlib
import io
import pathlib
import runpy
import sys

for name in ["assistant.py", "assistant_stream.py", "assistant_stream_helpers.py"]:
    with contextlib.redirect_stdout(io.StringIO()) as printed:
        runpy.run_path(str(pathlib.Path(sys.argv[1], name)), run_name="__main__")
    assert printed.getvalue(), name
