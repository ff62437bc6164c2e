"""Surface normals as colours, their errors as a map, and both beside the picture they belong to.

Red grows to the right, green upwards, blue towards the viewer: a floor is green, a wall ahead is blue, a wall on the
right, which faces left, is dark red. Pixels without a normal are dark grey.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Bool, Float, UInt8
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Normalize
from matplotlib.figure import Figure
from torch import Tensor

from armillary.apps.plots.figure import figure_png

NOTHING = 40
ERROR_COLOURS, MOST_ERROR_DEG = "magma", 60.0
LEGEND_PIXELS = 121


@dataclass(frozen=True)
class Column:
    """One picture of a row: colours, normals to be coloured, or angles in degrees."""

    title: str
    image: Float[Tensor, "3 height width"] | None = None
    normals: Float[Tensor, "3 height width"] | None = None
    angles_deg: Float[Tensor, "height width"] | None = None
    # Where normals or angles are known; None: everywhere.
    mask: Bool[Tensor, "height width"] | None = None


def normal_colours(
    normals: Float[Tensor, "3 height width"], mask: Bool[Tensor, "height width"] | None = None
) -> UInt8[Tensor, "height width 3"]:
    """Colours of unit normals (OpenCV), (1 + (n_x, -n_y, -n_z)) / 2; dark grey outside the mask.

    Example:
        >>> normal_colours(torch.tensor([0.0, -1.0, 0.0])[:, None, None])[0, 0].tolist()
        [128, 255, 128]
    """
    axes = torch.tensor([1.0, -1.0, -1.0], device=normals.device)[:, None, None]
    colours = ((1 + normals * axes) / 2 * 255).round().clamp(0, 255).to(torch.uint8).permute(1, 2, 0)
    return colours if mask is None else torch.where(mask[..., None], colours, NOTHING)


def draw_legend(axis: Axes) -> None:
    """The colour of each direction that faces the camera, on a ball seen from the camera."""
    across = torch.linspace(-1, 1, LEGEND_PIXELS)
    x, y = torch.meshgrid(across, across, indexing="xy")
    inside = x.square() + y.square() <= 1
    z = -(1 - x.square() - y.square()).clamp_min(0).sqrt()
    colours = normal_colours(torch.stack([x, y, z]), inside).numpy()
    opaque = np.dstack([colours, inside.numpy().astype(np.uint8) * 255])
    axis.imshow(opaque, extent=(-1, 1, -1, 1))
    for place, text in (((0, 1.12), "up"), ((0, -1.15), "down"), ((-1.1, 0), "left"), ((1.1, 0), "right")):
        side = {"left": "right", "right": "left"}.get(text, "center")
        axis.text(*place, text, ha=side, va="center", fontsize=8)
    axis.text(0, 0, "to you", ha="center", va="center", fontsize=8)
    axis.set(xlim=(-1.9, 1.9), ylim=(-1.4, 1.4))
    axis.set_axis_off()


def normal_sheet_png(rows: Sequence[Sequence[Column]], width: float = 2.6) -> bytes:
    """Rows of pictures as PNG bytes, with the legend of directions, and a colour bar if there are errors.

    Args:
        rows: at least one, all with columns of the same kinds, beginning with the picture.
        width: of a picture, inches.
    """
    first = rows[0][0].image
    assert first is not None
    high, wide = width * first.shape[-2] / first.shape[-1], max(1.15, 0.5 * width)
    errors = any(column.angles_deg is not None for column in rows[0])
    count = len(rows[0])
    # The legend stands to the right of the first row; a single row leaves room for the bar below it.
    down = max(len(rows) * (high + 0.25), 2.2 if errors else 1.0) + 0.1
    figure = Figure(figsize=(count * (width + 0.08) + wide + 0.2, down), dpi=100, layout="constrained")
    grid = figure.add_gridspec(len(rows), count + 1, width_ratios=[width] * count + [wide])
    for place, row in enumerate(rows):
        for number, column in enumerate(row):
            axis = figure.add_subplot(grid[place, number])
            _draw(axis, column)
    side = grid[:, count].subgridspec(2 if errors else 1, 1)
    draw_legend(figure.add_subplot(side[0]))
    if errors:
        bar = figure.add_subplot(side[1])
        bar.set_axis_off()
        scale = ScalarMappable(Normalize(0, MOST_ERROR_DEG), ERROR_COLOURS)
        figure.colorbar(scale, ax=bar, fraction=0.4, label="error, degrees", extend="max", ticks=[0, 15, 30, 45, 60])
    return figure_png(figure)


def _draw(axis: Axes, column: Column) -> None:
    axis.set_axis_off()
    axis.set_title(column.title, fontsize=8, pad=3)
    if column.image is not None:
        axis.imshow(column.image.clamp(0, 1).permute(1, 2, 0).cpu().float().numpy())
    elif column.normals is not None:
        axis.imshow(normal_colours(column.normals.cpu(), column.mask).numpy())
    elif column.angles_deg is not None:
        angles = column.angles_deg.cpu()
        shown = angles if column.mask is None else torch.where(column.mask, angles, torch.nan)
        axis.set_facecolor("0.85")
        axis.imshow(shown.numpy(), cmap=ERROR_COLOURS, vmin=0, vmax=MOST_ERROR_DEG)
