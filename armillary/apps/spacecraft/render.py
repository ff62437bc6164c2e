"""``armillary spacecraft render``: a satellite of our own in three domains, and a film of it tumbling."""

import math
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import torch
import tyro
from torch.nn import functional

from armillary.apps.machine import check_output, use_threads
from armillary.apps.parse import parse
from armillary.data import Mesh
from armillary.data.rendering.renderer import Backend, Renderer
from armillary.data.spacecraft.scene import Poses, SatelliteSettings, stream
from armillary.data.spacecraft.writer import write_film, write_satellite
from armillary.so3 import random_rotations
from armillary.tracking import Tumble
from armillary.tracking.tumble import tumble

DESCRIPTION = """Render a satellite of the zoo in three domains, written as SPEED+ is published.

DIR gets synthetic/ (train and validation), lightbox/ and sunlamp/ (test), camera.json and model.ply: every command that
takes SPEED+ takes it. The same command again completes an interrupted data set or adds to it. With --film a
tumbling satellite too, DIR/film: frames in order with their poses, for `armillary track DIR/film/frames.csv`.

examples:
  armillary spacecraft render --out satellite
  armillary spacecraft render --out satellite --train 20000
  armillary spacecraft render --out symmetric --member 4 --film 300 --film-domain lightbox
"""


@dataclass(frozen=True)
class RenderCommand:
    """Options of rendering a satellite."""

    # The data set's folder.
    out: Path

    # Pictures of each part; 0 leaves it out.
    train: int = 16000
    validation: int = 500
    lightbox: int = 300
    sunlamp: int = 300

    # Satellite, camera and poses.
    settings: tyro.conf.OmitArgPrefixes[SatelliteSettings] = field(default_factory=SatelliteSettings)

    # Frames of a film of the satellite tumbling freely; 0: none.
    film: int = 0

    # Frames a second of the film.
    fps: float = 10.0

    # Light and camera of the film.
    film_domain: Literal["synthetic", "lightbox", "sunlamp"] = "synthetic"

    # What draws: OpenGL through EGL (fast), torch (needs nothing), or whichever works.
    backend: Backend = "auto"

    # Processor threads; by default one for each core.
    threads: int | None = None


def main(arguments: Sequence[str], started: float) -> None:
    """Run the command."""
    command = parse(RenderCommand, arguments, "armillary spacecraft render", description=DESCRIPTION)
    counts = {name: getattr(command, name) for name in ("train", "validation", "lightbox", "sunlamp")}
    if min(*counts.values(), command.film) < 0 or not any([*counts.values(), command.film]):
        told = ", ".join(f"{name} {count}" for name, count in {**counts, "film": command.film}.items())
        raise ValueError(f"expected pictures of some part, got {told}; give --train 16000")
    if not 0 < command.fps < math.inf:
        raise ValueError(f"expected frames per second above zero, got {command.fps}; give --fps 10")
    check_output(command.out)
    use_threads(command.threads)
    renderer = Renderer(size=16, backend=command.backend)
    print(renderer.note, file=sys.stderr)
    renderer.close()
    write_satellite(command.out, counts, command.settings, command.backend)
    if command.film:
        film = tumbling(command.settings, command.film, command.fps)
        poses = Poses(film.rotation.float(), drifting(command.settings, command.film))
        write_film(command.out, poses, film.time.numpy(), command.film_domain, command.settings, command.backend)
    print(f"{sum(counts.values()) + command.film} pictures in {command.out}; next: {_next(command, counts)}")


def tumbling(settings: SatelliteSettings, frames: int, fps: float) -> Tumble:
    """Free rotation from a random pose at 10 to 30 degrees a second, with the inertia of the satellite's surface.

    Example:
        >>> tumbling(SatelliteSettings(), 2, 10.0).rotation.shape
        torch.Size([2, 3, 3])
    """
    generator = stream(settings.seed, "film", 0, "motion")
    start = random_rotations(generator=generator, dtype=torch.float64)
    axis = functional.normalize(torch.randn(3, generator=generator, dtype=torch.float64), dim=0)
    speed = 10 + 20 * torch.rand((), generator=generator, dtype=torch.float64)
    return tumble(start, math.radians(1) * speed * axis, frames, fps, shell_inertia(settings.satellite().mesh))


def shell_inertia(mesh: Mesh) -> tuple[float, float, float]:
    """Moments of a thin skin of even density about the axes of the mesh's frame, in units of its mass: m^2.

    Example:
        >>> square = Mesh(torch.tensor([[0.0, -1, 0], [0, 1, 0], [0, 0, 2]]), torch.tensor([[0, 1, 2]]))
        >>> [round(moment, 3) for moment in shell_inertia(square)]
        [0.833, 0.667, 0.167]
    """
    corners = mesh.vertices.double()[mesh.faces]
    area = torch.linalg.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]).norm(dim=-1)
    # The mean square over a triangle is that of the middles of its sides.
    middles = (corners + corners.roll(1, 1)) / 2
    square = (area @ middles.square().mean(1)) / area.sum()
    x, y, z = square.tolist()
    return y + z, x + z, x + y


def drifting(settings: SatelliteSettings, frames: int) -> torch.Tensor:
    """A straight path through the middle of the frame, between a half and three quarters of the farthest depth."""
    generator = stream(settings.seed, "film", 0, "path")
    camera = settings.camera()
    depth = settings.radius * settings.farthest * (0.5 + 0.25 * torch.rand(2, 1, generator=generator))
    half = torch.tensor([settings.width, settings.height]) / 2
    aside = 0.4 * half * (2 * torch.rand(2, 2, generator=generator) - 1) / camera.fx
    ends = depth * torch.cat([aside, torch.ones(2, 1)], -1)
    return torch.lerp(ends[0], ends[1], torch.linspace(0, 1, frames)[:, None])


def _next(command: RenderCommand, counts: dict[str, int]) -> str:
    if counts["train"]:
        return f"armillary spacecraft train --data {command.out} --out RUN"
    return f"armillary data check {command.out}"
