"""The exact log-likelihood, forward and backward, against cross entropy over the dense level-3 table.

Theirs is the training loss of Image2Sphere: logits of all 36,864 cells by a product with a 455 x 36,864 table (building
it is not counted), softmax, the nearest cell as the class. Errors are those of log Z in nats, the largest in the batch,
beside float64 with a tolerance of 1e-8.
"""

import math
from collections.abc import Iterator

import torch
from density import LMAX, dense_table, peaked, random_density, turned
from duel import Conditions, compete, duel
from row import Row
from torch import Tensor, nn

from armillary.distributions import AdaptiveGrid, HarmonicDistribution
from armillary.harmonics import find_peaks
from armillary.so3 import nearest_cell, random_rotations

TARGET = 1.0
CHECKED = 8  # densities whose normaliser is compared with the slow one


def cases(batch: int) -> dict[str, Tensor]:
    """Log-densities of several sharpness, (batch, modes)."""
    generator = torch.Generator().manual_seed(0)
    one, four = torch.eye(3)[None], random_rotations(4, generator=generator)
    single = {f"one peak of {sigma:g} degrees": peaked(one, sigma) for sigma in (10.0, 5.0, 2.5, 1.0)}
    several = {f"four peaks of {sigma:g} degrees": peaked(four, sigma) for sigma in (10.0, 4.0)}
    sharp = {name: turned(coeffs, batch, generator) for name, coeffs in (single | several).items()}
    return {"random, deviation 2 nats": random_density(batch, 2.0, generator)} | sharp


def _ours(coeffs: Tensor, rotation: Tensor) -> Tensor | None:
    variable = coeffs.detach().requires_grad_()
    (-HarmonicDistribution(variable).log_prob(rotation).mean()).backward()
    return variable.grad


def _theirs(coeffs: Tensor, table: Tensor, cell: Tensor) -> Tensor | None:
    variable = coeffs.detach().requires_grad_()
    nn.functional.cross_entropy(variable @ table, cell).backward()
    return variable.grad


def rows(conditions: Conditions) -> Iterator[Row]:
    """One row for each sharpness."""
    level, batch = conditions.size((3, 64), (1, 2))
    table = dense_table(LMAX, level, conditions.device)
    selected = list(cases(batch).items())
    for name, coeffs in conditions.size(selected, selected[1:2]):
        coeffs = coeffs.to(conditions.device)
        rotation = find_peaks(coeffs, 1)[0][:, 0]
        cell = nearest_cell(rotation.cpu(), level).to(conditions.device)
        few = coeffs[:CHECKED]
        truth = AdaptiveGrid(tolerance=1e-8).log_integral(few.double())
        grid = (few @ table).logsumexp(-1) - math.log(table.shape[1])
        yield duel(
            f"log_prob, {name}, batch {batch} / cross entropy, level {level}",
            lambda coeffs=coeffs, rotation=rotation: _ours(coeffs, rotation),
            lambda coeffs=coeffs, cell=cell: _theirs(coeffs, table, cell),
            conditions,
            target=TARGET,
            error=(AdaptiveGrid().log_integral(few) - truth).abs().max().item(),
            their_error=(grid - truth).abs().max().item(),
            unit="nats",
        )


if __name__ == "__main__":
    compete(__doc__, rows)
