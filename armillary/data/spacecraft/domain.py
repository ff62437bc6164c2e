"""Three domains of one satellite, after those of SPEED+: rendered, under a wall of lamps, under a sun lamp.

- synthetic: the sun as a hard source with shadows, the Earth as a wide one and at times as background; a good camera.
- lightbox: the Earth's albedo from a wall of lamps: no shadows, no hard source; little light, hence a noisy, blurred,
  low picture with dark corners, and the laboratory's curtains and rails behind.
- sunlamp: one lamp in a black room: black shadows beside surfaces that overflow, highlights, stray light.

Light and sensor of each also weigh colours in their own way, so that foil and cells change places in grey.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from armillary.data.spacecraft.backdrop import earth, glare, laboratory
from armillary.data.spacecraft.illumination import Illumination, directions_about
from armillary.data.spacecraft.sensor import Sensor

# From the satellite to the camera.
TO_CAMERA = torch.tensor([0.0, 0.0, -1.0])


@dataclass(frozen=True)
class Domain:
    """How pictures of a domain come about.

    Attributes:
        response: weights of red, green and blue in grey.
        shadows: whether the satellite shades itself from the sun.
        sensor: what the camera makes of the light.
        light: that of so many views.
        backdrop: radiance behind the satellite: views, height, width, their light.
    """

    response: tuple[float, float, float]
    shadows: bool
    sensor: Sensor
    light: Callable[[int, torch.Generator], Illumination]
    backdrop: Callable[[int, int, int, Illumination, torch.Generator], Float[Tensor, "views height width"]]


def _orbit_light(count: int, generator: torch.Generator) -> Illumination:
    """The sun from the camera's side of the satellite or beside it, the Earth from anywhere."""
    draw = _Draw(count, generator)
    return Illumination(
        sun=directions_about(TO_CAMERA, math.radians(95), count, generator),
        sun_strength=draw(0.75, 1.1),
        wide=directions_about(TO_CAMERA, math.pi, count, generator),
        wide_strength=draw(0.10, 0.40),
        ambient=draw(0.03, 0.10),
        gloss=draw(0.10, 0.35),
        sharpness=draw(20.0, 50.0),
    )


def _lamp_wall_light(count: int, generator: torch.Generator) -> Illumination:
    """From everywhere, more from the wall's side."""
    draw = _Draw(count, generator)
    wall = directions_about(TO_CAMERA, math.radians(80), count, generator)
    return Illumination(
        sun=wall,
        sun_strength=draw(0.0, 0.0),
        wide=wall,
        wide_strength=draw(0.45, 0.90),
        ambient=draw(0.15, 0.35),
        gloss=draw(0.3, 0.8),
        sharpness=draw(4.0, 10.0),
    )


def _sun_lamp_light(count: int, generator: torch.Generator) -> Illumination:
    """One lamp, never behind the camera, and what black walls send back of it."""
    draw = _Draw(count, generator)
    side = directions_about(TO_CAMERA, math.radians(85), count, generator)
    return Illumination(
        sun=side,
        sun_strength=draw(1.0, 1.4),
        wide=-side,
        wide_strength=draw(0.0, 0.02),
        ambient=draw(0.004, 0.02),
        gloss=draw(0.8, 2.0),
        sharpness=draw(15.0, 60.0),
    )


DOMAINS = {
    "synthetic": Domain(
        response=(0.30, 0.59, 0.11),
        shadows=True,
        sensor=Sensor(
            exposure=(0.85, 1.15),
            gamma=(0.75, 0.85),
            blur=(0.8, 1.4),
            electrons=(2e4, 2e4),
            read_noise=(0.002, 0.004),
        ),
        light=_orbit_light,
        backdrop=lambda count, height, width, light, generator: earth(count, height, width, 0.5, generator),
    ),
    "lightbox": Domain(
        # Cold white lamps.
        response=(0.20, 0.40, 0.40),
        shadows=False,
        sensor=Sensor(
            exposure=(0.6, 1.2),
            gamma=(0.70, 0.90),
            pedestal=(0.04, 0.10),
            contrast=(0.55, 0.85),
            blur=(1.8, 3.6),
            scatter=(0.05, 0.15),
            vignetting=(0.3, 0.7),
            electrons=(150.0, 600.0),
            read_noise=(0.012, 0.03),
        ),
        light=_lamp_wall_light,
        backdrop=lambda count, height, width, light, generator: laboratory(count, height, width, generator),
    ),
    "sunlamp": Domain(
        # A hot lamp, and silicon that sees red best.
        response=(0.60, 0.32, 0.08),
        shadows=True,
        sensor=Sensor(
            exposure=(1.2, 3.5),
            gamma=(0.9, 1.1),
            blur=(1.0, 2.2),
            scatter=(0.05, 0.18),
            bloom=(0.3, 0.9),
            vignetting=(0.0, 0.2),
            electrons=(1500.0, 5000.0),
            read_noise=(0.006, 0.015),
        ),
        light=_sun_lamp_light,
        backdrop=lambda count, height, width, light, generator: glare(count, height, width, light.sun, generator),
    ),
}


@dataclass(frozen=True)
class _Draw:
    """Uniform numbers between two, one for each view."""

    count: int
    generator: torch.Generator

    def __call__(self, low: float, high: float) -> Float[Tensor, " views"]:
        return low + (high - low) * torch.rand(self.count, generator=self.generator)
