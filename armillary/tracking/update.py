r"""The belief after one frame: Bayes' rule for every hypothesis, and births where the frame shows something new.

With probability eps the frame says nothing about the object. So a hypothesis with evidence Z (the density's mean under
it, 1 if the density is uniform) explains the frame with :math:`(1-\epsilon)Z+\epsilon`, and moves by
:math:`r=(1-\epsilon)Z/((1-\epsilon)Z+\epsilon)` of the way. The rate follows by linear regression on the rotation.

Frames of a film are not independent looks: a network that prefers one of two equivalents does so many times
in a row. Hence only a power of the evidence (``looks``) counts between hypotheses.
"""

import math
from dataclasses import replace
from typing import NamedTuple

import torch
from jaxtyping import Float, Int64
from torch import Tensor

from armillary.so3 import exp, log
from armillary.tracking.association import UNIFORM, candidates, distinct
from armillary.tracking.belief import Belief, bounded
from armillary.tracking.measurement import Measurement
from armillary.tracking.motion import left_jacobian
from armillary.tracking.posterior import Posterior, posterior

LEAST = 1e-3  # weight beside the heaviest below which a hypothesis is dropped
SAME_RATE = 16.8  # squared Mahalanobis distance of six coordinates that equal hypotheses rarely exceed (1 %)


class Updated(NamedTuple):
    """The belief after a frame.

    Attributes:
        belief: Hypotheses; births have the label -1, the best continuation of a hypothesis has its label.
        support: Probability that the frame showed the object where the hypothesis had it.
    """

    belief: Belief
    support: Float[Tensor, " k"]


def update(
    belief: Belief, measurement: Measurement, *, outlier: float, birth: float, looks: float, spread: float
) -> Updated:
    """Bayes' rule.

    Args:
        belief: Before the frame.
        measurement: The frame's density.
        outlier: Probability eps that the frame says nothing about the object.
        birth: Probability that the object is where no hypothesis has it.
        looks: Power of the evidence between hypotheses.
        spread: Standard deviation of the rate of a birth.
    """
    wanted = candidates(belief, measurement.peaks())
    if not len(wanted.owner):
        return Updated(belief, torch.zeros(len(belief), dtype=torch.float64))
    found = posterior(measurement.log_prob, *wanted[1:])
    kept = distinct(found.mean, found.covariance, wanted.owner, found.log_evidence)
    owner, found = wanted.owner[kept], Posterior(*(part[kept] for part in found))
    old, born = owner >= 0, owner < 0
    continued, support = _continued(belief, owner[old], Posterior(*(part[old] for part in found)), outlier, looks)
    new = _born(wanted.centre[kept][born], Posterior(*(part[born] for part in found)), spread)
    new = replace(new, log_weight=new.log_weight + UNIFORM + math.log(birth * (1 - outlier)))
    return Updated(Belief.joined(continued, new), torch.cat([support, torch.ones_like(new.log_weight)]))


def _continued(
    belief: Belief, owner: Int64[Tensor, " n"], found: Posterior, outlier: float, looks: float
) -> tuple[Belief, Float[Tensor, " n"]]:
    """Hypotheses after the frame; one that explains several peaks divides."""
    seen = math.log1p(-outlier) + found.log_evidence
    best = _best(owner, seen, len(belief))
    # The frame that says nothing is part of the best continuation.
    nothing = torch.where(best, math.log(max(outlier, 1e-300)), -torch.inf)
    each = torch.logaddexp(seen, nothing)
    total = torch.full_like(belief.log_weight, 0).index_add(0, owner, each.exp()).log()[owner]
    log_weight = belief.log_weight[owner] + looks * total + each - total
    support = (seen - each).exp()
    moved = _moved(belief.take(owner), found, support)
    label = torch.where(best, belief.label[owner], -1)
    return Belief(log_weight, moved.rotation, moved.rate, moved.covariance, label), support


def _best(owner: Int64[Tensor, " n"], height: Float[Tensor, " n"], count: int) -> Tensor:
    """Whether a candidate is the highest of its owner's, the first of equals."""
    top = torch.full((count,), -torch.inf, dtype=torch.float64).scatter_reduce(0, owner, height, "amax")
    highest = height == top[owner]
    order = torch.arange(len(owner))
    first = torch.full((count,), len(owner)).scatter_reduce(0, owner[highest], order[highest], "amin")
    return highest & (order == first[owner])


