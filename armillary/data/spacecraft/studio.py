"""Pictures of the satellite in a domain: drawn once for what it is made of, lit point by point, exposed.

The renderer draws grey, gloss and coverage (antialiased) with depth and normals; light is computed of these in
radiance, without limits, so that a sensor can be overexposed.
"""

from dataclasses import dataclass, fields, replace

import torch
from jaxtyping import Bool, Float, Int, UInt8
from torch import Tensor
from torch.nn import functional

from armillary.data.camera import unproject
from armillary.data.rendering.lighting import Lights
from armillary.data.rendering.renderer import Backend, Frames, Renderer
from armillary.data.spacecraft.domain import DOMAINS, Domain
from armillary.data.spacecraft.illumination import Illumination, shade
from armillary.data.spacecraft.scene import Poses, SatelliteSettings, coated
from armillary.data.spacecraft.sensor import Sensor, expose
from armillary.data.spacecraft.shadow import ShadowCaster

# Colours as they are: no source but an even one of strength 1.
FLAT = Lights(torch.zeros(1, 0, 3), torch.zeros(1, 0, 3), torch.ones(1, 3), torch.zeros(1))


@dataclass(frozen=True)
class Exposures:
    """Grey pictures and, at pixel centres, where the satellite is."""

    grey: UInt8[Tensor, "views height width"]
    mask: Bool[Tensor, "views height width"]

    def __len__(self) -> int:
        return len(self.grey)


