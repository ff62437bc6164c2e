"""A rule for integrals over SO(3) whose nodes lie on rings: log mean of exp f and its gradient, in one pass.

The values on a ring are two small products of its Fourier series, and so is the adjoint, which carries the weights; the
constant term of the adjoint is the mass. The pass handles so many nodes at a time that they stay in cache.
"""

from collections.abc import Callable
from typing import NamedTuple

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from armillary.harmonics.rings import Rings

NODES = 2**18  # nodes handled together, by cache: 1 MB of float32

Excluded = Callable[[slice], Bool[Tensor, "some rings azimuths tilts"]]


class RingRule(NamedTuple):
    """Nodes, as the Fourier bases of their azimuths, and their weights."""

    rings: Rings
    first: Float[Tensor, "*rings azimuths orders"]  # alpha, for all rings alike or for each
    second: Float[Tensor, "orders tilts"]  # gamma
    weighted: Float[Tensor, "rings orders azimuths"]  # ``first`` transposed, times the weights

    @property
    def nodes(self) -> int:
        """Number of nodes."""
        return self.weighted.shape[0] * self.weighted.shape[2] * self.second.shape[1]


@torch.no_grad()
def log_mean_exp(
    coeffs: Float[Tensor, "batch modes"], rule: RingRule, excluded: Excluded | None = None
) -> tuple[Float[Tensor, " batch"], Float[Tensor, "batch modes"]]:
    """Log of the weighted sum of exp f, and its gradient: the mean of each basis function under exp f.

    Args:
        coeffs: SO(3) coefficients.
        rule: Nodes and weights.
        excluded: Nodes to leave out for some of the functions.
    """
    spectra = rule.rings.spectra(coeffs)
    count = max(1, NODES // rule.nodes)
    highest, sums = [], []
    # One buffer for all parts: fresh memory costs more than the product that fills it.
    buffer = spectra.new_empty(count, *rule.weighted.shape[::2], rule.second.shape[1])
    for start in range(0, len(spectra), count):
        part = slice(start, start + count)
        rows = rule.first @ spectra[part]
        values = torch.matmul(rows, rule.second, out=buffer[: len(rows)])
        if excluded is not None:
            values.masked_fill_(excluded(part), -torch.inf)
        top = values.amax((1, 2, 3), keepdim=True)
        # Nodes 80 nats below count for nothing, and denormal exponentials are ten times slower.
        mass = values.sub_(top).clamp_(min=-80).exp_()
        sums.append((rule.weighted @ mass) @ rule.second.mT)
        highest.append(top.flatten())
    sums, constant = torch.cat(sums), rule.second.shape[0] // 2
    total = sums[:, :, constant, constant].sum(1)
    return total.log() + torch.cat(highest), rule.rings.coeffs(sums / total[:, None, None, None])
