"""Rendered rooms: zoo objects between walls, seen as a person sees them, with the exact normal of each pixel.

Room i of a part is a pure function of (seed, part, i). Parts other than "train" have other members of the zoo too.
"""

import hashlib
import math
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional

from armillary.data.camera import intrinsics_from_fov, look_at
from armillary.data.normals.furniture import Furniture, furnish
from armillary.data.normals.sample import NormalSample, camera_facing
from armillary.data.normals.shell import RoomSize, make_shell, random_size
from armillary.data.rendering.lighting import Lights
from armillary.data.rendering.renderer import Renderer
from armillary.data.shapes.mesh import Mesh, merge_meshes
from armillary.data.shapes.zoo.assembly import Rng
from armillary.so3 import rotation_z

TRAIN = "train"
# The first member of the zoo in other parts.
HELD_OUT_MEMBER = 1000


@dataclass(frozen=True)
class RoomSettings:
    """How rooms are photographed.

    Example:
        >>> RoomSettings(height=48, width=64).size
        (48, 64)
    """

    # Height of the pictures, pixels.
    height: int = 96
    # Width of the pictures, pixels.
    width: int = 128
    # Least and largest horizontal field of view, degrees.
    fov_deg: tuple[float, float] = (50.0, 70.0)
    # The picture is turned in its plane by up to this angle, degrees.
    roll_deg: float = 3.0
    # How many members of each family of the zoo there are to choose from.
    members: int = 24
    # Another seed gives other rooms.
    seed: int = 0

    def __post_init__(self) -> None:
        if not (8 <= self.height <= 8192 and 8 <= self.width <= 8192):
            raise ValueError(
                f"expected pictures of 8 to 8192 pixels a side, got {self.width} x {self.height}; choose another size"
            )
        if not 1 <= self.members <= HELD_OUT_MEMBER:
            raise ValueError(f"expected members from 1 to {HELD_OUT_MEMBER}, got {self.members}; 24 are usual")
        low, high = self.fov_deg
        if not 1.0 <= low <= high <= 120.0 or not 0.0 <= self.roll_deg <= 180.0:
            raise ValueError(
                f"expected fov_deg from 1 to 120 in order and roll_deg from 0 to 180, got {self.fov_deg} and "
                f"{self.roll_deg}; choose others"
            )

    @property
    def size(self) -> tuple[int, int]:
        """Height and width."""
        return self.height, self.width


@dataclass(frozen=True)
class Look:
    """A camera in a room: pose (metres), pinhole matrix (pixels), light and what is seen where nothing stands."""

    rotation: Float[Tensor, "3 3"]
    translation: Float[Tensor, "3"]
    intrinsics: Float[Tensor, "3 3"]
    lights: Lights
    background: Float[Tensor, "3"]


def random_room(rng: Rng, furniture: Furniture) -> tuple[Mesh, RoomSize]:
    """A furnished room as one mesh."""
    size = random_size(rng)
    pieces, footprints = furnish(rng, furniture, size)
    return merge_meshes([*make_shell(rng, size, footprints), *pieces]), size


def random_look(rng: Rng, size: RoomSize, settings: RoomSettings) -> Look:
    """A view from the open side at the height of a person's eyes, standing or seated, towards the furniture.

    Example:
        >>> size = RoomSize(4.0, 4.0, 2.5, left=True, right=True, ceiling=False)
        >>> look = random_look(np.random.default_rng(0), size, RoomSettings())
        >>> bool(torch.linalg.det(look.rotation) > 0.999)
        True
    """
    eye = (rng.uniform(0.2, 0.8) * size.width, rng.uniform(-1.2, 0.6), rng.uniform(1.0, 1.8))
    target = (rng.uniform(0.2, 0.8) * size.width, rng.uniform(0.55, 0.9) * size.depth, rng.uniform(0.2, 1.3))
    eye, target = (torch.tensor(point, dtype=torch.float32) for point in (eye, target))
    rotation, translation = look_at(eye, target, torch.tensor([0.0, 0.0, 1.0]))
    roll = rotation_z(torch.tensor(math.radians(rng.uniform(-settings.roll_deg, settings.roll_deg))))
    rotation, translation = roll @ rotation, roll @ translation
    intrinsics = intrinsics_from_fov(math.radians(rng.uniform(*settings.fov_deg)), settings.width, settings.height)
    # Where a wall is missing it is day.
    background = torch.tensor(rng.uniform(0.7, 0.95) * rng.uniform(0.95, 1.05, 3), dtype=torch.float32)
    return Look(rotation, translation, intrinsics, _room_lights(rng, rotation), background)


def _room_lights(rng: Rng, rotation: Float[Tensor, "3 3"]) -> Lights:
    """A lamp above, daylight from a side, and what the walls give back."""
    above = np.array([*rng.uniform(-0.6, 0.6, 2), 1.0])
    angle = rng.uniform(0, 2 * np.pi)
    beside = np.array([np.cos(angle), np.sin(angle), rng.uniform(0.1, 0.8)])
    directions = functional.normalize(torch.tensor(np.stack([above, beside]), dtype=torch.float32), dim=-1)
    warm, cold = np.array([1.0, 0.95, 0.86]), np.array([0.92, 0.97, 1.0])
    colours = np.stack([rng.uniform(0.25, 0.55) * warm, rng.uniform(0.15, 0.55) * cold]) * rng.uniform(
        0.95, 1.05, (2, 3)
    )
    return Lights(
        directions=(directions @ rotation.T)[None],
        colours=torch.tensor(colours, dtype=torch.float32)[None],
        ambient=torch.full((1, 3), rng.uniform(0.4, 0.75)),
        specular=torch.tensor([rng.uniform(0.0, 0.15)]),
    )


class RoomRenderer:
    """Renders the rooms of one part of a data set.

    Args:
        settings: picture size, cameras, seed.
        split: the part; another part has other rooms and, unless it is "train", members of the zoo that train lacks.
        backend: of the renderer.
    """

    def __init__(self, settings: RoomSettings, split: str = TRAIN, backend: str = "auto") -> None:
        self.settings, self.split = settings, split
        self.furniture = Furniture(0 if split == TRAIN else HELD_OUT_MEMBER, settings.members)
        self.renderer = Renderer(size=settings.size, backend=backend)  # type: ignore[arg-type]

    def render(self, index: int) -> NormalSample:
        """Room `index` of the part."""
        rng = _generator(self.settings.seed, self.split, index)
        mesh, size = random_room(rng, self.furniture)
        look = random_look(rng, size, self.settings)
        poses = look.rotation[None], look.translation[None], look.intrinsics
        frames = self.renderer.render(mesh, *poses, look.lights, look.background)
        normals = camera_facing(frames.normals[0].permute(2, 0, 1).cpu())
        mask = frames.mask[0].cpu() & (normals != 0).any(0)
        image = frames.rgb[0].permute(2, 0, 1).cpu().float() / 255
        return NormalSample(image, torch.where(mask, normals, 0.0), mask, f"{index:06d}")

    def close(self) -> None:
        """Give back what the renderer holds."""
        self.renderer.close()


def _generator(seed: int, split: str, index: int) -> Rng:
    # Neighbouring integers make poor seeds for related streams; a hash makes unrelated ones.
    digest = hashlib.sha256(f"armillary/rooms/{seed}/{split}/{index}".encode()).digest()
    return np.random.default_rng(int.from_bytes(digest[:8], "little"))
