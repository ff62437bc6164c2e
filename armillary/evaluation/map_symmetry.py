"""The symmetry group of an object, read off a map on the sphere that turns with it."""

import torch
from jaxtyping import Float
from torch import Tensor

from armillary.distributions import DetectedSymmetry
from armillary.distributions.calculus.symmetry_detection import symmetry_of_moments
from armillary.evaluation.relative import PLAIN, Weighting, relative_score
from armillary.harmonics import split_degrees

ALIKE = 0.98  # how much a map resembles itself after a symmetry, at least


def detected_group(
    coeffs: Float[Tensor, "channels coeffs"], threshold: float = ALIKE, weighting: Weighting = PLAIN
) -> DetectedSymmetry:
    r"""The symmetry group of a map on the sphere, from its correlation with itself,

    .. math:: s(g)=\sum_l\mathrm{tr}(A_l^\top A_l\,D^l(g)), \qquad A_l = (f_{c,lm})_{cm}

    which is that of a density on SO(3) with the moments :math:`(A_l^\top A_l)^{1/2}`: see `detect_symmetry`.

    Args:
        coeffs: Of all channels, which turn together.
        threshold: Score of a turn that counts as a symmetry.
        weighting: Of the map.

    Example:
        >>> cone = torch.zeros(1, 16)
        >>> cone[0, [2, 6, 12]] = 1.0  # m = 0
        >>> detected_group(cone).group.name
        'C_inf'
    """
    if not bool((weighting(coeffs) != 0).any()):
        raise ValueError("expected a map that changes over the sphere, got a constant one; everything is its symmetry")
    score = split_degrees(relative_score(coeffs, coeffs, weighting).double())
    roots = [_square_root(block * (2 * degree + 1) ** 0.5) for degree, block in enumerate(score)]
    return symmetry_of_moments(torch.cat([root.flatten() for root in roots]), threshold)


def _square_root(matrix: Float[Tensor, "n n"]) -> Float[Tensor, "n n"]:
    values, vectors = torch.linalg.eigh(matrix)
    return (vectors * values.clamp(min=0).sqrt()) @ vectors.mT
