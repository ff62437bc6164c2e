"""Metrics of predicted rotations and of predicted distributions: pure functions on tensors.

Angles are radians; names ending in ``_deg`` are degrees. Likelihoods are per rotation, with respect to the normalised
Haar measure (uniform = 0); `log_likelihood` converts to the two other measures of the literature:

| name | volume of SO(3) | uniform | used by |
|---|---|---|---|
| haar | 1 | 0 | Armillary |
| ipdf | pi^2 | -2.289 | Implicit-PDF, Image2Sphere, most SYMSOL tables |
| relie | 8 pi^2 | -4.369 | ReLie, Lie-group flows |
"""

import math
from typing import Literal

from jaxtyping import Bool, Float
from torch import Tensor

from armillary.so3 import SymmetryGroup, geodesic_distance

# Logarithm of the volume of SO(3) in each measure.
LOG_VOLUME = {"haar": 0.0, "ipdf": math.log(math.pi**2), "relie": math.log(8.0 * math.pi**2)}

Measure = Literal["haar", "ipdf", "relie"]


def rotation_error(
    predicted: Float[Tensor, "*batch 3 3"], truth: Float[Tensor, "*batch 3 3"], symmetry: SymmetryGroup | None = None
) -> Float[Tensor, "*batch"]:
    r"""Geodesic distance to the truth, or to its nearest equivalent under the object's symmetry.

    .. math:: \min_{g \in G} d(R, R_{gt}\, g)

    Example:
        >>> from armillary.so3 import rotation_z
        >>> quarter = rotation_z(torch.tensor(torch.pi / 2))
        >>> torch.rad2deg(rotation_error(quarter, torch.eye(3))).round()
        tensor(90.)
        >>> torch.rad2deg(rotation_error(quarter, torch.eye(3), SymmetryGroup.cyclic(4))).round().abs()
        tensor(0.)
    """
    if symmetry is None:
        return geodesic_distance(predicted, truth)
    return symmetry.distance(predicted, truth)


def median_error(error: Float[Tensor, " views"]) -> Float[Tensor, ""]:
    """Median over views, the mean of the middle two for an even number (as NumPy, unlike `torch.median`).

    Example:
        >>> median_error(torch.tensor([1.0, 2.0, 4.0, 100.0]))
        tensor(3.)
    """
    if error.numel() == 0:
        raise ValueError("expected at least one view, got none; the split is empty")
    return error.quantile(0.5)


def accuracy_at(error: Float[Tensor, " views"], threshold_deg: int | float) -> Float[Tensor, ""]:
    """Part of the views whose error is at most ``threshold_deg`` degrees.

    Example:
        >>> accuracy_at(torch.deg2rad(torch.tensor([1.0, 20.0])), 15)
        tensor(0.5000)
    """
    return (error <= math.radians(threshold_deg)).to(error.dtype).mean()


def legacy_error(error: Float[Tensor, "*batch"]) -> Float[Tensor, "*batch"]:
    r"""Errors as Spherical Regression first published them, :math:`\theta / \sqrt 2`: to read its tables, nothing else.

    Its program divided the angle by the root of 2 once too often; an accuracy at 30 degrees there is one at 42.4.

    Reference: https://github.com/leoshine/Spherical_Regression/issues/8

    Example:
        >>> legacy_error(torch.tensor(2.0))
        tensor(1.4142)
    """
    return error / math.sqrt(2)


def log_likelihood(log_prob: Float[Tensor, " views"], measure: Measure = "haar") -> Float[Tensor, ""]:
    r"""Mean log-likelihood of the true rotations in the named measure.

    .. math:: \mathrm{ll} = \frac1N \sum_i \log p(R_i) - \log V, \qquad V = 1,\ \pi^2 \text{ or } 8 \pi^2

    Reference: Implicit-PDF (Murphy et al., 2021), https://arxiv.org/abs/2106.05965, Sec. 4.4 (V = pi^2).

    Example:
        >>> log_likelihood(torch.zeros(4), "ipdf")
        tensor(-2.2895)
    """
    if measure not in LOG_VOLUME:
        raise ValueError(f"expected a measure of {', '.join(LOG_VOLUME)}, got {measure!r}; choose one")
    return log_prob.mean() - LOG_VOLUME[measure]


def spread(
    samples: Float[Tensor, "samples *batch 3 3"],
    truth: Float[Tensor, "*batch 3 3"],
    symmetry: SymmetryGroup | None = None,
) -> Float[Tensor, "*batch"]:
    r"""Mean angular deviation of a predicted distribution from the nearest equivalent of the truth.

    .. math:: E_{R \sim p}\, \min_{g \in G} d(R, R_{gt}\, g)

    The expectation is the mean over ``samples`` drawn from the distribution; a uniform one has 126.5 degrees when the
    object has no symmetry.

    Reference: Implicit-PDF (Murphy et al., 2021), https://arxiv.org/abs/2106.05965, Sec. 4.4 "Spread".

    Example:
        >>> from armillary.so3 import random_rotations
        >>> generator = torch.Generator().manual_seed(0)
        >>> samples = random_rotations(20000, generator=generator)
        >>> round(torch.rad2deg(spread(samples, torch.eye(3))).item())
        126
    """
    return rotation_error(samples, truth.expand(samples.shape), symmetry).mean(dim=0)


def covered(log_prob: Float[Tensor, " views"], threshold: Float[Tensor, " views"]) -> Bool[Tensor, " views"]:
    """Whether the truth lies in a credible region, given the region's log-density threshold.

    Over many views a 90 % region should cover 90 % of the truths.

    Example:
        >>> covered(torch.tensor([3.0, 1.0]), torch.tensor([2.0, 2.0]))
        tensor([ True, False])
    """
    return log_prob >= threshold
