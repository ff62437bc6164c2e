"""The exact normaliser against the mean over a level-5 grid: time, and the grid's error on sharp densities.

The densities have lmax 6 and peaks of the given width: one peak, sixty (an icosahedron's), and a random function. Both
sides are ours, the grid evaluated ring by ring. Errors are in nats, beside float64 with a tolerance of 1e-8.
"""

import math
from collections.abc import Iterator

import torch
from density import LMAX, peaked, random_density, turned
from duel import Conditions, compete, duel
from row import Row
from torch import Tensor

from armillary.distributions import AdaptiveGrid
from armillary.harmonics import evaluate_on_so3_grid
from armillary.so3 import SymmetryGroup, so3_grid_size


def cases(batch: int) -> dict[str, Tensor]:
    """Log-densities from smooth to sharp, (batch, modes)."""
    generator = torch.Generator().manual_seed(0)
    one, sixty = torch.eye(3)[None], SymmetryGroup.icosahedral().elements()
    sharp = {
        "one peak of 4 degrees": peaked(one, 4.0),
        "one peak of 1 degree": peaked(one, 1.0),
        "one peak of 0.5 degrees": peaked(one, 0.5),
        "sixty peaks of 1.5 degrees": peaked(sixty, 1.5),
    }
    batches = {name: turned(coeffs, batch, generator) for name, coeffs in sharp.items()}
    return batches | {"random, deviation 6 nats": random_density(batch, 6.0, generator)}


def rows(conditions: Conditions) -> Iterator[Row]:
    """One row for each density."""
    level, batch = conditions.size((5, 4), (2, 1))
    selected = list(cases(batch).items())
    for name, coeffs in conditions.size(selected, selected[:1]):
        coeffs = coeffs.to(conditions.device)
        truth = AdaptiveGrid(tolerance=1e-8).log_integral(coeffs.double())

        def ours(coeffs: Tensor = coeffs) -> Tensor:
            return AdaptiveGrid().log_integral(coeffs)

        def theirs(coeffs: Tensor = coeffs) -> Tensor:
            return evaluate_on_so3_grid(coeffs, level).logsumexp(-1) - math.log(so3_grid_size(level))

        yield duel(
            f"log Z, {name}, lmax {LMAX}, batch {batch} / level-{level} mean",
            ours,
            theirs,
            conditions,
            error=(ours() - truth).abs().max().item(),
            their_error=(theirs() - truth).abs().max().item(),
            unit="nats",
        )


if __name__ == "__main__":
    compete(__doc__, rows)
