"""A picture with the object's axes over it."""

from dataclasses import dataclass

import torch
from jaxtyping import Float
from matplotlib import patheffects
from matplotlib.axes import Axes
from torch import Tensor

from armillary.apps.plots.drawing import Drawing

COLOURS = ("tab:red", "tab:green", "tab:blue")
LENGTH = 0.4  # of the picture's width


@dataclass(frozen=True)
class FrameAxes(Drawing):
    """A picture whose middle is the object, and its axes: x red, y green, z blue, those towards the camera in front.

    Attributes:
        image: the picture.
        rotation: R_cam_obj; None, or with NaN: not known, no axes.
    """

    image: Float[Tensor, "3 rows columns"]
    rotation: Float[Tensor, "3 3"] | None = None

    def draw(self, axis: Axes) -> None:
        """Draw on a plain axis; the axes as a camera far away sees them."""
        image = self.image.detach().cpu().float()
        axis.imshow(image.clamp(0, 1).permute(1, 2, 0).numpy(), interpolation="nearest")
        axis.set_axis_off()
        if self.rotation is None or not bool(self.rotation.isfinite().all()):
            return
        middle = (torch.tensor([image.shape[-1], image.shape[-2]]) - 1) / 2
        tips = middle[:, None] + LENGTH * image.shape[-1] * self.rotation[:2].detach().cpu().float()
        halo = [patheffects.withStroke(linewidth=3.4, foreground="white")]
        # The camera looks along z: the deepest axis first.
        for column in self.rotation[2].argsort(descending=True).tolist():
            x, y = ([float(middle[i]), float(tips[i, column])] for i in (0, 1))
            axis.plot(x, y, color=COLOURS[column], linewidth=1.8, path_effects=halo, solid_capstyle="round")
