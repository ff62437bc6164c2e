"""A matplotlib figure as PNG bytes, made without pyplot: no global state, no window, no back end to choose."""

import io

from matplotlib.figure import Figure


def figure_png(figure: Figure) -> bytes:
    """PNG bytes of a figure."""
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png")
    return buffer.getvalue()
