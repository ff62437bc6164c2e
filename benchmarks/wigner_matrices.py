"""Wigner-D matrices of many rotations, against e3nn's ``wigner_D`` degree by degree.

e3nn starts from Euler angles, so ``matrix_to_angles`` is part of its time; the change of axes is not.
"""

from collections.abc import Iterator

import torch
from duel import Conditions, compete, duel
from e3nn_wigner import to_e3nn_axes, wigner_matrices
from row import Row

from armillary.harmonics import wigner_D
from armillary.so3 import random_rotations

TARGET = 20.0


def rows(conditions: Conditions) -> Iterator[Row]:
    """All degrees up to 8."""
    lmax, count = conditions.size((8, 4096), (2, 16))
    rotation = random_rotations(count, generator=torch.Generator().manual_seed(0)).to(conditions.device)
    changed = to_e3nn_axes(rotation)

    own, other = wigner_D(lmax, rotation), wigner_matrices(lmax, changed)
    yield duel(
        f"Wigner-D of {count} rotations, lmax {lmax} / e3nn wigner_D",
        lambda: wigner_D(lmax, rotation),
        lambda: wigner_matrices(lmax, changed),
        conditions,
        target=TARGET,
        error=_error(own, lmax, rotation),
        their_error=_error(other, lmax, rotation),
        unit="entry",
        note=f"largest difference of the two {(own - other).abs().max():.1e}",
    )


def _error(D: torch.Tensor, lmax: int, rotation: torch.Tensor) -> float:
    """Largest error of an entry, beside our float64."""
    return (D - wigner_D(lmax, rotation.double())).abs().max().item()


if __name__ == "__main__":
    compete(__doc__, rows)
