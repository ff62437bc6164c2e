"""Values over time: single frames as dots, what follows them as lines."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import ClassVar

from jaxtyping import Float
from matplotlib.axes import Axes
from torch import Tensor

from armillary.apps.plots.drawing import Drawing


@dataclass(frozen=True)
class Timeline(Drawing):
    """Several values over one axis of time; NaN is left out.

    Attributes:
        time: in seconds.
        dots: name to values that stand alone.
        lines: name to values that belong together.
        label: what the values are, with their unit.
        bounds: of the values; by default what they need.
        shaded: (from, to) in seconds, drawn grey: nothing was seen there.
    """

    aspect: ClassVar[float] = 5.2

    time: Float[Tensor, " frames"]
    dots: Mapping[str, Float[Tensor, " frames"]] = field(default_factory=dict)
    lines: Mapping[str, Float[Tensor, " frames"]] = field(default_factory=dict)
    label: str = ""
    bounds: tuple[float, float] | None = None
    shaded: tuple[tuple[float, float], ...] = ()

    def draw(self, axis: Axes) -> None:
        """Draw on a plain axis, its numbers and labels inside the drawing's box."""
        box = axis.get_position()
        left, below = 0.07 * box.width, 0.17 * box.height
        axis.set_position((box.x0 + left, box.y0 + below, box.width - left, box.height - below))
        for first, last in self.shaded:
            axis.axvspan(first, last, color="0.9", linewidth=0)
        for name, values in self.dots.items():
            axis.plot(self.time.numpy(), values.numpy(), ".", label=name, markersize=3, color="0.55")
        for (name, values), colour in zip(self.lines.items(), ("tab:blue", "tab:red", "tab:green"), strict=False):
            axis.plot(self.time.numpy(), values.numpy(), label=name, linewidth=1.3, color=colour)
        if self.bounds is not None:
            axis.set_ylim(*self.bounds)
        axis.set_xlabel("seconds", fontsize=8)
        axis.set_ylabel(self.label, fontsize=8)
        axis.tick_params(labelsize=7.5)
        axis.grid(True, color="0.92", linewidth=0.6)
        first, last = self.time.min().item(), self.time.max().item()
        axis.set_xlim(first - 0.01 * (last - first) - 1e-9, last + 0.01 * (last - first) + 1e-9)
        if len(self.dots) + len(self.lines) > 1:
            axis.legend(fontsize=7.5, loc="upper right", ncols=3, framealpha=0.8)
