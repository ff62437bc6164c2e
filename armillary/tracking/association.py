r"""Which hypothesis may explain which peak: where the update begins to look.

A hypothesis and a peak are a pair when the peak is where the hypothesis would expect it, by the Mahalanobis distance
between them. A hypothesis without such a peak looks around itself; a peak without such a hypothesis is a birth.
"""

import math
from typing import NamedTuple

import torch
from jaxtyping import Float, Int64
from torch import Tensor

from armillary.so3 import log
from armillary.tracking.belief import UNIFORM_VARIANCE, Belief
from armillary.tracking.measurement import Peaks

GATE = 16.3  # squared Mahalanobis distance beyond which lie 0.1 % of three Gaussian coordinates
BEST = 4.0  # nats: a hypothesis is tried at peaks that explain it up to this much less well than its best
# Log density of a uniform rotation over that of N(0, UNIFORM_VARIANCE) at its centre.
UNIFORM = 1.5 * math.log(2 * math.pi * UNIFORM_VARIANCE) - math.log(8 * math.pi**2)


class Candidates(NamedTuple):
    """Where to look for posteriors.

    Attributes:
        owner: The hypothesis that would be explained, or -1 for a birth.
        centre: The rotation that xi is counted from.
        prior: Covariance of xi.
        mean: Where to begin.
        covariance: How widely to look at first.
    """

    owner: Int64[Tensor, " n"]
    centre: Float[Tensor, "n 3 3"]
    prior: Float[Tensor, "n 3 3"]
    mean: Float[Tensor, "n 3"]
    covariance: Float[Tensor, "n 3 3"]


def candidates(belief: Belief, peaks: Peaks) -> Candidates:
    """Pairs of hypotheses and peaks, hypotheses alone, and peaks alone.

    Example:
        >>> seen = Peaks(torch.eye(3).double()[None], torch.tensor([5.0]).double(), 0.1, 0.0)
        >>> candidates(Belief.nothing(), seen).owner
        tensor([-1])
    """
    prior, noise = belief.covariance[:, :3, :3], (peaks.width**2 + peaks.rough**2) * torch.eye(3, dtype=torch.float64)
    total = prior + noise
    apart = log(peaks.rotation @ belief.rotation[:, None].mT)
    gain = torch.linalg.solve(total, prior).mT
    distance = (apart * torch.linalg.solve(total[:, None], apart[..., None])[..., 0]).sum(-1)
    fit = torch.where(distance < GATE, peaks.log_prob - distance / 2, -torch.inf)
    owner, peak = ((fit > -torch.inf) & (fit >= _highest(fit) - BEST)).nonzero().unbind(-1)
    start, narrow = (gain[owner] @ apart[owner, peak][..., None])[..., 0], prior - gain @ prior
    alone = (fit == -torch.inf).all(-1).nonzero()[:, 0]
    born = (fit == -torch.inf).all(0).nonzero()[:, 0]
    vague = UNIFORM_VARIANCE * torch.eye(3, dtype=torch.float64).expand(len(born), 3, 3)
    return Candidates(
        torch.cat([owner, alone, torch.full_like(born, -1)]),
        torch.cat([belief.rotation[owner], belief.rotation[alone], peaks.rotation[born]]),
        torch.cat([prior[owner], prior[alone], vague]),
        torch.cat([start, start.new_zeros(len(alone) + len(born), 3)]),
        torch.cat([(narrow + narrow.mT)[owner] / 2, prior[alone], noise.expand(len(born), 3, 3)]),
    )


def distinct(
    mean: Float[Tensor, "n 3"], covariance: Float[Tensor, "n 3 3"], owner: Int64[Tensor, " n"], height: Tensor
) -> Tensor:
    """True but for candidates of the same owner that ended where a better one did."""
    apart = mean[:, None] - mean[None]
    squared = (apart * torch.linalg.solve(covariance[:, None] + covariance[None], apart[..., None])[..., 0]).sum(-1)
    order = torch.arange(len(mean))
    better = (height[None] > height[:, None]) | ((height[None] == height[:, None]) & (order[None] < order[:, None]))
    same = (owner[None] == owner[:, None]) & (owner >= 0)
    return ~(same & better & (squared < 1)).any(-1)


def _highest(fit: Float[Tensor, "k peaks"]) -> Float[Tensor, "k 1"]:
    """Of each row; -inf where there is none."""
    return torch.cat([fit, fit.new_full((len(fit), 1), -torch.inf)], -1).amax(-1, keepdim=True)
