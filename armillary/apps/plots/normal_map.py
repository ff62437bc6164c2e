"""Surface normals as colours, their errors as a map, and both beside the picture they belong to.

Red grows to the right, green upwards, blue towards the viewer: a floor is green, a wall ahead is blue, a wall on the
left, which faces right, is rose, one on the right is teal. Pixels without a normal are dark grey.
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
    # A tall picture is no higher than five inches.
    width = min(width, 5.0 * first.shape[-1] / first.shape[-2])
    high, errors = width * first.shape[-2] / first.shape[-1], any(c.angles_deg is not None for c in rows[0])
    # Inches: a title above each picture, the legend and the bar in a column of their own.
    gap, title, side = 0.08, 0.22, 1.5
    total = len(rows[0]) * (width + gap) + side + 2 * gap
    down = max(len(rows) * (high + title), 3.4 if errors else 1.5) + gap
    figure = Figure(figsize=(total, down), dpi=100)

    def place(left: float, top: float, across: float, tall: float) -> Axes:
        return figure.add_axes((left / total, 1 - (top + tall) / down, across / total, tall / down))

    for row, columns in enumerate(rows):
        for number, column in enumerate(columns):
            _draw(place(gap + number * (width + gap), row * (high + title) + title, width, high), column)
    left = total - side - gap
    draw_legend(place(left, title, side, 1.1))
    if errors:
        scale = ScalarMappable(Normalize(0, MOST_ERROR_DEG), ERROR_COLOURS)
        bar = place(left + 0.35, title + 1.4, 0.16, 1.6)
        figure.colorbar(scale, cax=bar, label="error, degrees", extend="max", ticks=[0, 15, 30, 45, 60])
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
