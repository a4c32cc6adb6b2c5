"""The matplotlib backend of a session: draws like Agg; show sends the open figures."""

from matplotlib.backends.backend_agg import FigureCanvasAgg as FigureCanvas  # noqa: F401

from . import kernel


def show(*args, **kwargs):
    """Send every open figure now, in order, between the text before and after."""
    kernel.flush_figures()
