"""Curves over a common axis."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import ClassVar

from jaxtyping import Float
from matplotlib.axes import Axes
from torch import Tensor

from armillary.apps.plots.drawing import Drawing

MOST_DOTS = 40


@dataclass(frozen=True)
class Lines(Drawing):
    """Curves with their names, over one axis.

    Attributes:
        x: where the values are.
        y: name to values.
        x_label: what `x` is, with its unit.
        y_label: what the values are, with their unit.
        logarithmic: whether the vertical axis is.
        x_logarithmic: whether the horizontal axis is.
    """

    aspect: ClassVar[float] = 2.1

    x: Float[Tensor, " points"]
    y: Mapping[str, Float[Tensor, " points"]] = field(default_factory=dict)
    x_label: str = ""
    y_label: str = ""
    logarithmic: bool = False
    x_logarithmic: bool = False

    def draw(self, axis: Axes) -> None:
        """Draw on a plain axis, its numbers and labels inside the drawing's box."""
        box = axis.get_position()
        left, below = 0.15 * box.width, 0.2 * box.height
        axis.set_position((box.x0 + left, box.y0 + below, box.width - left, box.height - below))
        for name, values in self.y.items():
            axis.plot(
                self.x.numpy(), values.detach().cpu().numpy(), label=name, linewidth=1.4, marker=".", markersize=4
            )
        if self.logarithmic:
            axis.set_yscale("log")
        if self.x_logarithmic:
            axis.set_xscale("log", base=2)
            axis.set_xticks(self.x.tolist(), [f"{value:g}" for value in self.x.tolist()])
            axis.minorticks_off()
        axis.set_xlabel(self.x_label, fontsize=8)
        axis.set_ylabel(self.y_label, fontsize=8)
        axis.tick_params(labelsize=7.5)
        axis.grid(True, color="0.9", linewidth=0.6)
        if len(self.y) > 1:
            axis.legend(fontsize=7.5)
