"""A picture with a triad of axes on it, which turns with what the picture shows."""

from dataclasses import dataclass
from typing import ClassVar

import torch
from jaxtyping import Float
from matplotlib.axes import Axes
from matplotlib.patheffects import Normal, Stroke
from torch import Tensor

from armillary.apps.plots.drawing import Drawing
from armillary.so3 import rotation_x, rotation_y

COLOURS = ("tab:red", "tab:green", "tab:blue")
# Columns in the camera frame (x right, y down, z forward): one axis up, the others aside and towards the eye.
UPRIGHT = rotation_x(torch.tensor(0.45)) @ rotation_y(torch.tensor(0.6)) @ torch.diag(torch.tensor([1.0, -1.0, -1.0]))
# Length of an axis over half the picture's width.
REACH = 0.8


@dataclass(frozen=True)
class TriadPicture(Drawing):
    """The picture, and from its middle the three axes without perspective: those that point away thin, and below.

    Attributes:
        image: Colours in [0, 1].
        axes: Columns are the axes in the camera frame, x right, y down, z forward.
    """

    image: Float[Tensor, "3 rows columns"]
    axes: Float[Tensor, "3 3"]

    def draw(self, axis: Axes) -> None:
        """Draw on a plain axis."""
        axis.imshow(self.image.clamp(0, 1).permute(1, 2, 0).cpu().float().numpy(), interpolation="nearest")
        rows, columns = self.image.shape[-2:]
        middle = ((columns - 1) / 2, (rows - 1) / 2)
        x, y, z = (self.axes.cpu().double() * REACH * min(rows, columns) / 2).unbind(0)
        for index in self.axes[2].argsort(descending=True).tolist():
            tip = (middle[0] + x[index].item(), middle[1] + y[index].item())
            width = 1.6 if z[index] > 0 else 2.8
            line = {"arrowstyle": "-|>", "color": COLOURS[index], "linewidth": width, "shrinkA": 0, "shrinkB": 0}
            arrow = axis.annotate("", tip, middle, arrowprops={**line, "mutation_scale": 11})
            assert arrow.arrow_patch is not None
            arrow.arrow_patch.set_path_effects([Stroke(linewidth=width + 1.6, foreground="white"), Normal()])
        axis.set_axis_off()


@dataclass(frozen=True)
class TextLines(Drawing):
    """Lines of words, in the middle of their height.

    Attributes:
        lines: From the top.
    """

    aspect: ClassVar[float] = 1.6

    lines: tuple[str, ...] = ()

    def draw(self, axis: Axes) -> None:
        """Draw on a plain axis."""
        axis.text(
            0.0, 0.5, "\n".join(self.lines), va="center", ha="left", fontsize=8, family="monospace", linespacing=1.6
        )
        axis.set_axis_off()
