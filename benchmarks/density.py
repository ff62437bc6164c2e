"""The log-densities that the benchmarks measure, and the dense table that a user would otherwise multiply by."""

import math

import torch
from torch import Tensor

from armillary.harmonics import derivative_coeffs, expand_so3, rotate_so3, so3_size, wigner_D
from armillary.so3 import random_rotations, so3_grid

LMAX = 6


def degree_weights(lmax: int) -> Tensor:
    """sqrt(2 l + 1) of each coefficient, which makes the basis orthonormal; float64."""
    degrees = [degree for degree in range(lmax + 1) for _ in range((2 * degree + 1) ** 2)]
    return (2 * torch.tensor(degrees, dtype=torch.float64) + 1).sqrt()


def dense_basis(lmax: int, rotation: Tensor) -> Tensor:
    """Every basis function at some rotations, (rotations, modes): what a user would multiply by."""
    return torch.cat([wigner_D(lmax, part) * degree_weights(lmax).to(part) for part in rotation.split(2**13)])


def dense_table(lmax: int, level: int, device: torch.device | None = None) -> Tensor:
    """Every basis function at every rotation of ``so3_grid(level)``, (modes, cells): rows that multiply fastest."""
    return torch.cat([dense_basis(lmax, part).T for part in so3_grid(level, device=device).split(2**13)], 1)


def random_density(batch: int, deviation: float, generator: torch.Generator) -> Tensor:
    """Log-densities of random coefficients whose values over SO(3) have this standard deviation in nats."""
    coeffs = torch.randn(batch, so3_size(LMAX), generator=generator)
    coeffs[:, 0] = 0
    return coeffs * (deviation / math.sqrt(so3_size(LMAX) - 1))


def peaked(centres: Tensor, sigma_deg: float) -> Tensor:
    """Log-density with a smooth peak about each centre; the first has this standard deviation."""
    fade = [math.exp(-l * (l + 1) / LMAX**2) for l in range(LMAX + 1) for _ in range((2 * l + 1) ** 2)]
    coeffs = (dense_basis(LMAX, centres.double()) * torch.tensor(fade, dtype=torch.float64)).sum(0)
    curvature = -expand_so3(derivative_coeffs(coeffs), centres[:1].double()).hessian[0, 0, 0]
    return coeffs / (curvature * math.radians(sigma_deg) ** 2)


def turned(coeffs: Tensor, batch: int, generator: torch.Generator) -> Tensor:
    """One log-density in ``batch`` random orientations, float32."""
    turns = random_rotations(batch, generator=generator, dtype=torch.float64)
    return rotate_so3(coeffs, turns).float()
