"""Pictures, masks, depth and normals of a mesh seen from many poses.

Camera: OpenCV axes (x right, y down, z forward), ``u = K (R x + t)``, and the centre of the top left pixel is (0, 0).
Two back ends draw the same: OpenGL through EGL, and torch, which needs no system library and runs on any device.
"""

import os
from dataclasses import dataclass
from typing import Literal, get_args

import torch
from jaxtyping import Bool, Float, UInt8
from torch import Tensor

from armillary.data.rendering.egl import EglBackend, ForkedError
from armillary.data.rendering.lighting import Lights, studio_lights
from armillary.data.rendering.rasteriser import TorchBackend
from armillary.data.rendering.view import Drawer, Views, depth_range
from armillary.data.shapes.mesh import Mesh

Backend = Literal["auto", "egl", "torch"]


@dataclass(frozen=True)
class Frames:
    """Rendered views. Depth is along the optical axis (m), 0 where empty; normals are unit vectors in the camera frame
    that face the camera, 0 where empty; the mask says where a pixel's centre sees the object."""

    rgb: UInt8[Tensor, "batch height width 3"]
    mask: Bool[Tensor, "batch height width"]
    depth: Float[Tensor, "batch height width"]
    normals: Float[Tensor, "batch height width 3"]


class Renderer:
    """Draws batches of views of triangle meshes.

    ``backend="auto"`` takes EGL where it works and torch elsewhere; ``backend`` then names the choice and ``note`` says
    in one line why. The OpenGL context is made at the first use in each process, so that a renderer may be handed to
    data loader workers.

    Args:
        size: height and width in pixels, or one number for both.
        device: where the torch back end computes and returns its results.
        antialias: draw colours with two samples per pixel along each axis; mask, depth and normals are always those at
            pixel centres. Without it rendering is up to four times faster.

    Example:
        >>> renderer = Renderer(size=32, backend="torch")
        >>> square = Mesh(torch.tensor([[-1.0, -1, 0], [1, -1, 0], [1, 1, 0], [-1, 1, 0]]),
        ...               torch.tensor([[0, 1, 2], [0, 2, 3]]))
        >>> intrinsics = torch.tensor([[32.0, 0, 15.5], [0, 32.0, 15.5], [0, 0, 1]])
        >>> frames = renderer.render(square, torch.eye(3)[None], torch.tensor([[0.0, 0, 4]]), intrinsics)
        >>> frames.rgb.shape, int(frames.mask.sum()), float(frames.depth.max())
        (torch.Size([1, 32, 32, 3]), 256, 4.0)
    """

    def __init__(
        self,
        size: int | tuple[int, int] = 128,
        backend: Backend = "auto",
        device: torch.device | str = "cpu",
        antialias: bool = True,
    ) -> None:
        if backend not in get_args(Backend):
            raise ValueError(f"expected a backend among {', '.join(get_args(Backend))}, got '{backend}'; choose one")
        self.height, self.width = (size, size) if isinstance(size, int) else size
        if not (0 < self.height <= 8192 and 0 < self.width <= 8192):
            raise ValueError(f"expected a size from 1 to 8192 pixels, got {size}; choose a smaller picture")
        self.device = torch.device(device)
        self.samples = 2 if antialias else 1
        self.requested: Backend = backend
        self._drawer: Drawer | None = None
        self._process = 0
        self._note = ""

    @property
    def backend(self) -> str:
        """The back end in use: "egl" or "torch"."""
        return self._ready().name

    @property
    def note(self) -> str:
        """One line that says which back end draws, and why when it was not the first choice."""
        self._ready()
        return self._note

    def render(
        self,
        mesh: Mesh,
        rotations: Float[Tensor, "batch 3 3"],
        translations: Float[Tensor, "batch 3"],
        intrinsics: Float[Tensor, "3 3"] | Float[Tensor, "batch 3 3"],
        lights: Lights | None = None,
        background: Float[Tensor, "..."] | None = None,
    ) -> Frames:
        """Draw one view per pose.

        Args:
            lights: settings for all views (batch 1) or for each; default ``studio_lights()``.
            background: colours in [0, 1] that broadcast to (batch, height, width, 3): one colour (3,), one per view
                (batch, 1, 1, 3), or pictures; default black.
        """
        drawer, count = self._ready(), len(rotations)
        device = self.device if drawer.name == "torch" else torch.device("cpu")
        rotations, translations, intrinsics = (
            each.to(device, torch.float32) for each in (rotations, translations, intrinsics)
        )
        intrinsics = intrinsics.expand(count, 3, 3)
        if not bool((intrinsics[:, 2] == intrinsics.new_tensor([0, 0, 1])).all()):
            raise ValueError("expected intrinsics with last row (0, 0, 1), got another; divide K by its last entry")
        near, far = depth_range(mesh, rotations, translations)
        lights = _broadcast_lights(studio_lights() if lights is None else lights, count, device)
        layers = drawer.draw(mesh, Views(rotations, translations, intrinsics, lights, near, far))
        return Frames(
            rgb=composite(layers.colour, background),
            mask=layers.depth > 0,
            depth=layers.depth,
            normals=layers.normals,
        )

    def close(self) -> None:
        """Give back the OpenGL context; the next use makes a new one."""
        if self._drawer is not None and self._process == os.getpid():
            self._drawer.release()
        self._drawer = None

    def __getstate__(self) -> dict[str, object]:
        return {**self.__dict__, "_drawer": None}

    def _ready(self) -> Drawer:
        if self._drawer is None or self._process != os.getpid():
            self._drawer, self._note = _make_drawer(self.requested, self.height, self.width, self.samples, self.device)
            self._process = os.getpid()
        return self._drawer


