"""Random views of a shape: view i of object k is a pure function of (seed, k, i), whatever else is rendered.

Rotations are uniform on SO(3), or those of a camera on the view sphere about an object that stands, its z axis up. The
object's bounding sphere sits near the picture's middle and fills a stated share of
it. Views are drawn in blocks of fixed size, one random generator per block, so that any block can be made again alone.
"""

import hashlib
import math
from dataclasses import dataclass
from typing import Literal, get_args

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional

from armillary.data.camera import intrinsics_from_fov
from armillary.data.rendering.lighting import BackgroundKind, Lights, random_backgrounds, random_lights, studio_lights
from armillary.data.rendering.renderer import Frames, Renderer
from armillary.data.shapes.mesh import Mesh
from armillary.so3 import random_rotations, viewpoint_to_matrix

# Views per block: large enough for the renderer to batch, small enough that a lost block costs little.
BLOCK = 32

LightKind = Literal["studio", "random"]
PoseKind = Literal["uniform", "viewsphere"]


@dataclass(frozen=True)
class SceneSettings:
    """How objects are photographed.

    Example:
        >>> SceneSettings(size=64).intrinsics()[0, 2]
        tensor(31.5000)
    """

    # Width and height of the pictures, pixels.
    size: int = 128
    # Horizontal field of view, degrees.
    fov_deg: float = 30.0
    # Width of the object's bounding sphere over the picture's width.
    fill: float = 0.75
    # The fill varies by a factor in [1 / (1 + jitter), 1 + jitter], by moving the camera.
    fill_jitter: float = 0.1
    # The object's centre moves by up to this share of half the picture's width, along each axis.
    shift: float = 0.05
    # Light: the same for all views, or random for each.
    lights: LightKind = "random"
    # What stands behind the object: black, grey, white, or a random colour, gradient, noise, or of these three any.
    background: BackgroundKind = "mixed"
    # Another seed gives other views.
    seed: int = 0
    # How objects are turned: any rotation alike, or as a camera on the view sphere sees an object whose z axis is up.
    poses: PoseKind = "uniform"
    # Lowest and highest elevation of that camera, degrees; all between are alike, as all azimuths are.
    elevation_deg: tuple[float, float] = (-10.0, 60.0)
    # That camera is tilted by up to this angle either way, degrees.
    tilt_deg: float = 10.0

    def __post_init__(self) -> None:
        for name, low, high in (("size", 8, 8192), ("fov_deg", 0.1, 150), ("fill", 0.01, 4), ("fill_jitter", 0, 10)):
            if not low <= getattr(self, name) <= high:
                raise ValueError(f"expected {name} from {low} to {high}, got {getattr(self, name)}; choose another")
        for name, kind in (("lights", LightKind), ("background", BackgroundKind), ("poses", PoseKind)):
            choices = get_args(kind)
            if getattr(self, name) not in choices:
                raise ValueError(f"expected {name} among {', '.join(choices)}, got '{getattr(self, name)}'; choose one")
        low, high = self.elevation_deg
        if not -90 <= low <= high <= 90:
            raise ValueError(
                f"expected elevation_deg from -90 to 90, lowest first, got {low:g} and {high:g}; correct it"
            )
        if not 0 <= self.tilt_deg <= 180:
            raise ValueError(f"expected tilt_deg from 0 to 180, got {self.tilt_deg:g}; 0 keeps the camera upright")

    def intrinsics(self) -> Float[Tensor, "3 3"]:
        """The pinhole matrix of all views."""
        return intrinsics_from_fov(math.radians(self.fov_deg), self.size)


@dataclass(frozen=True)
class ViewBlock:
    """Poses, light and background of `BLOCK` consecutive views of one object."""

    rotations: Float[Tensor, "views 3 3"]
    translations: Float[Tensor, "views 3"]
    lights: Lights
    # None is black.
    backgrounds: Float[Tensor, "views height width 3"] | None


def draw_block(
    centre: Float[Tensor, "3"], radius: float, settings: SceneSettings, object_index: int, block: int
) -> ViewBlock:
    r"""Views ``block * BLOCK`` to ``(block + 1) * BLOCK - 1`` of an object with the given bounding sphere.

    A sphere of outline :math:`\tan a = f \tan(\phi / 2)` (fill f, field of view phi) stands at :math:`d = r / \sin a`.

    Example:
        >>> first = draw_block(torch.zeros(3), 1.0, SceneSettings(size=16), object_index=0, block=3)
        >>> again = draw_block(torch.zeros(3), 1.0, SceneSettings(size=16), object_index=0, block=3)
        >>> bool((first.translations == again.translations).all())
        True
    """
    generator = _generator(settings.seed, object_index, block)
    half_width = math.tan(math.radians(settings.fov_deg) / 2)
    rotations = _random_poses(settings, generator)
    jitter = math.log1p(settings.fill_jitter) * (2 * torch.rand(BLOCK, generator=generator) - 1)
    tangent = settings.fill * half_width * torch.exp(jitter)
    distance = radius * torch.sqrt(1 + tangent**-2)
    shift = settings.shift * half_width * (2 * torch.rand(BLOCK, 2, generator=generator) - 1)
    in_camera = torch.cat([shift, torch.ones(BLOCK, 1)], -1)
    in_camera = in_camera / torch.linalg.vector_norm(in_camera, dim=-1, keepdim=True) * distance[:, None]
    lights = studio_lights() if settings.lights == "studio" else random_lights(BLOCK, generator)
    return ViewBlock(rotations, in_camera - rotations @ centre, lights, _backgrounds(settings, generator))


def render_block(renderer: Renderer, mesh: Mesh, views: ViewBlock, settings: SceneSettings, count: int) -> Frames:
    """The first `count` views of a block."""
    lights, backgrounds = views.lights, views.backgrounds
    if len(lights.directions) > 1:
        part = slice(count)
        lights = Lights(lights.directions[part], lights.colours[part], lights.ambient[part], lights.specular[part])
    if backgrounds is not None:
        backgrounds = backgrounds[:count]
    poses = views.rotations[:count], views.translations[:count]
    return renderer.render(mesh, *poses, settings.intrinsics(), lights, backgrounds)


def _random_poses(settings: SceneSettings, generator: torch.Generator) -> Float[Tensor, "views 3 3"]:
    if settings.poses == "uniform":
        return random_rotations(BLOCK, generator=generator)
    azimuth, elevation, tilt = torch.rand(3, BLOCK, generator=generator)
    low, high = (math.radians(angle) for angle in settings.elevation_deg)
    most = math.radians(settings.tilt_deg)
    return viewpoint_to_matrix(2 * math.pi * azimuth, low + (high - low) * elevation, most * (2 * tilt - 1))


def _backgrounds(
    settings: SceneSettings, generator: torch.Generator
) -> Float[Tensor, "views {settings.size} {settings.size} 3"] | None:
    if settings.background == "black":
        return None
    # Backgrounds are smooth: drawn at half the resolution they look the same and cost a quarter.
    half = settings.size // 2
    small = random_backgrounds(BLOCK, half, half, settings.background, generator)
    large = functional.interpolate(small.permute(0, 3, 1, 2), settings.size, mode="bilinear", align_corners=False)
    return large.permute(0, 2, 3, 1)


def _generator(seed: int, object_index: int, block: int) -> torch.Generator:
    # Neighbouring integers make poor seeds for related streams; a hash makes unrelated ones.
    digest = hashlib.sha256(f"armillary/{seed}/{object_index}/{block}".encode()).digest()
    return torch.Generator().manual_seed(int.from_bytes(digest[:8], "little") >> 1)
