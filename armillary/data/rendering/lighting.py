"""Light and background of rendered views, fixed or random, one setting per view.

Light directions are unit vectors in the camera frame (OpenCV: x right, y down, z forward), from surface to light.
"""

from dataclasses import dataclass
from typing import Literal, get_args

import torch
from jaxtyping import Float
from torch import Tensor

BackgroundKind = Literal["black", "grey", "white", "colour", "gradient", "noise", "mixed"]


@dataclass(frozen=True)
class Lights:
    r"""Directional lights and an ambient term, for one view (batch 1 serves all) or for each.

    .. math:: c = a\,(k_a + \sum_i k_i \max(0, n \cdot l_i)) + s \sum_i k_i \max(0, n \cdot h_i)^{32}

    with the surface colour a and the half vector h between light and eye (Blinn-Phong).
    """

    directions: Float[Tensor, "batch lights 3"]
    colours: Float[Tensor, "batch lights 3"]
    ambient: Float[Tensor, "batch 3"]
    specular: Float[Tensor, "batch"]


def studio_lights() -> Lights:
    """Key light from the upper left, weak fill from the right, a little ambient: the default for every view.

    Example:
        >>> studio_lights().directions.shape
        torch.Size([1, 2, 3])
    """
    directions = torch.tensor([[[-0.45, -0.75, -0.6], [0.8, 0.1, -0.55]]])
    return Lights(
        directions=torch.nn.functional.normalize(directions, dim=-1),
        colours=torch.tensor([0.72, 0.2])[None, :, None].expand(1, 2, 3).clone(),
        ambient=torch.full((1, 3), 0.26),
        specular=torch.tensor([0.12]),
    )


def random_lights(size: int, generator: torch.Generator | None = None) -> Lights:
    """One random key light in front of the object, one fill light and ambient for each view, slightly coloured.

    Example:
        >>> random_lights(5, torch.Generator().manual_seed(0)).colours.shape
        torch.Size([5, 2, 3])
    """
    directions = torch.randn(size, 2, 3, generator=generator)
    directions = torch.nn.functional.normalize(directions, dim=-1)
    # Lights behind the object would leave it black: reflect them to the camera's side, and never graze exactly.
    directions[..., 2] = -directions[..., 2].abs() - 0.15
    tint = 1 + 0.12 * (2 * torch.rand(size, 2, 3, generator=generator) - 1)
    strength = torch.rand(size, 2, 1, generator=generator)
    strength = torch.stack([0.45 + 0.45 * strength[:, 0], 0.35 * strength[:, 1]], dim=1)
    return Lights(
        directions=torch.nn.functional.normalize(directions, dim=-1),
        colours=strength * tint,
        ambient=(0.15 + 0.25 * torch.rand(size, 1, generator=generator)).expand(size, 3).clone(),
        specular=0.3 * torch.rand(size, generator=generator),
    )


def random_backgrounds(
    size: int,
    height: int,
    width: int,
    kind: BackgroundKind = "mixed",
    generator: torch.Generator | None = None,
) -> Float[Tensor, "{size} {height} {width} 3"]:
    """Pictures to put behind the object: black, grey, white, or random colours, gradients, smooth noise, or a mixture
    of these three.

    Example:
        >>> random_backgrounds(2, 8, 8, "gradient", torch.Generator().manual_seed(0)).shape
        torch.Size([2, 8, 8, 3])
    """
    if kind not in get_args(BackgroundKind):
        raise ValueError(f"expected a background among {', '.join(get_args(BackgroundKind))}, got '{kind}'; choose one")
    plain = {"black": 0.0, "grey": 0.5, "white": 1.0}
    if kind in plain:
        return torch.full((size, height, width, 3), plain[kind])
    first = torch.rand(size, 1, 1, 3, generator=generator)
    if kind == "colour":
        return first.expand(size, height, width, 3).clone()
    second = torch.rand(size, 1, 1, 3, generator=generator)
    ramp = _random_ramps(size, height, width, generator)
    noise = _smooth_noise(size, height, width, generator)
    gradients = first + (second - first) * ramp
    cloudy = (gradients + 0.5 * noise).clamp(0, 1)
    if kind != "mixed":
        return gradients if kind == "gradient" else cloudy
    choice = torch.randint(0, 3, (size, 1, 1, 1), generator=generator)
    return torch.where(choice == 0, first, torch.where(choice == 1, gradients, cloudy))


def _random_ramps(
    size: int, height: int, width: int, generator: torch.Generator | None
) -> Float[Tensor, "{size} {height} {width} 1"]:
    angle = 2 * torch.pi * torch.rand(size, 1, 1, generator=generator)
    rows = torch.linspace(-0.5, 0.5, height)[:, None]
    columns = torch.linspace(-0.5, 0.5, width)[None]
    return (0.5 + 0.7 * (angle.cos() * columns + angle.sin() * rows)).clamp(0, 1)[..., None]


def _smooth_noise(
    size: int, height: int, width: int, generator: torch.Generator | None
) -> Float[Tensor, "{size} {height} {width} 3"]:
    total = torch.zeros(size, 3, height, width)
    for cells, weight in ((3, 0.5), (7, 0.3), (17, 0.2)):
        coarse = 2 * torch.rand(size, 3, cells, cells, generator=generator) - 1
        total += weight * torch.nn.functional.interpolate(coarse, (height, width), mode="bilinear", align_corners=True)
    return total.permute(0, 2, 3, 1)
