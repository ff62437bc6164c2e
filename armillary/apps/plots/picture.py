"""A picture or a map of numbers, with dots at places of it."""

from dataclasses import dataclass

import torch
from jaxtyping import Float
from matplotlib.axes import Axes
from torch import Tensor

from armillary.apps.plots.drawing import Drawing


@dataclass(frozen=True)
class Picture(Drawing):
    """Colours in [0, 1], or numbers, small ones dark and large ones light.

    Attributes:
        image: the picture or the map; each pixel stays a square.
        points: (column, row) from -1 to 1, the centres of the outermost pixels, drawn as dots.
        point_colours: of the dots, (points, 3) in [0, 1]; red by default.
        point_size: diameter of a dot, in typographic points.
    """

    image: Float[Tensor, "3 rows columns"] | Float[Tensor, "rows columns"]
    points: Float[Tensor, "points 2"] | None = None
    point_colours: Float[Tensor, "points 3"] | None = None
    point_size: float = 3.5

    def draw(self, axis: Axes) -> None:
        """Draw on a plain axis."""
        image = self.image.detach().cpu().float()
        if image.ndim == 3:
            axis.imshow(image.clamp(0, 1).permute(1, 2, 0).numpy(), interpolation="nearest")
        else:
            axis.imshow(image.numpy(), interpolation="nearest", cmap="viridis")
        if self.points is not None:
            size = torch.tensor([image.shape[-1] - 1.0, image.shape[-2] - 1.0])
            x, y = ((self.points.float() + 1) / 2 * size).unbind(-1)
            colours = "tab:red" if self.point_colours is None else self.point_colours.numpy()
            axis.scatter(x, y, s=self.point_size**2, c=colours, linewidths=0, clip_on=False)
        axis.set_axis_off()
