"""Prediction sheets: one row per view, the picture the model saw beside the distribution it answered with."""

from collections.abc import Sequence
from dataclasses import dataclass

from jaxtyping import Float
from matplotlib.figure import Figure
from torch import Tensor

from armillary.apps.plots.figure import figure_png
from armillary.apps.plots.mollweide import draw_mollweide, draw_tilt_legend
from armillary.distributions import SO3Distribution


@dataclass(frozen=True)
class Panel:
    """One row of a sheet."""

    image: Float[Tensor, "3 height width"]
    # One distribution, batch shape () or (1,).
    density: SO3Distribution
    caption: str
    # The true rotation and its equivalents.
    truths: Float[Tensor, "equivalents 3 3"] | None = None


def sheet_png(panels: Sequence[Panel], columns: int = 2) -> bytes:
    """A sheet of panels as PNG bytes, ``columns`` panels to a row, with the legend of tilts.

    Args:
        panels: at least one.
        columns: panels side by side.
    """
    columns = min(columns, len(panels))
    rows = -(-len(panels) // columns)
    figure = Figure(figsize=(5.6 * columns + 1.0, 2.1 * rows), dpi=110)
    # Margins by hand: matplotlib's automatic layouts draw everything twice.
    edges = {"left": 0.01, "right": 0.96, "bottom": 0.04 / rows, "top": 1 - 0.14 / rows, "wspace": 0.05, "hspace": 0.2}
    grid = figure.add_gridspec(rows, 2 * columns + 1, width_ratios=[1.0, 1.9] * columns + [0.5], **edges)
    for index, panel in enumerate(panels):
        row, column = divmod(index, columns)
        picture = figure.add_subplot(grid[row, 2 * column])
        picture.imshow(panel.image.clamp(0, 1).permute(1, 2, 0).cpu().float().numpy())
        picture.set_axis_off()
        sphere = figure.add_subplot(grid[row, 2 * column + 1], projection="mollweide")
        draw_mollweide(sphere, panel.density, panel.truths)
        sphere.set_title(panel.caption, fontsize=8, pad=4)
    draw_tilt_legend(figure.add_subplot(grid[0, 2 * columns], projection="polar"))
    return figure_png(figure)