class SatelliteStudio:
    """Takes pictures of one satellite in one domain.

    Args:
        settings: satellite and camera.
        domain: its name.
        backend: of the renderer.

    Example:
        >>> from armillary.data.spacecraft.scene import draw_poses
        >>> settings = SatelliteSettings(width=96, height=60)
        >>> studio = SatelliteStudio(settings, "synthetic", backend="torch")
        >>> studio.photograph(draw_poses(settings, "train", 0), torch.Generator().manual_seed(0)).grey.shape
        torch.Size([16, 60, 96])
    """

    def __init__(self, settings: SatelliteSettings, domain: str, backend: Backend = "auto") -> None:
        if domain not in DOMAINS:
            raise ValueError(f"expected a domain among {', '.join(DOMAINS)}, got '{domain}'; choose one")
        self.domain: Domain = DOMAINS[domain]
        self._mesh = coated(settings.satellite().mesh, self.domain.response)
        self._sphere = self._mesh.bounding_sphere()
        self._renderer = Renderer((settings.height, settings.width), backend=backend)
        self._shadows = ShadowCaster(backend=backend) if self.domain.shadows else None
        self._intrinsics = settings.camera().intrinsics.float()

    @property
    def note(self) -> str:
        """Which back end draws, and why."""
        return self._renderer.note

    def photograph(self, poses: Poses, generator: torch.Generator) -> Exposures:
        """Pictures of the satellite in these poses, each in its own light, before a camera of its own settings."""
        light = self.domain.light(len(poses.rotations), generator)
        behind = self._behind(light, generator)
        return self._exposed(poses, light, behind, self.domain.sensor, generator)

    def film(self, poses: Poses, generator: torch.Generator, noise: torch.Generator) -> Exposures:
        """Frames in one light, before one background and one camera, all drawn anew from `generator`."""
        light = self.domain.light(1, generator)
        behind = self._behind(light, generator)
        sensor, frames = settled(self.domain.sensor, generator), len(poses.rotations)
        light = light.of(torch.zeros(frames, dtype=torch.int64))
        return self._exposed(poses, light, behind.repeat(frames, 1, 1), sensor, noise)

    def close(self) -> None:
        """Give back what the renderers hold."""
        self._renderer.close()
        if self._shadows is not None:
            self._shadows.close()

    def _behind(self, light: Illumination, generator: torch.Generator) -> Float[Tensor, "views height width"]:
        count, height, width = len(light.sun), self._renderer.height, self._renderer.width
        return self.domain.backdrop(count, height, width, light, generator)

    def _exposed(
        self,
        poses: Poses,
        light: Illumination,
        behind: Float[Tensor, "views height width"],
        sensor: Sensor,
        generator: torch.Generator,
    ) -> Exposures:
        frames = self._renderer.render(self._mesh, *poses, self._intrinsics, FLAT)
        return Exposures(expose(self._radiance(frames, poses, light, behind), sensor, generator), frames.mask.cpu())

    def _radiance(
        self, frames: Frames, poses: Poses, light: Illumination, behind: Float[Tensor, "views height width"]
    ) -> Float[Tensor, "views height width"]:
        """Light that reaches each pixel."""
        inside = frames.mask.flatten().nonzero()[:, 0]
        owner = inside // frames.mask[0].numel()
        normals = frames.normals.reshape(-1, 3)[inside]
        points = self._points(inside, frames)
        lit = torch.ones(len(inside))
        if self._shadows is not None:
            lit = self._shadows.lit(self._mesh, self._sphere, poses, light.sun, points, normals, owner)
        shaded = torch.stack(shade(light.of(owner), points, normals, lit), -1)
        # Coverage of pixels on an outline, whose centres may miss the satellite: lit as their neighbours.
        drawn = frames.rgb.reshape(-1, 3)
        covered = (drawn[:, 2] > 0).nonzero()[:, 0]
        light_at = _with_neighbours(shaded, inside, covered, frames.mask)
        material = drawn[covered].float() / 255
        radiance = behind.flatten()
        radiance[covered] = (material[:, :2] * light_at).sum(-1) + (1 - material[:, 2]) * radiance[covered]
        return radiance.view_as(behind)

    def _points(self, inside: Int[Tensor, " points"], frames: Frames) -> Float[Tensor, "points 3"]:
        """Where in the camera frame these pixels meet the satellite."""
        height, width = frames.mask.shape[1:]
        place = inside % (height * width)
        pixels = torch.stack([place % width, place // width], -1).float()
        return unproject(pixels, frames.depth.flatten()[inside], self._intrinsics)


def settled(sensor: Sensor, generator: torch.Generator) -> Sensor:
    """The sensor with one number drawn from each of its ranges.

    Example:
        >>> sensor = settled(Sensor(blur=(1.0, 2.0)), torch.Generator().manual_seed(0))
        >>> sensor.blur[0] == sensor.blur[1]
        True
    """
    drawn = {}
    for field in fields(sensor):
        low, high = getattr(sensor, field.name)
        drawn[field.name] = (low + (high - low) * float(torch.rand((), generator=generator)),) * 2
    return replace(sensor, **drawn)


def _with_neighbours(
    values: Float[Tensor, "points 2"],
    known: Int[Tensor, " points"],
    wanted: Int[Tensor, " pixels"],
    mask: Bool[Tensor, "views height width"],
) -> Float[Tensor, "pixels 2"]:
    """Values at the pixels wanted: known there, or the mean over the known among the eight around."""
    height, width = mask.shape[1:]
    # A frame of zeros, so that no neighbour is in another row or picture.
    view, place = known // (height * width), known % (height * width)
    stride = (height + 2) * (width + 2)

    def padded(view: Tensor, place: Tensor) -> Tensor:
        return view * stride + (place // width + 1) * (width + 2) + place % width + 1

    field = torch.zeros(len(mask) * stride, 3)
    field[padded(view, place)] = functional.pad(values, (0, 1), value=1.0)
    here = padded(wanted // (height * width), wanted % (height * width))
    found = field[here]
    open_places = here[found[:, 2] == 0]
    steps = torch.tensor([row * (width + 2) + column for row in (-1, 0, 1) for column in (-1, 0, 1)])
    around = field[open_places[:, None] + steps].sum(1)
    found[found[:, 2] == 0] = around / around[:, 2:].clamp_min(1)
    return found[:, :2]
