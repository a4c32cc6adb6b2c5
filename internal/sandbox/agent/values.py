"""How values that mean more than their text are shown: figures once each, and the
figures of plotly and tables also as data, for programs that draw them themselves."""

import functools
import json
import math
import os
import sys
import weakref
from importlib.machinery import PathFinder

from . import kernel

DATA_LIMIT = 256 << 10  # bytes of JSON of one value
ROWS, COLUMNS = 200, 50  # of a table
TEXT = 500  # characters of a string in data

PLOTLY_NOTE = ("[plotly figure: {}. Programs that ask for data can draw it; there is no browser here to make a picture, "
               "so the user may see none. For a picture use matplotlib, for an interactive page fig.write_html('/mnt/data/figure.html', include_plotlyjs='cdn').]\n")

_drawn = weakref.WeakKeyDictionary()  # figures shown in this cell: their pictures


def begin():
    """Begin a cell: what was shown before may be shown again."""
    _drawn.clear()


def present(value):
    """Show a value of a kind known here, and report whether it was one."""
    for kind in type(value).__mro__:
        presenter = PRESENTERS.get((kind.__module__, kind.__name__))
        if presenter is not None:
            presenter(value)
            return True
    return False


def figure(value):
    """Show a figure of matplotlib, unless this cell has shown the same already. The
    sweep at the end of the cell must not show it again."""
    picture = kernel.png(value)
    if pyplot := sys.modules.get("matplotlib.pyplot"):
        pyplot.close(value)
    if _drawn.get(value) == picture:
        return
    _drawn[value] = picture
    kernel.display.image("image/png", picture, _data("chart", _chart, value))


def _chart(value):
    from . import charts
    return charts.describe(value)


def table(value):
    """Show a DataFrame or a Series."""
    kernel.display.text(f"{value!r}\n", _data("table", _table, value))


def _table(value):
    frame = value if hasattr(value, "columns") else value.to_frame()
    part = frame.iloc[:ROWS, :COLUMNS]
    cells = [[plain(v) for v in part.iloc[:, i]] for i in range(part.shape[1])]
    return {
        "columns": [{"name": plain(name), "dtype": str(kind)} for name, kind in zip(part.columns, part.dtypes)],
        "index": [plain(label) for label in part.index],
        "rows": [list(row) for row in zip(*cells)] if cells else [[] for _ in range(len(part))],
        "total_rows": frame.shape[0],
        "total_columns": frame.shape[1],
    }


def plotly(value):
    """Show a figure of plotly: no picture of it can be made without a browser."""
    shapes = [trace.type for trace in value.data]
    what = ", ".join(f"{shapes.count(shape)} × {shape}" for shape in dict.fromkeys(shapes)) or "empty"
    if title := value.layout.title.text:
        what = f"{title!r}, {what}"
    kernel.display.text(PLOTLY_NOTE.format(what[:TEXT]), _data("plotly", lambda v: json.loads(v.to_json()), value))


def svg(value):
    """Keep an SVG picture as a file: pictures in messages are made of pixels."""
    number = 1
    while os.path.lexists(path := f"/mnt/data/figure-{number}.svg"):
        number += 1
    with open(path, "x", encoding="utf-8") as f:
        f.write(value._repr_svg_() or "")
    kernel.display.text(f"[SVG picture, saved as {path}]\n")


PRESENTERS = {
    ("matplotlib.figure", "Figure"): figure,
    ("pandas", "DataFrame"): table,
    ("pandas", "Series"): table,
    ("pandas.core.frame", "DataFrame"): table,
    ("pandas.core.series", "Series"): table,
    ("plotly.basedatatypes", "BaseFigure"): plotly,
    ("IPython.core.display", "SVG"): svg,
}


def _data(kind, make, value):
    """Return a value as JSON text; None if that fails or gets too long: what is shown
    does not depend on it."""
    try:
        text = json.dumps({"type": kind, kind: make(value)}, allow_nan=False)
    except Exception:
        return None
    return text if len(text) <= DATA_LIMIT else None


def plain(value):
    """Return a value as JSON has it: numbers, short strings, and dates in ISO form."""
    if hasattr(value, "item") and not hasattr(value, "__len__"):  # a scalar of numpy's
        value = value.item() if value.dtype.kind not in "mM" else str(value)
    if value is None or isinstance(value, (bool, int)):
        return value if value is None or -2**53 < value < 2**53 else str(value)
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if hasattr(value, "isoformat"):
        value = value.isoformat()
    text = str(value)
    if text in ("NaT", "<NA>"):
        return None
    return text if len(text) <= TEXT else text[:TEXT] + "…"


def install():
    """Make fig.show() of plotly show figures here, once plotly is imported."""
    sys.meta_path.insert(0, _After)


class _After:
    """Finds the modules that are changed here, and changes them after their import."""

    @staticmethod
    def find_spec(name, path=None, target=None):
        change = CHANGES.get(name)
        spec = PathFinder.find_spec(name, path, target) if change else None
        if spec is not None:
            spec.loader.exec_module = functools.partial(_execute, spec.loader.exec_module, change)
        return spec


def _execute(execute, change, module):
    execute(module)
    change(module)


def _change_plotly(module):
    class Renderer(module.ExternalRenderer):
        def render(self, fig):
            from plotly.graph_objects import Figure
            shown = Figure(fig, skip_invalid=True)
            if "template" not in fig.get("layout", {}):
                shown.layout.template = None  # not plotly's own, which a new figure gets
            plotly(shown)

    module.renderers["sandbox"] = Renderer()
    module.renderers.default = "sandbox"


CHANGES = {"plotly.io._renderers": _change_plotly}
