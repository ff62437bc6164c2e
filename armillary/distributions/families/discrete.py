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

TRIED = 49  # concentrations at a time, evenly spaced in the logarithm
ZOOMS = 7  # each to the two gaps beside the best: 24 times closer
HALVINGS = 40  # of the interval of the outlier share
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
    if outlier:
        floor = outlier * weights.sum(-1, keepdim=True)
        groups.append(Uniform(floor.shape, dtype=floor.dtype, device=floor.device))
        weights = torch.cat([(1 - outlier) * weights, floor], -1)
    return Mixture(weights, *groups)


def fit_noise(angles: Float[Tensor, " points"]) -> Noise:
    r"""Maximum likelihood of isotropic noise and outliers, from held-out angular errors in radians.

    The angle of a matrix Fisher of concentration :math:`z=1/\sigma^2` has the density
    :math:`e^{z(\cos\theta-1)}(1-\cos\theta)/\pi c(z)`, :math:`c(z)=e^{-z}(I_0(z)-I_1(z))`, that of a uniform rotation
    :math:`(1-\cos\theta)/\pi`. For each z the likelihood is concave in the share of outliers; the best z is searched
    over all orders of magnitude, so no local maximum is taken for the global one.

    Example:
        >>> noise = fit_noise(torch.tensor([0.1, 0.12, 0.2, 0.15, 3.0]))
        >>> round(noise.outlier, 2)
        0.2
    """
    if not (len(angles) and bool(((angles >= 0) & (angles <= math.pi + 1e-4)).all())):
        raise ValueError("expected angles from 0 to pi, got none or others; pass geodesic_distance(answer, truth)")
    deviation = 2 * (angles.detach().double() / 2).sin().square()  # 1 - cos, exact for small angles
    low, high = math.log(WEAKEST), math.log(STRONGEST)
    for _ in range(ZOOMS):
        tried = torch.linspace(low, high, TRIED, dtype=torch.float64, device=angles.device)
        likelihood, outlier = _best_outlier(tried.exp(), deviation)
        best, gap = int(likelihood.argmax()), (high - low) / (TRIED - 1)
        low, high = float(tried[best]) - gap, float(tried[best]) + gap
    return Noise(math.exp(-float(tried[best]) / 2), float(outlier[best]))


def _best_outlier(
    z: Float[Tensor, " tried"], deviation: Float[Tensor, " points"]
) -> tuple[Float[Tensor, " tried"], Float[Tensor, " tried"]]:
    """Mean log likelihood at the most likely share of outliers, and that share, by bisection of its derivative."""
    ratio = (-z[:, None] * deviation - _log_constant(z)[:, None]).exp()  # density against that of an outlier
    low, high = torch.zeros_like(z), torch.ones_like(z)
    for _ in range(HALVINGS):
        middle = (low + high) / 2
        rising = ((1 - ratio) / (ratio + middle[:, None] * (1 - ratio))).mean(-1) > 0
        low, high = torch.where(rising, middle, low), torch.where(rising, high, middle)
    return (ratio + middle[:, None] * (1 - ratio)).log().mean(-1), middle


def _log_constant(z: Float[Tensor, " tried"]) -> Float[Tensor, " tried"]:
    """log c(z)."""
    series = -1.5 * z.log() - 0.5 * math.log(8 * math.pi) + torch.log1p((3 / 8 + 45 / 128 / z) / z)
    exact = (torch.special.i0e(z) - torch.special.i1e(z)).clamp(min=1e-300).log()
    return torch.where(z > SERIES, series, exact)