def _moved(belief: Belief, found: Posterior, support: Float[Tensor, " n"]) -> Belief:
    """Each Gaussian over rotation and rate, given the one over the rotation; rate | xi is as before."""
    prior, cross = belief.covariance[:, :3, :3], belief.covariance[:, 3:, :3]
    share, mean = support[:, None, None], support[:, None] * found.mean
    between = support[:, None, None] * (1 - share) * found.mean[:, :, None] * found.mean[:, None]
    covariance = share * found.covariance + (1 - share) * prior + between
    gain = torch.linalg.solve(prior, cross.mT).mT
    # To the new centre: exp(mean + d) = exp(J d) exp(mean).
    turned = left_jacobian(mean)
    mixed = gain @ covariance @ turned.mT
    rates = belief.covariance[:, 3:, 3:] - gain @ (prior - covariance) @ gain.mT
    top = torch.cat([turned @ covariance @ turned.mT, mixed.mT], -1)
    joint = torch.cat([top, torch.cat([mixed, rates], -1)], -2)
    rate = belief.rate + (gain @ mean[..., None])[..., 0]
    return Belief(belief.log_weight, exp(mean) @ belief.rotation, rate, (joint + joint.mT) / 2, belief.label)


def _born(centre: Float[Tensor, "n 3 3"], found: Posterior, spread: float) -> Belief:
    """Hypotheses of which the rotation alone is known; without weights yet."""
    covariance = torch.zeros(len(centre), 6, 6, dtype=torch.float64)
    covariance[:, :3, :3] = found.covariance
    covariance[:, 3:, 3:] = spread**2 * torch.eye(3, dtype=torch.float64)
    label = torch.full((len(centre),), -1)
    rate = torch.zeros_like(found.mean)
    return Belief(found.log_evidence, exp(found.mean) @ centre, rate, bounded(covariance, spread), label)


def reduced(updated: Updated, most: int, keep: int | None) -> Updated:
    """Hypotheses that say the same become one, and those of no weight go.

    Args:
        updated: What the frame left.
        most: How many hypotheses, at most.
        keep: Label of one that stays whatever its weight; a heavier one that says the same goes on under this label.
    """
    if not len(updated.belief):
        # Nothing was seen yet, and this frame has no peak either.
        return updated
    order = updated.belief.log_weight.argsort(descending=True, stable=True)
    belief, support = updated.belief.take(order).normalised(), updated.support[order]
    number, into = torch.arange(len(belief)), _absorber(belief)
    weight = torch.zeros_like(belief.log_weight).index_add(0, into, belief.log_weight.exp())
    own = torch.isin(number, into[belief.label == (-2 if keep is None else keep)])
    heavy = (into == number) & (weight > LEAST * weight.max())
    chosen = heavy & (heavy.cumsum(0) <= most) | own
    label = belief.label.masked_fill(own, -2 if keep is None else keep)
    belief = Belief(weight.log(), belief.rotation, belief.rate, belief.covariance, label)
    return Updated(belief.take(chosen).normalised(), support[chosen])


def _absorber(belief: Belief) -> Int64[Tensor, " k"]:
    """The heaviest hypothesis that says the same as each, itself where there is none; the heaviest come first."""
    apart = torch.cat(
        [log(belief.rotation[:, None] @ belief.rotation.mT), belief.rate[:, None] - belief.rate[None]], -1
    )
    total = belief.covariance[:, None] + belief.covariance[None] + 1e-12 * torch.eye(6, dtype=torch.float64)
    turn = torch.linalg.solve(total[..., :3, :3], apart[..., :3, None])[..., 0]
    near = (apart[..., :3] * turn).sum(-1) < 1
    all_six = (apart * torch.linalg.solve(total, apart[..., None])[..., 0]).sum(-1) < SAME_RATE
    alike = near & all_six
    into = torch.arange(len(belief))
    for index in range(1, len(belief)):
        hosts = (alike[index, :index] & (into[:index] == torch.arange(index))).nonzero()[:, 0]
        if len(hosts):
            into[index] = hosts[0]
    return into
