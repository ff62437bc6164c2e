"""Wigner-D matrices of many rotations, against e3nn's ``wigner_D`` degree by degree.

e3nn starts from Euler angles, so ``matrix_to_angles`` is part of its time. Its pole is y: its D(P R P^T) with
P v = (y, z, x) is our D(R).
"""

from collections.abc import Iterator

import torch
from duel import Conditions, compete, duel
from row import Row

from armillary.harmonics import wigner_D
from armillary.so3 import random_rotations

TARGET = 20.0
AXES = [1, 2, 0]


def rows(conditions: Conditions) -> Iterator[Row]:
    """All degrees up to 8."""
    from e3nn import o3

    lmax, count = conditions.size((8, 4096), (2, 16))
    rotation = random_rotations(count, generator=torch.Generator().manual_seed(0)).to(conditions.device)
    changed = rotation[:, AXES][..., AXES].contiguous()

    def theirs() -> torch.Tensor:
        angles = o3.matrix_to_angles(changed)
        return torch.cat([o3.wigner_D(degree, *angles).flatten(-2) for degree in range(lmax + 1)], -1)

    yield duel(
        f"Wigner-D of {count} rotations, lmax {lmax} / e3nn wigner_D",
        lambda: wigner_D(lmax, rotation),
        theirs,
        conditions,
        target=TARGET,
        error=_error(wigner_D(lmax, rotation), lmax, rotation),
        their_error=_error(theirs(), lmax, rotation),
        unit="entry",
        note=f"largest difference of the two {(wigner_D(lmax, rotation) - theirs()).abs().max():.1e}",
    )


def _error(D: torch.Tensor, lmax: int, rotation: torch.Tensor) -> float:
    """Largest error of an entry, beside our float64."""
    return (D - wigner_D(lmax, rotation.double())).abs().max().item()


if __name__ == "__main__":
    compete(__doc__, rows)
