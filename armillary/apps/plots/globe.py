"""A function on the sphere, points on it, or both, drawn as a shaded ball.

The ball is seen without perspective by a camera with the library's axes (x right, y down, z forward), so that what it
shows is the hemisphere z < 0 of the camera's frame. ``FROM_CAMERA`` leaves the sphere in that frame: what lies at a
place of the picture lies at the same place of the ball. ``FROM_ABOVE`` looks at a sphere whose z axis points up.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from matplotlib.patches import Circle
from torch import Tensor

from armillary.apps.plots.drawing import Drawing
from armillary.data.camera import look_at
from armillary.harmonics import evaluate_s2

# Pixels across a ball.
PIXELS = 220
# Pixels whose harmonics are held at once: 140 MB at degree 64.
AT_ONCE = 4096
# Blue is negative, red is positive.
COLOURS = "RdBu_r"
FROM_CAMERA = torch.eye(3)
# From 25 degrees above the equator; x points towards the eye and a little to the left, y to the right.
FROM_ABOVE, _ = look_at(torch.tensor([1.9, 0.9, 1.0]), torch.zeros(3), torch.tensor([0.0, 0.0, 1.0]))
# Of the light, from the surface, in the camera's frame: from the upper left.
_LIGHT = torch.nn.functional.normalize(torch.tensor([-0.45, -0.6, -0.7]), dim=0)

# Values at unit vectors.
SphereFunction = Callable[[Float[Tensor, "*shape 3"]], Float[Tensor, "*shape"]]


@dataclass(frozen=True)
class Globe(Drawing):
    """A ball that shows a function on the sphere.

    Attributes:
        signal: coefficients, or what gives values at unit vectors; None: a white ball.
        limit: value of the strongest colours, blue for minus it; by default the largest magnitude on view.
        points: unit vectors drawn as dots, faint where they are behind.
        point_colours: of the dots, (points, 3) in [0, 1]; dark by default.
        point_size: diameter of a dot, in typographic points.
        view: R_camera_sphere.
    """

    signal: Float[Tensor, " coeffs"] | SphereFunction | None = None
    limit: float | None = None
    points: Float[Tensor, "points 3"] | None = None
    point_colours: Float[Tensor, "points 3"] | None = None
    point_size: float = 3.5
    view: Float[Tensor, "3 3"] = FROM_CAMERA

    def draw(self, axis: Axes) -> None:
        """Draw on a plain axis."""
        place, shade, cover = _ball()
        colour = torch.full((PIXELS, PIXELS, 3), 0.97)
        if self.signal is not None:
            values = self._values(place)
            limit = self.limit or values[cover > 0].abs().max().clamp_min(1e-12).item()
            colour = torch.from_numpy(colormaps[COLOURS]((values / limit / 2 + 0.5).clamp(0, 1).numpy())[..., :3])
        picture = torch.cat([colour * shade[..., None], cover[..., None]], -1)
        axis.imshow(picture.clamp(0, 1).numpy(), extent=(-1, 1, 1, -1), zorder=1)
        axis.add_collection(LineCollection(_net(self.view), colors="0.25", linewidths=0.35, alpha=0.35, zorder=2))
        axis.add_patch(Circle((0, 0), 1, fill=False, edgecolor="0.45", linewidth=0.6, zorder=2))
        if self.points is not None:
            self._draw_points(axis, self.points)
        axis.set_xlim(-1.03, 1.03)
        axis.set_ylim(1.03, -1.03)
        axis.set_axis_off()

    def _values(self, place: Float[Tensor, "*shape 3"]) -> Float[Tensor, "*shape"]:
        points = place @ self.view.float()
        if isinstance(self.signal, Tensor):
            coeffs, parts = self.signal.detach().cpu().double(), points.double().flatten(0, 1).split(AT_ONCE)
            return torch.cat([evaluate_s2(coeffs, part) for part in parts]).view(points.shape[:-1]).float()
        assert self.signal is not None
        return self.signal(points).float()

    def _draw_points(self, axis: Axes, points: Float[Tensor, "points 3"]) -> None:
        seen = points.detach().cpu().float() @ self.view.float().mT
        colours = torch.full((len(seen), 3), 0.1) if self.point_colours is None else self.point_colours
        for side, strength in ((seen[:, 2] > 0, 0.15), (seen[:, 2] <= 0, 1.0)):
            x, y = seen[side, :2].unbind(-1)
            area = self.point_size**2
            axis.scatter(x, y, s=area, c=colours[side].numpy(), alpha=strength, linewidths=0, zorder=3, clip_on=False)


def _ball() -> tuple[Float[Tensor, "rows columns 3"], Float[Tensor, "rows columns"], Float[Tensor, "rows columns"]]:
    """Of each pixel: the unit vector it shows (camera frame), the brightness there, and how much of it is ball."""
    line = (torch.arange(PIXELS, dtype=torch.float32) + 0.5) * (2 / PIXELS) - 1
    y, x = torch.meshgrid(line, line, indexing="ij")
    radius = torch.hypot(x, y)
    z = -torch.sqrt((1 - radius.square()).clamp_min(0))
    place = torch.nn.functional.normalize(torch.stack([x, y, z], -1), dim=-1)
    shade = 0.72 + 0.28 * (place @ _LIGHT).clamp_min(0) / 0.9
    cover = ((1 - radius) * (PIXELS / 2) + 0.5).clamp(0, 1)
    return place, shade, cover


def _net(view: Float[Tensor, "3 3"]) -> list[np.ndarray]:
    """Meridians and circles of latitude every 30 degrees: the parts in front, as lines in the picture."""
    turn, steps = torch.linspace(0, 2 * torch.pi, 97).to(view), torch.arange(6).to(view) * (torch.pi / 6)
    polar = torch.stack([torch.zeros_like(turn), turn.sin(), turn.cos()], -1)
    circles = [
        torch.stack([turn.cos() * a.sin(), turn.sin() * a.sin(), a.cos().expand_as(turn)], -1) for a in steps[1:]
    ]
    meridians = [torch.stack([polar[:, 1] * a.cos(), polar[:, 1] * a.sin(), polar[:, 2]], -1) for a in steps]
    lines = []
    for line in circles + meridians:
        seen = line @ view.mT
        hidden = seen[:, 2] > 0
        seen[hidden] = torch.nan
        lines.append(seen[:, :2].numpy())
    return lines
