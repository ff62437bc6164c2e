"""Wigner matrices as a user of e3nn gets them: Euler angles, then matrix exponentials degree by degree.

e3nn's pole is y: its D(P R P^T) with P v = (y, z, x) is our D(R).
"""

from contextlib import nullcontext

import torch
from torch import Tensor

AXES = [1, 2, 0]


def to_e3nn_axes(rotation: Tensor) -> Tensor:
    """P R P^T."""
    return rotation[..., AXES, :][..., AXES].contiguous()


def wigner_matrices(lmax: int, rotation: Tensor) -> Tensor:
    """All degrees flat, (rotations, modes), of rotations in e3nn's axes."""
    from e3nn import o3

    # e3nn makes its generators on the default device; to name the processor would cost time for each operation.
    with rotation.device if rotation.is_cuda else nullcontext():
        angles = o3.matrix_to_angles(rotation)
        return torch.cat([o3.wigner_D(degree, *angles).flatten(-2) for degree in range(lmax + 1)], -1)
