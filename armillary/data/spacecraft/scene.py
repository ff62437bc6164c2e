"""A satellite of the zoo before the camera of SPEED+: how far, where in the frame, how turned.

Block b of a part is a pure function of (seed, part, b), so any block can be drawn again alone.
"""

import hashlib
import math
from dataclasses import dataclass, replace
from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor

from armillary.data.shapes import Mesh, Shape, make_shape
from armillary.data.spacecraft.camera import SPEEDPLUS_CAMERA, LensCamera
from armillary.so3 import random_rotations

# Views a block: their pictures stay in the processor's cache.
BLOCK = 16
# Closer than this the whole frame may be one panel.
NEAREST = 1.2
# Share of the outline's radius that a centre keeps from the frame's edge: few points lie on the bounding sphere.
KEEP = 0.75
# Where a close satellite leaves no room its centre still moves over this share of the frame.
LEAST_ROOM = 0.15


class Poses(NamedTuple):
    """Of a block of views: R_cam_obj and the origin of the satellite's frame in the camera frame, metres."""

    rotations: Float[Tensor, "views 3 3"]
    translations: Float[Tensor, "views 3"]


@dataclass(frozen=True)
class SatelliteSettings:
    """Which satellite, which camera, which poses.

    Example:
        >>> SatelliteSettings(width=960, height=600).camera().cx
        479.5
    """

    # Number of the member of the zoo's family "satellite": 1, 3 and 6 have no symmetry, 0 and 2 C2, 4 and 5 D2.
    member: int = 1
    # Of its bounding sphere, metres.
    radius: float = 1.0
    # Of the pictures, pixels; the field of view across is that of SPEED+, 36 degrees.
    width: int = 480
    height: int = 300
    # Depth of its centre, in bounding radii, all between alike.
    nearest: float = 2.5
    farthest: float = 10.0
    # Share of the views whose centre is anywhere in the frame, so that parts may be out of it.
    outside: float = 0.15
    # Another seed gives other views.
    seed: int = 0

    def __post_init__(self) -> None:
        """Refuse impossible values."""
        for name, low, high in (("width", 16, 8192), ("height", 16, 8192), ("outside", 0, 1), ("member", 0, 2**31)):
            if not low <= getattr(self, name) <= high:
                raise ValueError(f"expected {name} from {low} to {high}, got {getattr(self, name)}; choose another")
        if not 0 < self.radius < math.inf:
            raise ValueError(f"expected a radius above zero, got {self.radius:g}; give metres, as 1")
        if not NEAREST <= self.nearest <= self.farthest < math.inf:
            raise ValueError(
                f"expected nearest and farthest from {NEAREST:g} radii on, nearest first, got {self.nearest:g} and "
                f"{self.farthest:g}; correct them"
            )

    def camera(self) -> LensCamera:
        """That of SPEED+, with pictures of this size, square pixels and no lens."""
        focal = SPEEDPLUS_CAMERA.fx * self.width / SPEEDPLUS_CAMERA.width
        return LensCamera(focal, focal, (self.width - 1) / 2, (self.height - 1) / 2, self.width, self.height)

    def satellite(self) -> Shape:
        """The satellite, its bounding sphere about the origin of its frame."""
        shape = make_shape("satellite", self.member)
        return replace(shape, mesh=shape.mesh.scaled(self.radius))


def draw_poses(settings: SatelliteSettings, part: str, block: int) -> Poses:
    """Rotations uniform on SO(3), depths uniform, centres uniform in what room the satellite leaves in the frame.

    Example:
        >>> draw_poses(SatelliteSettings(), "train", 0).translations.shape
        torch.Size([16, 3])
    """
    generator = stream(settings.seed, part, block, "poses")
    rotations = random_rotations(BLOCK, generator=generator)
    depth, anywhere = torch.rand(2, BLOCK, generator=generator)
    depth = settings.radius * (settings.nearest + (settings.farthest - settings.nearest) * depth)
    camera = settings.camera()
    half = torch.tensor([settings.width, settings.height]) / 2
    outline = camera.fx * settings.radius / (depth.square() - settings.radius**2).sqrt()
    room = torch.maximum(half - KEEP * outline[:, None], LEAST_ROOM * half)
    room = torch.where((anywhere < settings.outside)[:, None], half, room)
    aside = room * (2 * torch.rand(BLOCK, 2, generator=generator) - 1) / camera.fx
    return Poses(rotations, depth[:, None] * torch.cat([aside, torch.ones(BLOCK, 1)], -1))


def coated(mesh: Mesh, response: tuple[float, float, float]) -> Mesh:
    """The mesh with what a grey camera sees in place of its colours: (grey, gloss, 1).

    Grey is the colour's weighted sum: light and sensor of each domain weigh colours in their own way. Foil and solar
    cells, the coloured parts, shine; white paint hardly does. The third channel, drawn, is a pixel's coverage.
    """
    colours = mesh.vertex_colours
    grey = colours @ torch.tensor(response)
    gloss = 0.15 + 0.85 * (colours.amax(-1) - colours.amin(-1)) / colours.amax(-1).clamp_min(1e-6)
    return replace(mesh, colours=torch.stack([grey, gloss, torch.ones_like(grey)], -1))


def stream(seed: int, part: str, block: int, purpose: str) -> torch.Generator:
    """The generator for one purpose of one block.

    Example:
        >>> first, other = (stream(0, "train", 0, name).initial_seed() for name in ("poses", "light"))
        >>> first == other
        False
    """
    # Neighbouring integers make poor seeds for related streams; a hash makes unrelated ones.
    digest = hashlib.sha256(f"satellite/{seed}/{part}/{block}/{purpose}".encode()).digest()
    return torch.Generator().manual_seed(int.from_bytes(digest[:8], "little") >> 1)
