"""What a figure of matplotlib shows, as data."""

from .values import plain

POINTS, SERIES, AXES = 1000, 50, 16  # of a series, of axes, of a figure
VALUES = 2500  # of an image
LABELS = ("FixedFormatter", "StrCategoryFormatter")  # the ticks are names, not numbers


def describe(figure):
    """Return the axes of a figure and the series in them."""
    axes = [_axes(ax) for ax in figure.axes[:AXES] if ax.get_label() != "<colorbar>"]
    kinds = {series["type"] for ax in axes for series in ax["series"]}
    title = _title(figure) or (axes[0]["title"] if len(axes) == 1 else "")
    return {"type": kinds.pop() if len(kinds) == 1 else "mixed" if kinds else "other", "title": title, "axes": axes}


def _title(figure):
    if hasattr(figure, "get_suptitle"):
        return figure.get_suptitle()
    return figure._suptitle.get_text() if figure._suptitle else ""  # before matplotlib 3.8


def _axes(ax):
    series, inner = [], set()
    for container in ax.containers:
        inner.update(map(id, container.get_children()))
        if hasattr(container, "orientation") and hasattr(container, "patches"):
            series.append(_bars(ax, container))
        elif hasattr(container, "has_xerr") and container[0] is not None:
            series.append(_line(ax, container[0], container.get_label()))
    wedges = []
    for artist in ax.get_children():
        if id(artist) in inner:
            continue
        kind = type(artist).__name__
        if kind == "Line2D":
            series.append(_line(ax, artist, artist.get_label()))
        elif kind == "PathCollection":
            series.append(_series("scatter", artist.get_label(), artist.get_offsets().tolist()))
        elif kind == "Wedge":
            wedges.append((artist.get_label(), (artist.theta2 - artist.theta1) / 360))
        elif kind in ("AxesImage", "QuadMesh"):
            series.append(_image(artist))
    if wedges:
        series.append(_series("pie", "", wedges))
    return {"title": ax.get_title(), "x": _axis(ax.xaxis), "y": _axis(ax.yaxis), "series": series[:SERIES]}


def _axis(axis):
    return {"label": axis.get_label_text(), "scale": axis.get_scale()}


def _line(ax, line, label):
    points = zip(line.get_xdata(orig=True), line.get_ydata(orig=True))
    if frequency := getattr(ax, "freq", None):  # pandas draws dates as numbers of periods
        from pandas import Period
        points = ((Period(ordinal=int(x), freq=frequency) if plain(x) is not None else None, y) for x, y in points)
    return _series("line", label, points)


def _image(artist):
    array = artist.get_array()
    series = {"type": "image", "label": _label(artist.get_label()), "rows": array.shape[0], "columns": array.shape[1]}
    if array.ndim == 2 and array.size <= VALUES:
        series["values"] = [[plain(v) for v in row] for row in array.tolist()]
    return series


def _bars(ax, container):
    upright = container.orientation != "horizontal"
    names = _names(ax.xaxis if upright else ax.yaxis)
    points = []
    for patch in container.patches:
        start, width, height = (patch.get_x(), patch.get_width(), patch.get_height()) if upright else \
            (patch.get_y(), patch.get_height(), patch.get_width())
        middle = start + width / 2
        points.append((_name(names, middle, width), height))
    return _series("bar" if upright else "barh", container.get_label(), points)


def _names(axis):
    """Return the names of an axis by position, if it has names."""
    kind, places = type(axis.get_major_formatter()).__name__, type(axis.get_major_locator()).__name__
    if kind not in LABELS and (kind, places) != ("FuncFormatter", "FixedLocator"):
        return {}
    return {at: label.get_text() for at, label in zip(axis.get_majorticklocs(), axis.get_majorticklabels()) if label.get_text()}


def _name(names, at, width):
    """Return the name next to a position: bars of a group stand beside theirs."""
    near = min(names, key=lambda place: abs(place - at), default=None)
    return names[near] if near is not None and abs(near - at) < max(0.5, abs(width)) else at


def _series(kind, label, points):
    """Return a series; of one with too many points every n-th."""
    points = list(points)
    step = -(-len(points) // POINTS) or 1
    series = {"type": kind, "label": _label(label), "points": [[plain(x), plain(y)] for x, y in points[::step]]}
    if step > 1:
        series["every"] = step
    return series


def _label(label):
    text = str(label)
    return "" if text.startswith("_") else text
