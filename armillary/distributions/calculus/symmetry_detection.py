r"""The symmetry group of an object, read off the densities of its pose.

Peaks of the autocorrelation C are single symmetries; their axes, and how often the circle about an axis repeats, name
the groups that could be. Each of those is fitted as a whole to C, and the largest whose every element scores well is
the answer. A continuous axis is a circle on which C is nowhere low.
"""

import math
from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor

from armillary.distributions.base import SO3Distribution
from armillary.distributions.calculus.autocorrelation import autocorrelation, best_axis, fit_orientation
from armillary.distributions.calculus.log_coefficients import density_moments
from armillary.distributions.calculus.symmetry_hypothesis import Hypothesis, finite_hypotheses
from armillary.harmonics.layout import so3_lmax
from armillary.harmonics.peaks import find_peaks
from armillary.harmonics.wigner import evaluate_so3
from armillary.so3.symmetry import SymmetryGroup

PEAKS = 72  # more than the elements of the largest polyhedral group
SLACK = 0.15  # elements may be this much worse before the group is fitted
MARGIN = 0.1  # a group that scores this much less than another is that one's coincidence
AROUND = 72  # turns at which a continuous axis is looked at
AXIAL = (SymmetryGroup.axial(), SymmetryGroup.dihedral_axial())


class DetectedSymmetry(NamedTuple):
    """What ``detect_symmetry`` found.

    Attributes:
        group: In the object frame; its ``name``, ``order`` and ``axis`` say what it is, ``to_bop`` exports it.
        score: The smallest of ``element_scores``.
        element_scores: C at ``group.elements(72)``, 1 at the identity: how much the density looks like itself.
        rival: C at the highest peak outside of the group, 0 where there is none: near ``score``, the call was close.
        orientation: Takes the standard orientation of the group to the object frame.
    """

    group: SymmetryGroup
    score: float
    element_scores: Float[Tensor, " elements"]
    rival: float
    orientation: Float[Tensor, "3 3"]


def detect_symmetry(density: SO3Distribution, lmax: int = 10, threshold: float = 0.8) -> DetectedSymmetry:
    """The largest group of turns of the object that leave its density nearly unchanged.

    A batch is taken for views of one object, its autocorrelations averaged; uniform views have no say. Turns about one
    axis are told apart up to ``C_lmax`` and, where peaks are sigma wide, up to ``n sigma = 1.8`` radians (C_7 at 15
    degrees); finer ones have no ripple left and are ``C_inf``.

    Args:
        density: Of any family. The moments are its own, so ``lmax`` may be larger than that of its log-coefficients.
        lmax: Degree of the autocorrelation.
        threshold: C at which a turn is called a symmetry. Two peaks of masses 1 and 1/2 score 0.8.

    Raises:
        ValueError: The density is uniform: everything is a symmetry.

    Example:
        >>> from armillary.distributions.families.matrix_fisher import MatrixFisher
        >>> from armillary.distributions.calculus.symmetrize import symmetrize
        >>> cube = symmetrize(MatrixFisher.isotropic(torch.eye(3), sigma=0.2), SymmetryGroup.octahedral())
        >>> detect_symmetry(cube).group.name
        'O'
    """
    return symmetry_of_moments(density_moments(density, lmax), threshold)


def symmetry_of_moments(moments: Float[Tensor, "*batch modes"], threshold: float = 0.8) -> DetectedSymmetry:
    r"""``detect_symmetry`` for moments :math:`E[\sqrt{2l+1}D^l_{mn}]` that are already known.

    Example:
        >>> cone = torch.cat([torch.ones(1), torch.tensor([[0.0, 0, 0], [0, 1, 0], [0, 0, 0]]).flatten()])
        >>> symmetry_of_moments(cone).group.name
        'C_inf'
    """
    if not 0 < threshold < 1:
        raise ValueError(f"expected a threshold between 0 and 1, got {threshold}; leave it out")
    coeffs = autocorrelation(moments.detach().double())
    rotation, value = find_peaks(coeffs, PEAKS)
    eye = torch.eye(3, dtype=coeffs.dtype, device=coeffs.device)
    hypotheses = [Hypothesis(SymmetryGroup.trivial(), eye[None])]
    axial = _fit(coeffs, SymmetryGroup.axial(), best_axis(coeffs))
    if axial.score >= threshold:
        hypotheses += [Hypothesis(group, axial.orientation[None]) for group in AXIAL]
    if axial.score < 1 - MARGIN:
        hypotheses += finite_hypotheses(coeffs, rotation[value >= threshold - SLACK], threshold - SLACK)
    best = _largest(coeffs, hypotheses, threshold)
    outside = best.group.distance(rotation, eye) > math.pi / so3_lmax(len(coeffs))
    return best._replace(rival=torch.where(outside & value.isfinite(), value, 0.0).amax().clamp(min=0).item())


def _largest(coeffs: Float[Tensor, " modes"], hypotheses: list[Hypothesis], threshold: float) -> DetectedSymmetry:
    """The largest group that scores above the threshold and at most a margin below the best."""
    starts = [_score_places(coeffs, hypothesis) for hypothesis in hypotheses]
    best = max([score for score, _ in starts[1:]], default=1.0)
    order = [len(hypothesis.group.elements(AROUND)) for hypothesis in hypotheses]
    for which in sorted(range(len(order)), key=lambda i: (order[i], starts[i][0]), reverse=True):
        found = _fit(coeffs, hypotheses[which].group, starts[which][1])
        if found.score >= max(threshold, best - MARGIN):
            return found
    raise AssertionError("the trivial group scores 1")


def _score_places(coeffs: Float[Tensor, " modes"], hypothesis: Hypothesis) -> tuple[float, Float[Tensor, "3 3"]]:
    """The smallest C over the group's elements at the best of its places, and that place."""
    elements, places = hypothesis.group.elements(AROUND).to(coeffs), hypothesis.orientations.to(coeffs)
    lowest = evaluate_so3(coeffs, places[:, None] @ elements @ places[:, None].mT).amin(-1)
    return lowest.amax().item(), places[lowest.argmax()]


def _fit(coeffs: Float[Tensor, " modes"], group: SymmetryGroup, start: Float[Tensor, "3 3"]) -> DetectedSymmetry:
    """The group in its best orientation near the start, and its scores there."""
    # A sum over this many turns about an axis is the integral.
    elements = group.elements(2 * so3_lmax(len(coeffs)) + 2).to(coeffs)
    orientation = fit_orientation(coeffs, elements, start)
    placed = group.conjugate(orientation.cpu())
    scores = evaluate_so3(coeffs, placed.elements(AROUND).to(coeffs))
    return DetectedSymmetry(placed, scores.amin().item(), scores, 0.0, orientation)
