r"""Light on a satellite: one hard source with shadows, a wide source, light from everywhere, and highlights.

Radiance of a surface of grey a and gloss g, with normal n, sun s, wide source w and half vector h of sun and eye:

.. math:: L = a\,\bigl(k_0 + k_w \tfrac{1 + n \cdot w}{2} + k_s v \max(0, n \cdot s)\bigr)
              + g\,k_g\,(k_s v + k_w/4) \max(0, n \cdot h)^p

v is 0 in the sun's shadow. The wide source is a half sphere of even brightness: the Earth below, a wall of lamps.
"""

from dataclasses import dataclass, fields

import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.nn import functional


@dataclass(frozen=True)
class Illumination:
    """Of a batch of views; directions are unit vectors in the camera frame, from surface to light."""

    sun: Float[Tensor, "views 3"]
    sun_strength: Float[Tensor, " views"]
    wide: Float[Tensor, "views 3"]
    wide_strength: Float[Tensor, " views"]
    ambient: Float[Tensor, " views"]
    # k_g and p.
    gloss: Float[Tensor, " views"]
    sharpness: Float[Tensor, " views"]

    def of(self, owner: Int[Tensor, " points"]) -> "Illumination":
        """That of each point's view."""
        return Illumination(*(getattr(self, field.name)[owner] for field in fields(self)))


def shade(
    light: Illumination,
    points: Float[Tensor, "points 3"],
    normals: Float[Tensor, "points 3"],
    lit: Float[Tensor, " points"],
) -> tuple[Float[Tensor, " points"], Float[Tensor, " points"]]:
    """Light on the surface, which its grey multiplies, and highlights, which its gloss does.

    Args:
        light: at each point.
        points: in the camera frame, metres.
        normals: unit vectors towards the camera.
        lit: 1 where the sun shines, 0 in its shadow.

    Example:
        >>> up, one = torch.tensor([[0.0, 0.0, -1.0]]), torch.ones(1)
        >>> light = Illumination(up, one, up, 0 * one, 0 * one, one, 30 * one)
        >>> shade(light, -up, up, one)
        (tensor([1.]), tensor([1.]))
    """
    sun = light.sun_strength * lit
    surface = sun * (normals * light.sun).sum(-1).clamp_min(0)
    surface += light.wide_strength * (1 + (normals * light.wide).sum(-1)) / 2 + light.ambient
    half = functional.normalize(light.sun - functional.normalize(points, dim=-1), dim=-1)
    # exp-log instead of pow: one power for each point.
    lobe = (light.sharpness * (normals * half).sum(-1).clamp_min(1e-3).log()).exp()
    return surface, light.gloss * lobe * (sun + light.wide_strength / 4)


def directions_about(
    axis: Float[Tensor, "3"], widest: float, count: int, generator: torch.Generator
) -> Float[Tensor, "{count} 3"]:
    """Unit vectors uniform on the cap of the sphere within an angle (radians) of an axis.

    Example:
        >>> directions_about(torch.tensor([0.0, 0.0, -1.0]), 0.0, 2, torch.Generator()).abs().sum(-1)
        tensor([1., 1.])
    """
    along = 1 - torch.rand(count, 1, generator=generator) * (1 - torch.cos(torch.tensor(widest)))
    across = torch.randn(count, 3, generator=generator)
    across = functional.normalize(across - (across @ axis)[:, None] * axis, dim=-1)
    return along * axis + (1 - along.square()).clamp_min(0).sqrt() * across
