"""Peaks of band-limited functions on SO(3): found on a coarse grid, polished by Newton steps on the manifold."""

from functools import lru_cache

import roma
import torch
from jaxtyping import Float
from torch import Tensor, nn

from armillary.harmonics.derivative import derivative_coeffs, expand_so3
from armillary.harmonics.layout import so3_lmax
from armillary.harmonics.so3_transform import SO3Transform
from armillary.so3.rotation import geodesic_distance

NEWTON_STEPS = 12


@lru_cache(maxsize=16)
def _search_grid(lmax: int, dtype: torch.dtype, device: torch.device) -> tuple[SO3Transform, Tensor]:
    """A product grid with about four nodes a wavelength: every peak worth the name has a node in its basin."""
    count = max(4 * lmax + 4, 8)
    transform = SO3Transform(lmax, rings=count // 2, azimuths=count, dtype=dtype).to(device)
    return transform, transform.points.flatten(0, 2).to(device, dtype)


def _local_maxima(values: Float[Tensor, "batch rings azimuths azimuths"]) -> Tensor:
    """Which nodes are no lower than their 26 neighbours; the azimuths wrap around, the polar angle does not."""
    padded = nn.functional.pad(values[:, None], (1, 1, 1, 1, 0, 0), mode="circular")
    highest = nn.functional.max_pool3d(padded, kernel_size=3, stride=1, padding=(1, 0, 0))
    return values >= highest[:, 0]


def climb(
    coeffs: Float[Tensor, "batch modes"], start: Float[Tensor, "batch points 3 3"]
) -> Float[Tensor, "batch points 3 3"]:
    """Newton ascent from each start, quadratic near a peak; steps are damped to stay uphill and within a wavelength.

    Where the Hessian is not negative definite its eigenvalues are made so (a ridge, the flat direction of a continuous
    symmetry, is then climbed across and not along).
    """
    lmax = so3_lmax(coeffs.shape[-1])
    derivatives = derivative_coeffs(coeffs)
    longest = 0.5 / max(lmax, 1)
    rotation, value = start, None
    shrink = start.new_ones(start.shape[:-2])
    expansion = expand_so3(derivatives, rotation)
    for _ in range(NEWTON_STEPS):
        value = expansion.value
        eigenvalues, axes = torch.linalg.eigh(expansion.hessian)
        floor = 1e-6 * eigenvalues.abs().amax(-1, keepdim=True).clamp(min=torch.finfo(value.dtype).tiny)
        curvature = torch.maximum(eigenvalues.abs(), floor)
        step = (axes @ ((axes.mT @ expansion.gradient[..., None]) / curvature[..., None]))[..., 0]
        length = torch.linalg.vector_norm(step, dim=-1)
        step = step * (shrink * (longest / length.clamp(min=longest)))[..., None]
        trial = rotation @ roma.rotvec_to_rotmat(step)
        trial_expansion = expand_so3(derivatives, trial)
        # At the top a good step changes the value by less than its rounding.
        better = trial_expansion.value >= value - 8 * torch.finfo(value.dtype).eps * value.abs()
        rotation = torch.where(better[..., None, None], trial, rotation)
        expansion = type(expansion)(
            torch.where(better, trial_expansion.value, expansion.value),
            torch.where(better[..., None], trial_expansion.gradient, expansion.gradient),
            torch.where(better[..., None, None], trial_expansion.hessian, expansion.hessian),
        )
        shrink = torch.where(better, torch.ones_like(shrink), shrink / 4)
    return rotation


def _distinct(rotation: Tensor, value: Tensor, k: int, apart: float) -> tuple[Tensor, Tensor]:
    """The k highest candidates that lie ``apart`` from every higher one kept; ``-inf`` where there are fewer."""
    value, order = value.sort(dim=-1, descending=True, stable=True)
    rotation = rotation.take_along_dim(order[..., None, None], 1)
    close = geodesic_distance(rotation[:, :, None], rotation[:, None, :]) < apart
    kept = torch.zeros_like(value, dtype=torch.bool)
    for candidate in range(value.shape[1]):
        kept[:, candidate] = ~(kept & close[:, candidate]).any(-1)
    rank = torch.where(kept, value, value.new_tensor(-torch.inf))
    top, chosen = rank.topk(min(k, rank.shape[1]), -1)
    return rotation.take_along_dim(chosen[..., None, None], 1), top


@torch.no_grad()
def find_peaks(
    coeffs: Float[Tensor, "*batch modes"], k: int = 1
) -> tuple[Float[Tensor, "*batch k 3 3"], Float[Tensor, "*batch k"]]:
    """The k highest distinct local maxima of a function on SO(3), highest first, with their values.

    Two maxima are distinct when they are a quarter of the shortest wavelength apart. Where a function has fewer than k,
    the values of the missing ones are ``-inf``. Deterministic and batched.

    Args:
        coeffs: SO(3) coefficients.
        k: How many.

    Example:
        >>> from armillary.harmonics import wigner_D
        >>> rotation, value = find_peaks(wigner_D(2, torch.eye(3)))
        >>> rotation.diagonal(dim1=-2, dim2=-1).round(decimals=4)
        tensor([[1., 1., 1.]])
    """
    lmax = so3_lmax(coeffs.shape[-1])
    flat = coeffs.reshape(-1, coeffs.shape[-1])
    transform, nodes = _search_grid(lmax, coeffs.dtype, coeffs.device)
    values = transform.synthesis(flat)
    values = torch.where(_local_maxima(values), values, -torch.inf).flatten(1)
    # A peak near a pole of the grid shows up once for each azimuth, so look at more candidates than were asked for.
    candidates = min(max(6 * k, 16), values.shape[1])
    chosen = values.topk(candidates, -1).indices
    # Double precision: the peak of a sharp function is a small difference of large numbers.
    summit = climb(flat.double(), nodes[chosen].double())
    height = expand_so3(derivative_coeffs(flat.double()), summit).value
    height = torch.where(values.take_along_dim(chosen, -1).isfinite(), height, -torch.inf)
    rotation, top = _distinct(summit, height, k, torch.pi / (4 * max(lmax, 1)))
    shape = coeffs.shape[:-1]
    return rotation.to(coeffs.dtype).reshape(*shape, -1, 3, 3), top.to(coeffs.dtype).reshape(*shape, -1)
