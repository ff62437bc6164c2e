"""A frame with poses over it: the outline of the object's surface and its axes, through the real camera."""

from dataclasses import dataclass
from typing import ClassVar

import torch
from jaxtyping import Bool, Float
from matplotlib import patheffects
from matplotlib.axes import Axes
from torch import Tensor

from armillary.apps.plots.drawing import Drawing
from armillary.data.camera import project
from armillary.data.rendering import Renderer
from armillary.data.shapes import Mesh

AXES = ("tab:red", "tab:green", "tab:blue")
TRUE, PREDICTED = "limegreen", "magenta"
# Length of the axes over the radius of the bounding sphere.
LENGTH = 0.9


@dataclass(frozen=True, eq=False)
class DrawnPose:
    """A pose to draw.

    Attributes:
        rotation: R_cam_obj.
        translation: metres.
        colour: of the outline.
        axes: draw the axes too.
        style: of the outline's line, as matplotlib names it.
    """

    rotation: Float[Tensor, "3 3"]
    translation: Float[Tensor, "3"]
    colour: str = PREDICTED
    axes: bool = True
    style: str = "solid"


@dataclass(frozen=True, eq=False)
class FrameView:
    """A picture with its camera, the object's surface, and poses of it.

    Attributes:
        image: values in [0, 1].
        intrinsics: of that picture, pixels.
        surface: metres.
        poses: the last one above the others.
        box: left, top, right, bottom; drawn as a thin rectangle.
    """

    image: Float[Tensor, "3 rows columns"]
    intrinsics: Float[Tensor, "3 3"]
    surface: Mesh
    poses: tuple[DrawnPose, ...] = ()
    box: Float[Tensor, "4"] | None = None

    def paint(self, axis: Axes) -> None:
        """Draw on a plain axis."""
        rows, columns = self.image.shape[-2:]
        axis.imshow(self.image.clamp(0, 1).permute(1, 2, 0).cpu().float().numpy(), interpolation="antialiased")
        axis.set_xlim(-0.5, columns - 0.5)
        axis.set_ylim(rows - 0.5, -0.5)
        axis.set_axis_off()
        if self.box is not None:
            left, top, right, bottom = self.box.tolist()
            corners = [left, right, right, left, left], [top, top, bottom, bottom, top]
            axis.plot(*corners, color="gold", linewidth=0.8)
        for pose in self.poses:
            if float(pose.translation[2]) > 0 and bool(pose.rotation.isfinite().all()):
                self._paint_pose(axis, pose)

    def _paint_pose(self, axis: Axes, pose: DrawnPose) -> None:
        rows, columns = self.image.shape[-2:]
        mask = silhouette(self.surface, pose.rotation, pose.translation, self.intrinsics, rows, columns)
        if bool(mask.any()):
            shade = torch.nn.functional.pad(mask.float(), (1, 1, 1, 1)).numpy()
            x, y = torch.arange(-1, columns + 1).numpy(), torch.arange(-1, rows + 1).numpy()
            axis.contour(x, y, shade, [0.5], colors=[pose.colour], linewidths=1.3, linestyles=[pose.style])
        if pose.axes:
            _paint_axes(axis, pose, self.surface.bounding_sphere()[1] * LENGTH, self.intrinsics)


@dataclass(frozen=True, eq=False)
class SquareOverlay(Drawing):
    """A square part of a frame."""

    view: FrameView

    def draw(self, axis: Axes) -> None:
        """Draw on a plain axis."""
        self.view.paint(axis)


@dataclass(frozen=True, eq=False)
class FrameOverlay(Drawing):
    """A whole frame."""

    aspect: ClassVar[float] = 1.6

    view: FrameView

    def draw(self, axis: Axes) -> None:
        """Draw on a plain axis."""
        self.view.paint(axis)


def silhouette(
    surface: Mesh,
    rotation: Float[Tensor, "3 3"],
    translation: Float[Tensor, "3"],
    intrinsics: Float[Tensor, "3 3"],
    rows: int,
    columns: int,
) -> Bool[Tensor, "{rows} {columns}"]:
    """Where a camera sees the surface; `rows` and `columns` are the picture's size.

    Example:
        >>> from armillary.data import make_solid
        >>> K = torch.tensor([[100.0, 0, 31.5], [0, 100, 31.5], [0, 0, 1]])
        >>> mask = silhouette(make_solid("cube").mesh, torch.eye(3), torch.tensor([0.0, 0, 5]), K, 64, 64)
        >>> bool(mask[32, 32]), bool(mask[0, 0])
        (True, False)
    """
    renderer = Renderer(size=(rows, columns), backend="torch", antialias=False)
    return renderer.render(surface, rotation[None].float(), translation[None].float(), intrinsics.float()).mask[0]


def zoomed(view: FrameView, box: Float[Tensor, "4"], side: int = 240, margin: float = 1.4) -> FrameView:
    """A square about a box, enlarged or reduced to `side` pixels, seen by the same camera.

    Args:
        view: of a whole frame.
        box: left, top, right, bottom, pixels.
        side: of the square, pixels.
        margin: the square's side over the box's longer one.
    """
    centre, half = (box[:2] + box[2:]) / 2, margin * float((box[2:] - box[:2]).max()) / 2
    scale = side / (2 * half)
    corner = centre - half
    # Pixels of the square: (u + 1/2 - (corner + 1/2)) scale - 1/2.
    steps = (torch.arange(side) + 0.5) / scale
    rows, columns = view.image.shape[-2:]
    across, down = (2 * (corner[0] + 0.5 + steps) / columns - 1), (2 * (corner[1] + 0.5 + steps) / rows - 1)
    grid = torch.stack([across.expand(side, side), down[:, None].expand(side, side)], -1)[None]
    picture = torch.nn.functional.grid_sample(view.image[None].float(), grid.float(), "bilinear", "zeros", False)[0]
    intrinsics = view.intrinsics.float().clone()
    intrinsics[:2] *= scale
    intrinsics[:2, 2] = (view.intrinsics[:2, 2] - corner) * scale - 0.5
    return FrameView(picture, intrinsics, view.surface, view.poses)


def _paint_axes(axis: Axes, pose: DrawnPose, length: float, intrinsics: Float[Tensor, "3 3"]) -> None:
    """x red, y green, z blue, the farthest first."""
    points = torch.cat([torch.zeros(1, 3), length * torch.eye(3)])
    depth = pose.rotation[2].float() * length + pose.translation[2].float()
    if float(depth.min()) <= 0:
        return
    pixels = project(points, pose.rotation.float(), pose.translation.float(), intrinsics.float())
    halo = [patheffects.withStroke(linewidth=2.6, foreground="white")]
    for column in depth.argsort(descending=True).tolist():
        x, y = ([float(pixels[0, i]), float(pixels[column + 1, i])] for i in (0, 1))
        axis.plot(x, y, color=AXES[column], linewidth=1.3, path_effects=halo, solid_capstyle="round")
