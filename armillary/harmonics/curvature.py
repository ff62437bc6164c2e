"""How sharply functions on SO(3) bend: the largest downward second derivative along any geodesic."""

import math

import torch
from jaxtyping import Float
from torch import Tensor

from armillary.harmonics.constant import constant
from armillary.harmonics.derivative import derivative_coeffs
from armillary.harmonics.fourier import fourier_basis
from armillary.harmonics.layout import so3_lmax
from armillary.harmonics.rings import Rings

MARGIN = 1.25  # between the nodes the curvature was up to 1.18 times larger (tests)
NODES = 2**17  # of curvature handled together, to stay in cache


@constant
def hessian_grid(lmax: int, dtype: torch.dtype, device: torch.device) -> tuple[Rings, Tensor]:
    """Rings and azimuths, four nodes a wavelength."""
    azimuths = max(4 * lmax, 12)
    angle = (torch.arange(azimuths, dtype=torch.float64) + 0.5) * (2 * math.pi / azimuths)
    return Rings(lmax, angle[: azimuths // 2], dtype).to(device), fourier_basis(lmax, angle).to(device, dtype)


def downward_curvature(coeffs: Float[Tensor, "batch modes"]) -> Float[Tensor, " batch"]:
    """Largest downward second derivative of f along any geodesic, by the Hessian at four nodes a wavelength.

    Between the nodes it can be a little larger: callers that need a bound add a margin.
    """
    rings, basis = hessian_grid(so3_lmax(coeffs.shape[-1]), coeffs.dtype, coeffs.device)
    second = derivative_coeffs(coeffs)[:, 4:]
    count = max(1, NODES // (rings.table.shape[-1] * len(basis) ** 2))
    most = []
    for spectra in rings.spectra(second).split(count):
        most.append(-_least_eigenvalue(((basis @ spectra) @ basis.T).flatten(2)).amin(-1))
    return torch.cat(most).clamp(min=0)


def _least_eigenvalue(entries: Float[Tensor, "batch 6 nodes"]) -> Float[Tensor, "batch nodes"]:
    """A lower bound, half a per cent away, of the least eigenvalue of symmetric matrices (xx, yy, zz, xy, xz, yz).

    Cardano: centre - 2 spread sin(pi / 6 + 2 / 3 asin t), t from the determinant; a parabola in t bounds that sine.
    """
    a, b, c, d, e, f = entries.unbind(1)
    centre = (a + b + c).div_(3)
    a, b, c = a - centre, b - centre, c - centre
    dd, ee, ff = d * d, e * e, f * f
    square = ((a * a + b * b).addcmul_(c, c).div_(6)).add_((dd + ee).add_(ff), alpha=1 / 3)
    half = (a * (b * c - ff)).addcmul_(b, ee, value=-1).addcmul_(c, dd, value=-1).addcmul_(d * e, f, value=2).div_(2)
    spread = square.sqrt()
    cube = (square * spread).clamp_(min=torch.finfo(entries.dtype).tiny)
    t = half.div_(cube).neg_().add_(1).clamp_(0, 2).div_(2).sqrt_()
    return centre.addcmul_(spread, (t * -0.0774).add_(0.5774).mul_(t).add_(0.5), value=-2)
