r"""A tumbling body and what a network would say of it: a film with known truth, for tests and measurements.

A rigid body without torque: :math:`I\dot w=Iw\times w` in object axes, :math:`\dot R=R[w]_\times`. Its angular momentum
in camera axes is constant, which tells how exact the integration is.
"""

import math
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from armillary.distributions import HarmonicDistribution
from armillary.harmonics import wigner_D
from armillary.so3 import SymmetryGroup, exp, random_rotations

STEPS = 50  # of the integration a frame


@dataclass(frozen=True)
class Tumble:
    """A film of a tumbling body.

    Attributes:
        time: Of the frames, in seconds.
        rotation: R_cam_obj.
        velocity: Angular velocity in camera axes, radians/s.
    """

    time: Float[Tensor, " frames"]
    rotation: Float[Tensor, "frames 3 3"]
    velocity: Float[Tensor, "frames 3"]


def tumble(
    start: Float[Tensor, "3 3"],
    velocity: Float[Tensor, "3"],
    frames: int = 300,
    fps: float = 10.0,
    inertia: tuple[float, float, float] = (1.0, 1.5, 2.2),
) -> Tumble:
    """Free motion of a rigid body.

    Args:
        start: First rotation.
        velocity: First angular velocity, in object axes.
        frames: How many.
        fps: Frames a second.
        inertia: Principal moments along the object's axes, in any unit.

    Example:
        >>> spin = torch.tensor([0.0, 0.0, torch.pi / 2]).double()
        >>> tumble(torch.eye(3).double(), spin, frames=11).rotation[10, :, 0].round(decimals=6).abs()
        tensor([0., 1., 0.], dtype=torch.float64)
    """
    moment = torch.tensor(inertia, dtype=torch.float64)
    momentum = start.double() @ (moment * velocity.double())
    step = 1 / fps / STEPS
    rotation, rotations = start.double(), []
    for _ in range(frames):
        rotations.append(rotation)
        for _ in range(STEPS):
            # The midpoint rule on the group; the momentum in camera axes is known and exact.
            half = rotation @ exp(step / 2 * (rotation.mT @ momentum) / moment)
            rotation = rotation @ exp(step * (half.mT @ momentum) / moment)
    every = torch.stack(rotations)
    spin = ((every.mT @ momentum) / moment)[..., None]
    return Tumble(torch.arange(frames, dtype=torch.float64) / fps, every, (every @ spin)[..., 0])


def random_tumble(
    frames: int = 300,
    fps: float = 10.0,
    slowest_deg: float = 10.0,
    fastest_deg: float = 30.0,
    *,
    generator: torch.Generator | None = None,
) -> Tumble:
    """A tumble with a random start, axis and speed (degrees/s at the beginning).

    Example:
        >>> random_tumble(3, generator=torch.Generator().manual_seed(0)).time
        tensor([0.0000, 0.1000, 0.2000], dtype=torch.float64)
    """
    start = random_rotations(generator=generator, dtype=torch.float64)
    axis = torch.nn.functional.normalize(torch.randn(3, generator=generator, dtype=torch.float64), dim=0)
    speed = slowest_deg + (fastest_deg - slowest_deg) * torch.rand((), generator=generator, dtype=torch.float64)
    return tumble(start, math.radians(1) * speed * axis, frames, fps)


@dataclass(frozen=True)
class Camera:
    """What a network says of each frame of a symmetric body: a peak at every equivalent, none of them quite right.

    Attributes:
        group: Symmetry of the body.
        lmax: Degree of the log densities.
        error_deg: Mean angle by which each peak is off.
        height: Of a peak above the rest, in nats.
        height_spread: Standard deviation of the heights of the peaks of a frame, in nats.
        outlier: Share of frames whose peaks are about a random rotation.
    """

    group: SymmetryGroup
    lmax: int = 8
    error_deg: float = 8.0
    height: float = 10.0
    height_spread: float = 1.0
    outlier: float = 0.05

    def film(
        self, rotation: Float[Tensor, "frames 3 3"], *, generator: torch.Generator | None = None
    ) -> tuple[list[HarmonicDistribution], Bool[Tensor, " frames"]]:
        """A density for each rotation, and which of them are outliers."""
        frames = len(rotation)
        strays = torch.rand(frames, generator=generator) < self.outlier
        elsewhere = random_rotations(frames, generator=generator, dtype=rotation.dtype)
        shown = torch.where(strays[:, None, None], elsewhere, rotation)
        each = self.group.equivalents(shown)
        # The mean length of three normal coordinates is sqrt(8 / pi) deviations.
        deviation = math.radians(self.error_deg) / math.sqrt(8 / math.pi)
        noise = torch.randn(*each.shape[:2], 3, generator=generator, dtype=rotation.dtype)
        peaks = peak_coeffs(exp(deviation * noise) @ each, self.lmax).float()
        heights = self.height + self.height_spread * torch.randn(*each.shape[:2], 1, generator=generator)
        return [HarmonicDistribution(coeffs) for coeffs in (heights * peaks).sum(1)], strays


def peak_coeffs(rotation: Float[Tensor, "*batch 3 3"], lmax: int) -> Float[Tensor, "*batch modes"]:
    r"""Coefficients of a band-limited function of the angle to a rotation that is 1 there and nearly 0 elsewhere.

    .. math:: k(R)=\frac{\sum_l (2l+1)a_l\chi_l(R_0^\top R)}{\sum_l (2l+1)^2a_l},\qquad a_l=e^{-l(l+1)/2L(L+1)\cdot 3}

    Example:
        >>> from armillary.harmonics import evaluate_so3
        >>> round(float(evaluate_so3(peak_coeffs(torch.eye(3), 4), torch.eye(3))), 4)
        1.0
    """
    size = [torch.tensor(2.0 * l + 1) for l in range(lmax + 1)]
    decay = [math.exp(-1.5 * l * (l + 1) / max(lmax * (lmax + 1), 1)) for l in range(lmax + 1)]
    total = sum(n**2 * a for n, a in zip(size, decay, strict=True))
    weights = [(n.sqrt() * a / total).expand(int(n) ** 2) for n, a in zip(size, decay, strict=True)]
    return wigner_D(lmax, rotation) * torch.cat(weights).to(rotation)
