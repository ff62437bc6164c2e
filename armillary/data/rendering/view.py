"""What a renderer's back end (``Drawer``) is asked for (``Views``) and returns (``Layers``): internal to the renderer.

Sample grid: with s = 1 or 2 samples per pixel a picture of n pixels has s n + s - 1 samples per axis, and sample i lies
at pixel coordinate (i + 1) / s - 1. So with s = 2 samples lie at -1/2, 0, 1/2, ...: on pixel centres, where mask, depth
and normals are read, and between them, where a tent filter takes the colours in.
"""

from abc import ABC, abstractmethod
from dataclasses import dataclass

import torch
from jaxtyping import Float, UInt8
from torch import Tensor

from armillary.data.rendering.lighting import Lights
from armillary.data.shapes.mesh import Mesh


@dataclass(frozen=True)
class Views:
    """Poses, intrinsics, lights and depth range (m) of a batch of views of one mesh; all lights have the full batch."""

    rotations: Float[Tensor, "batch 3 3"]
    translations: Float[Tensor, "batch 3"]
    intrinsics: Float[Tensor, "batch 3 3"]
    lights: Lights
    near: Float[Tensor, "batch"]
    far: Float[Tensor, "batch"]

    def __len__(self) -> int:
        return len(self.rotations)

    def chunk(self, start: int, stop: int) -> "Views":
        """The views start..stop-1."""
        part = slice(start, stop)
        lights = Lights(
            self.lights.directions[part],
            self.lights.colours[part],
            self.lights.ambient[part],
            self.lights.specular[part],
        )
        return Views(
            self.rotations[part],
            self.translations[part],
            self.intrinsics[part],
            lights,
            self.near[part],
            self.far[part],
        )


@dataclass(frozen=True)
class Layers:
    """Colour (premultiplied, with coverage as fourth channel) and, at pixel centres, camera normal and depth (m)."""

    colour: UInt8[Tensor, "batch height width 4"]
    normals: Float[Tensor, "batch height width 3"]
    depth: Float[Tensor, "batch height width"]

    @staticmethod
    def empty(count: int, height: int, width: int, device: torch.device | str = "cpu") -> "Layers":
        """Layers to be filled."""
        size = (count, height, width)
        return Layers(
            torch.zeros(*size, 4, dtype=torch.uint8, device=device),
            torch.zeros(*size, 3, device=device),
            torch.zeros(*size, device=device),
        )


class Drawer(ABC):
    """A back end of the renderer."""

    name: str

    @abstractmethod
    def draw(self, mesh: Mesh, views: Views) -> Layers:
        """Colour, normals and depth of each view."""

    @abstractmethod
    def release(self) -> None:
        """Give back what the back end holds."""


def depth_range(
    mesh: Mesh, rotations: Float[Tensor, "batch 3 3"], translations: Float[Tensor, "batch 3"]
) -> tuple[Float[Tensor, "batch"], Float[Tensor, "batch"]]:
    """Near and far distance (m) that hold the object; near stays in front of the camera when the object reaches it."""
    low, high = mesh.vertices.amin(dim=0), mesh.vertices.amax(dim=0)
    middle = (low + high).to(rotations) / 2
    radius = (torch.linalg.vector_norm(high - low) / 2).to(rotations).clamp_min(1e-9)
    depth = rotations[:, 2] @ middle + translations[:, 2]
    near = torch.maximum(depth - 1.001 * radius, 1e-2 * radius)
    return near, torch.maximum(depth + 1.001 * radius, 2 * near)


def filter_samples(
    samples: UInt8[Tensor, "batch down across 4"], per_pixel: int
) -> UInt8[Tensor, "batch height width 4"]:
    """Pixels from samples: the tent filter (1 2 1)/4 along both axes, or the samples themselves if one per pixel.

    The four channels of a pixel are averaged at once as the bytes of one integer; a mean rounded up and one rounded
    down take turns, so that no brightness is gained or lost.
    """
    if per_pixel == 1:
        return samples
    whole = samples.view(torch.int32)[..., 0]
    rows = _mean_down(_mean_up(whole[:, :-2:2], whole[:, 2::2]), whole[:, 1::2])
    both = _mean_down(_mean_up(rows[:, :, :-2:2], rows[:, :, 2::2]), rows[:, :, 1::2])
    return both[..., None].view(torch.uint8)


def _mean_up(a: Tensor, b: Tensor) -> Tensor:
    return (a | b) - ((a ^ b) >> 1 & 0x7F7F7F7F)


def _mean_down(a: Tensor, b: Tensor) -> Tensor:
    return (a & b) + ((a ^ b) >> 1 & 0x7F7F7F7F)


def view_table(views: Views) -> Float[Tensor, "batch texels 4"]:
    """The numbers of each view as rows of four.

    0-2: rotation rows with translation; 3: fx, skew, cx, fy; 4: cy, near, far, specular; 5: ambient; then direction and
    colour of each light.
    """
    lights, count = views.lights, len(views)
    table = views.rotations.new_zeros(count, 6 + 2 * lights.directions.shape[1], 4)
    table[:, :3, :3] = views.rotations
    table[:, :3, 3] = views.translations
    table[:, 3, :3] = views.intrinsics[:, 0]
    table[:, 3, 3] = views.intrinsics[:, 1, 1]
    table[:, 4] = torch.stack([views.intrinsics[:, 1, 2], views.near, views.far, lights.specular], dim=1)
    table[:, 5, :3] = lights.ambient
    table[:, 6::2, :3] = lights.directions
    table[:, 7::2, :3] = lights.colours
    return table
