"""Level-5 density: 2,359,296 rotations from 455 coefficients, against the dense 455 x N matrix product.

The dense matrix does not fit at level 5 (4.3 GB), so it is multiplied at level 4 and its time is scaled by the number
of rotations. That flatters it: building the matrix is not counted.
"""

from collections.abc import Iterator

import torch
from density import LMAX, dense_table
from duel import Conditions, compete, duel
from row import Row

from armillary.harmonics import evaluate_on_so3_grid, so3_size
from armillary.so3 import so3_grid_size

TARGETS = {1: (40.0, 100.0), 64: (8.0, 1500.0)}  # batch: ratio, MB


def rows(conditions: Conditions) -> Iterator[Row]:
    """One density, and a batch of them."""
    level, dense_level = conditions.size((5, 4), (2, 1))
    table = dense_table(LMAX, dense_level, conditions.device)
    for batch, (target, target_mb) in list(TARGETS.items())[: conditions.size(2, 1)]:
        generator = torch.Generator().manual_seed(batch)
        coeffs = torch.randn(batch, so3_size(LMAX), generator=generator).to(conditions.device)
        yield duel(
            f"density, level {level}, lmax {LMAX}, batch {batch} / dense product",
            lambda coeffs=coeffs: evaluate_on_so3_grid(coeffs, level),
            lambda coeffs=coeffs: coeffs @ table,
            conditions,
            scale=so3_grid_size(level) / table.shape[1],
            target=target,
            target_mb=target_mb,
            error=_difference(coeffs[:1], table, dense_level),
            unit="nats",
            note=f"theirs scaled from level {dense_level}",
        )


def _difference(coeffs: torch.Tensor, table: torch.Tensor, level: int) -> float:
    """Largest difference of the two sides."""
    return (evaluate_on_so3_grid(coeffs, level) - coeffs @ table).abs().max().item()


if __name__ == "__main__":
    compete(__doc__, rows)
