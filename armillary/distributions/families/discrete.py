"""Point answers made densities: rotations with isotropic noise and a floor for outliers.

What a regressor or a set of hypotheses says can then be compared by likelihood with densities.
"""

import math
from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor

from armillary.distributions.base import SO3Distribution
from armillary.distributions.families.matrix_fisher import MatrixFisher
from armillary.distributions.families.mixture import Mixture
from armillary.distributions.families.uniform import Uniform

ROUNDS = 2000  # of expectation and maximisation; they end earlier, when nothing changes
SETTLED = 1e-10  # relative change of sigma and outlier
SERIES = 1e3  # from this concentration on the asymptotic series is more exact than the Bessel functions
WEAKEST, STRONGEST = 1e-3, 1e14  # concentrations tried


class Noise(NamedTuple):
    """Angular errors as isotropic noise and outliers.

    Attributes:
        sigma: Standard deviation of the noise about each axis, in radians.
        outlier: Probability that an answer has nothing to do with the truth.
    """

    sigma: float
    outlier: float


def discrete(
    rotations: Float[Tensor, "*batch k 3 3"],
    weights: Float[Tensor, "*batch k"] | None = None,
    *,
    sigma: float | Float[Tensor, "*#batch k"],
    outlier: float = 0.0,
) -> Mixture:
    r"""Rotations with noise: :math:`p(R)=\epsilon+(1-\epsilon)\sum_k w_k\,e^{2\kappa\cos\theta_k}/c`.

    :math:`\theta_k` is the angle of R to rotation k and :math:`\kappa=1/2\sigma^2`: isotropic matrix Fishers.

    Args:
        rotations: Point answers.
        weights: Nonnegative; divided by their sum; equal when None.
        sigma: Standard deviation of the noise about each axis, in radians.
        outlier: Probability epsilon of a uniform rotation, in [0, 1).

    Example:
        >>> answer = discrete(torch.eye(3)[None], sigma=0.1, outlier=0.05)
        >>> answer.log_prob(torch.diag(torch.tensor([1.0, -1.0, -1.0]))).exp()
        tensor(0.0500)
    """
    if not 0 <= outlier < 1:
        raise ValueError(f"expected an outlier probability in [0, 1), got {outlier}; see fit_noise")
    if not bool((torch.as_tensor(sigma) > 0).all()):
        raise ValueError(f"expected sigma above 0 radians, got {sigma}; see fit_noise")
    if weights is None:
        weights = rotations.new_ones(rotations.shape[:-2])
    groups: list[SO3Distribution] = [MatrixFisher.isotropic(rotations, sigma=sigma)]
    weights = weights / weights.sum(-1, keepdim=True)
    if outlier:
        floor = torch.full_like(weights[..., :1], outlier)
        groups.append(Uniform(floor.shape, dtype=floor.dtype, device=floor.device))
        weights = torch.cat([(1 - outlier) * weights, floor], -1)
    return Mixture(weights, *groups)


def fit_noise(angles: Float[Tensor, " points"]) -> Noise:
    r"""Maximum likelihood of isotropic noise and outliers, from held-out angular errors in radians.

    The angle of a matrix Fisher of concentration :math:`z=1/\sigma^2` has the density
    :math:`e^{z(\cos\theta-1)}(1-\cos\theta)/\pi c(z)`, :math:`c(z)=e^{-z}(I_0(z)-I_1(z))`, that of a uniform rotation
    :math:`(1-\cos\theta)/\pi`. Expectation: which errors are outliers; maximisation: their share, and the z whose
    expected :math:`1-\cos\theta` is that of the others.

    Example:
        >>> noise = fit_noise(torch.tensor([0.1, 0.12, 0.2, 0.15, 3.0]))
        >>> round(noise.outlier, 2)
        0.2
    """
    if not (len(angles) and bool(((angles >= 0) & (angles <= math.pi + 1e-4)).all())):
        raise ValueError("expected angles from 0 to pi, got none or others; pass geodesic_distance(answer, truth)")
    deviation = 2 * (angles.detach().double() / 2).sin().square()  # 1 - cos, exact for small angles
    outlier = torch.tensor(0.05, dtype=torch.float64, device=angles.device)
    concentration = _concentration(deviation.median() * 1.3)  # the mean of a Maxwell square over its median
    for _ in range(ROUNDS):
        height = (-concentration * deviation).clamp(min=-700) - _log_constant(concentration)
        chance = torch.sigmoid(outlier.logit() - height)
        before = torch.stack([concentration, outlier])
        outlier = chance.mean().clamp(1e-15, 1 - 1e-15)
        concentration = _concentration(((1 - chance) * deviation).sum() / (1 - chance).sum().clamp(min=1e-300))
        if bool(((torch.stack([concentration, outlier]) / before - 1).abs() < SETTLED).all()):
            break
    return Noise(float(concentration.rsqrt()), float(outlier))


def _log_constant(z: Float[Tensor, ""]) -> Float[Tensor, ""]:
    """log c(z)."""
    series = -1.5 * z.log() - 0.5 * math.log(8 * math.pi) + torch.log1p((3 / 8 + 45 / 128 / z) / z)
    exact = (torch.special.i0e(z) - torch.special.i1e(z)).clamp(min=1e-300).log()
    return torch.where(z > SERIES, series, exact)


def _expected_deviation(z: Float[Tensor, ""]) -> Float[Tensor, ""]:
    """E[1 - cos], which falls from 3/2 to 0: minus the derivative of log c."""
    series = (1.5 + (3 / 8 + 9 / 16 / z) / z) / z
    zeroth, first = torch.special.i0e(z), torch.special.i1e(z)
    return torch.where(z > SERIES, series, 2 - first / z / (zeroth - first).clamp(min=1e-300))


def _concentration(deviation: Float[Tensor, ""]) -> Float[Tensor, ""]:
    """The z of an expected 1 - cos, by bisection of its logarithm."""
    low, high = (torch.full_like(deviation, math.log(z)) for z in (WEAKEST, STRONGEST))
    for _ in range(60):
        middle = (low + high) / 2
        above = _expected_deviation(middle.exp()) > deviation
        low, high = torch.where(above, middle, low), torch.where(above, high, middle)
    return middle.exp()
