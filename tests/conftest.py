"""Fixtures for law tests: the special set of rotations that every law must hold on."""

import itertools
import math

import pytest
import torch
from torch import Tensor

from armillary.so3 import exp, from_euler_zyz, quat_xyzw_to_matrix


@pytest.fixture
def special_rotations() -> Tensor:
    """Identity, half-turns, near-identity, near pi, beta = 0 and pi, all sign quaternions; float64, (n 3 3)."""
    axes = torch.cat([torch.eye(3), torch.nn.functional.normalize(torch.tensor([[1.0, -2.0, 0.5]]), dim=-1)]).double()
    angles = torch.tensor(
        [0.0, 1e-12, 1e-7, math.pi / 2, math.pi - 1e-7, math.pi - 1e-12, math.pi], dtype=torch.float64
    )
    turns = exp((angles[:, None, None] * axes).flatten(0, 1))
    azimuths = torch.tensor([[0.3, -2.0], [1.0, 3.0], [-3.0, -3.0], [0.7, 0.0]], dtype=torch.float64)
    flat, upside_down = (from_euler_zyz(azimuths[:, 0], azimuths[:, 0] * 0 + b, azimuths[:, 1]) for b in (0.0, math.pi))
    signs = torch.tensor(list(itertools.product([-0.5, 0.5], repeat=4)), dtype=torch.float64)
    return torch.cat([turns, flat, upside_down, quat_xyzw_to_matrix(signs)])
