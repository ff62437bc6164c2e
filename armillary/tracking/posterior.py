r"""The Gaussian nearest to prior times density, about many hypotheses at once.

The prior over the rotation vector xi is Gaussian, the log density :math:`\ell(\xi)=\log p(\exp(\xi)\hat R)` anything.
Its mean gradient and mean Hessian under the present Gaussian come from 15 values each (Stein's lemma), and give the
next Gaussian: natural-gradient steps towards the smallest KL(q, posterior), without derivatives, exact in one step
where the log density is quadratic.

.. math:: \Lambda \leftarrow \Lambda_0-E_q[\nabla^2\ell], \qquad
    \mu \leftarrow \mu+\Lambda^{-1}(E_q[\nabla\ell]-\Lambda_0\mu)

Reference: Exactly sparse Gaussian variational inference (Barfoot et al., 2020), https://arxiv.org/abs/1911.08333, eqs.
    13 and 36; the 15 nodes are McNamee and Stenger's rule of degree 5.
"""

from collections.abc import Callable
from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor

from armillary.so3 import exp

STEPS = 3
LONGEST = 0.5  # radians a step
WIDEST = 4.0  # times the deviation before: how far a step may widen what is known of a direction


class Posterior(NamedTuple):
    """Gaussians over xi with the evidence for them.

    Attributes:
        mean: Of xi.
        covariance: Of xi.
        log_evidence: Log of the density's mean under the prior; a uniform density has 0.
    """

    mean: Float[Tensor, "k 3"]
    covariance: Float[Tensor, "k 3 3"]
    log_evidence: Float[Tensor, " k"]


def cubature() -> tuple[Float[Tensor, "15 3"], Float[Tensor, " 15"]]:
    """Nodes and weights that integrate polynomials of degree 5 against the standard normal density of R^3.

    The centre, and six and eight nodes on the sphere of radius sqrt(5), all weights positive.

    Example:
        >>> nodes, weights = cubature()
        >>> (weights * nodes[:, 0] ** 4).sum().round(decimals=12)
        tensor(3., dtype=torch.float64)
    """
    eye = torch.eye(3, dtype=torch.float64)
    corners = torch.cartesian_prod(*[torch.tensor([-1.0, 1.0], dtype=torch.float64)] * 3)
    nodes = torch.cat([torch.zeros(1, 3, dtype=torch.float64), 5**0.5 * eye, -(5**0.5) * eye, (5 / 3) ** 0.5 * corners])
    weights = torch.tensor([0.4] + 6 * [0.04] + 8 * [0.045], dtype=torch.float64)
    return nodes, weights


def posterior(
    log_prob: Callable[[Float[Tensor, "*batch 3 3"]], Float[Tensor, "*batch"]],
    centre: Float[Tensor, "k 3 3"],
    prior: Float[Tensor, "k 3 3"],
    mean: Float[Tensor, "k 3"],
    covariance: Float[Tensor, "k 3 3"],
) -> Posterior:
    """Prior N(0, prior) over xi, about each centre, times a density.

    Args:
        log_prob: The log density.
        centre: Rotations that xi is counted from.
        prior: Covariance of xi.
        mean: Where to begin.
        covariance: How widely to look at first.

    Example:
        >>> from armillary.distributions import MatrixFisher
        >>> seen = MatrixFisher.isotropic(torch.eye(3).double(), sigma=0.1)
        >>> here, prior = torch.eye(3).double()[None], 0.01 * torch.eye(3).double()[None]
        >>> found = posterior(seen.log_prob, here, prior, torch.zeros(1, 3).double(), prior)
        >>> found.covariance[0, 0, 0].round(decimals=4)
        tensor(0.0050, dtype=torch.float64)
    """
    nodes, weights = cubature()
    precision = torch.linalg.inv(prior)
    for _ in range(STEPS):
        factor = torch.linalg.cholesky(covariance)
        value = log_prob(exp(mean[:, None] + nodes @ factor.mT) @ centre[:, None])
        mean, covariance = _improved(value, factor, mean, precision)
    factor = torch.linalg.cholesky(covariance)
    offset = mean[:, None] + nodes @ factor.mT
    value = log_prob(exp(offset) @ centre[:, None])
    before = -(offset @ precision * offset).sum(-1) / 2 + torch.linalg.slogdet(precision)[1][:, None] / 2
    after = -nodes.square().sum(-1) / 2 - factor.diagonal(dim1=-2, dim2=-1).log().sum(-1)[:, None]
    return Posterior(mean, covariance, (weights.log() + value + before - after).logsumexp(-1))


def _improved(
    value: Float[Tensor, "k nodes"], factor: Float[Tensor, "k 3 3"], mean: Float[Tensor, "k 3"], precision: Tensor
) -> tuple[Float[Tensor, "k 3"], Float[Tensor, "k 3 3"]]:
    """One natural-gradient step, in the coordinates in which the present Gaussian is standard."""
    nodes, weights = cubature()
    weighted = weights * (value - value.mean(-1, keepdim=True))
    gradient = weighted @ nodes
    outer = nodes[:, :, None] * nodes[:, None] - torch.eye(3, dtype=torch.float64)
    hessian = (weighted[..., None, None] * outer).sum(1)
    height, axes = torch.linalg.eigh(hessian)
    # The density may be convex here and there: then the prior alone says how certain one is.
    height = height.clamp(max=0)
    known = factor.mT @ precision @ factor - axes @ (height[..., None] * axes.mT)
    known, axes = torch.linalg.eigh((known + known.mT) / 2)
    known = known.clamp(min=WIDEST**-2)
    pull = (gradient - (factor.mT @ (precision @ mean[..., None]))[..., 0])[..., None]
    step = (factor @ (axes @ (axes.mT @ pull / known[..., None])))[..., 0]
    length = torch.linalg.vector_norm(step, dim=-1, keepdim=True)
    root = factor @ axes
    covariance = root @ (root / known[..., None, :]).mT
    return mean + step * (LONGEST / length.clamp(min=LONGEST)), (covariance + covariance.mT) / 2