def composite(
    colour: UInt8[Tensor, "batch height width 4"], background: Float[Tensor, "..."] | None = None
) -> UInt8[Tensor, "batch height width 3"]:
    """Put premultiplied colours with coverage over a background with values in [0, 1] (default black)."""
    if background is None:
        return colour[..., :3].contiguous()
    behind = (background.to(colour.device) * 255).expand(*colour.shape[:3], 3)
    open_share = 1 - colour[..., 3:].float() / 255
    return torch.addcmul(colour[..., :3].float(), open_share, behind).round_().clamp_(0, 255).to(torch.uint8)


def _broadcast_lights(lights: Lights, count: int, device: torch.device) -> Lights:
    if len(lights.directions) not in (1, count):
        raise ValueError(f"expected lights for 1 or {count} views, got {len(lights.directions)}; make one per view")
    return Lights(
        lights.directions.to(device).expand(count, -1, -1),
        lights.colours.to(device).expand(count, -1, -1),
        lights.ambient.to(device).expand(count, -1),
        lights.specular.to(device).expand(count),
    )


def _make_drawer(requested: Backend, height: int, width: int, samples: int, device: torch.device) -> tuple[Drawer, str]:
    if requested == "torch":
        return TorchBackend(height, width, samples, device), f"rendering with torch on {device}"
    try:
        drawer = EglBackend(height, width, samples)
    except Exception as error:  # moderngl, glcontext and the driver each raise their own kinds
        reason = " ".join(str(error).split())[:80] or type(error).__name__
        remedy = "install the Debian packages libegl1, libegl-mesa0 and libgl1-mesa-dri"
        if isinstance(error, ForkedError):
            remedy = "start workers by spawn, or draw first in them"
        if requested == "egl":
            raise ValueError(f"expected a working EGL, got '{reason}'; {remedy} or take backend='torch'") from error
        note = f"rendering with torch on {device}, no EGL here ({reason}); for more speed {remedy}"
        return TorchBackend(height, width, samples, device), note
    return drawer, f"rendering with EGL on {drawer.driver}"
