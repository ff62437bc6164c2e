r"""Wigner-D matrices of the real harmonics, at any rotation.

With :math:`R=R_z(\alpha)R_y(\beta)R_z(\gamma)` and :math:`u` the Fourier basis of :mod:`armillary.harmonics.fourier`,

.. math:: D^l_{mn}(R) = \pm A^l_{|m||n|}(\beta)\,u_m(\alpha)\,u_n(\gamma)
    \pm B^l_{|m||n|}(\beta)\,u_{-m}(\alpha)\,u_{-n}(\gamma)

where A and B are the entries (p, q) and (-p, -q) of :math:`D^l(R_y(\beta))`: one small matrix product with the Fourier
basis of beta. At the poles every choice of Euler angles gives the same D, and the gradient never passes through them:
it is :math:`\frac{d}{dt}D(R\exp(t e_i))=D(R)X_i` with constant generators X_i, finite and exact at every rotation.
"""

from typing import NamedTuple

import torch
from jaxtyping import Float, Int
from torch import Tensor

from armillary.harmonics.constant import constant
from armillary.harmonics.fourier import fourier_basis
from armillary.harmonics.generator import cross_matrix, generators
from armillary.harmonics.layout import so3_lmax, so3_size, so3_slice
from armillary.harmonics.reduced import reduced_series, reduced_values
from armillary.so3.rotation import require_alike, require_rotations

BLOCK = 2**20  # bytes written together on a CPU: they stay in its cache
LARGEST_REPEATED = 16  # up to it each entry has its own series in beta, above it they share those of |m|, |n|
LARGEST_SERIES = 32  # above it the series in beta take more memory than the recurrence takes time


class _Entries(NamedTuple):
    """Where each flat entry (l, m, n) finds A, B and, among all (m, n), its azimuthal factors."""

    cosine: Int[Tensor, " modes"]
    sine: Int[Tensor, " modes"]
    azimuth: Int[Tensor, " modes"]


@constant
def _entry_table(lmax: int, device: torch.device) -> _Entries:
    term, azimuth, terms = [], [], 0
    for degree in range(lmax + 1):
        m, n = torch.meshgrid(*2 * [torch.arange(-degree, degree + 1)], indexing="ij")
        term.append(terms + m.abs() * (degree + 1) + n.abs())
        azimuth.append((m + lmax) * (2 * lmax + 1) + n + lmax)
        terms += (degree + 1) ** 2
    cosine, places = (torch.cat([part.flatten() for part in parts]).to(device) for parts in (term, azimuth))
    return _Entries(cosine, cosine + terms, places)


@constant
def _signs(lmax: int, dtype: torch.dtype, device: torch.device) -> Float[Tensor, "orders 1"]:
    """-1 for the sines of ``fourier_basis``."""
    return torch.cat([-torch.ones(lmax), torch.ones(lmax + 1)])[:, None].to(device, dtype)


def _euler_angles(rotation: Float[Tensor, "points 3 3"]) -> Float[Tensor, "3 points"]:
    """Some alpha, beta, gamma whose product is the rotation to rounding, near the poles too."""
    a, b, c, d, e, f, _, _, i = rotation.flatten(1).T
    alpha, beta = torch.atan2(f, c), torch.atan2(torch.hypot(c, f), i)
    # Near a pole alpha is anything, and the sum or the difference with gamma carries the digits.
    gamma = torch.where(i > 0, torch.atan2(d - b, a + e) - alpha, alpha + torch.atan2(d + b, e - a))
    return torch.stack([alpha, beta, gamma])


@constant
def _entry_series(lmax: int, dtype: torch.dtype, device: torch.device) -> Float[Tensor, "rows orders"]:
    """The series of A and B for each flat entry: for low degrees repeating them is faster than looking them up."""
    entries = _entry_table(lmax, torch.device("cpu"))
    return reduced_series(lmax, dtype, torch.device("cpu"))[torch.cat([entries.cosine, entries.sine])].to(device)


def _polar(lmax: int, beta: Tensor, basis: Tensor) -> tuple[Tensor, Tensor]:
    """A and B of each flat entry, (modes, points) each, from beta and its Fourier basis."""
    if lmax <= LARGEST_REPEATED:
        first, second = (_entry_series(lmax, basis.dtype, basis.device) @ basis).chunk(2)
        return first, second
    entries = _entry_table(lmax, basis.device)
    if lmax <= LARGEST_SERIES:
        reduced = reduced_series(lmax, basis.dtype, basis.device) @ basis
    else:
        reduced = reduced_values(lmax, beta).to(basis)
    return reduced[entries.cosine], reduced[entries.sine]


def _rows(
    lmax: int, rotation: Float[Tensor, "points 3 3"], place: Float[Tensor, "modes points"] | None = None
) -> Float[Tensor, "modes points"]:
    """Flat D of rotations that fit into the cache together, written to their place."""
    azimuth, signs = _entry_table(lmax, rotation.device).azimuth, _signs(lmax, rotation.dtype, rotation.device)
    angles = _euler_angles(rotation)
    alpha, beta, gamma = fourier_basis(lmax, angles).mT.contiguous()
    first, second = _polar(lmax, angles[1], beta)
    same = (alpha[:, None] * (signs * gamma)).flatten(0, 1)
    other = ((-signs * alpha.flip(0))[:, None] * gamma.flip(0)).flatten(0, 1)
    rows = torch.mul(first, same.index_select(0, azimuth), out=place)
    return rows.addcmul_(second, other.index_select(0, azimuth))


def plain_rows(lmax: int, rotation: Float[Tensor, "points 3 3"]) -> Float[Tensor, "modes points"]:
    """``wigner_rows`` without derivatives."""
    block = max(BLOCK // (so3_size(lmax) * rotation.element_size()), 64)
    if rotation.shape[0] <= block or rotation.device.type != "cpu" or torch.compiler.is_compiling():
        return _rows(lmax, rotation)
    rows = rotation.new_empty(so3_size(lmax), rotation.shape[0])
    for part, place in zip(rotation.split(block), rows.split(block, 1), strict=True):
        _rows(lmax, part, place)
    return rows


def _slopes(rows: Float[Tensor, "modes points"]) -> list[Float[Tensor, "orders 3 orders points"]]:
    """D(R) X_i of each degree, i in the middle."""
    slopes = []
    for degree, basis in enumerate(generators(so3_lmax(rows.shape[0]))):
        size = 2 * degree + 1
        right = basis.mT.reshape(3 * size, size).to(rows)
        slopes.append((right @ rows[so3_slice(degree)].unflatten(0, (size, size))).unflatten(1, (3, size)))
    return slopes


class _WignerRows(torch.autograd.Function):
    """D at rotations, with derivatives along the group: of any order, backward and forward, under vmap too."""

    @staticmethod
    def forward(rotation: Tensor, lmax: int) -> Tensor:
        """Flat D, (modes, points)."""
        return plain_rows(lmax, rotation)

    @staticmethod
    def setup_context(ctx: torch.autograd.function.FunctionCtx, inputs: tuple[Tensor, int], output: Tensor) -> None:
        """Keeps R and D: all derivatives are products of them."""
        ctx.save_for_backward(inputs[0], output)
        ctx.save_for_forward(inputs[0], output)

    @staticmethod
    def backward(ctx: torch.autograd.function.FunctionCtx, grad: Tensor) -> tuple[Tensor, None]:  # type: ignore[override]
        r"""The tangent matrix :math:`\tfrac12R\,[g]_\times` with :math:`g_i=\langle grad, D(R)X_i\rangle`."""
        rotation, rows = ctx.saved_tensors  # type: ignore[attr-defined]
        slope = rotation.new_zeros(3, rotation.shape[0])
        for degree, part in enumerate(_slopes(rows)):
            outer = grad[so3_slice(degree)].unflatten(0, (2 * degree + 1, 1, -1))
            slope = slope + (outer * part).sum((0, 2))
        return rotation @ cross_matrix(slope.T) / 2, None

    @staticmethod
    def jvp(ctx: torch.autograd.function.FunctionCtx, tangent: Tensor, _: None) -> Tensor:  # type: ignore[override]
        """D(R) X_i times the rotation vector of the tangent."""
        rotation, rows = ctx.saved_tensors  # type: ignore[attr-defined]
        skew = rotation.mT @ tangent
        rate = torch.stack([skew[:, 2, 1], skew[:, 0, 2], skew[:, 1, 0]])
        return torch.cat([(part * rate[:, None]).sum(1).flatten(0, 1) for part in _slopes(rows)])

    @staticmethod
    def vmap(info: object, in_dims: tuple[int | None, None], rotation: Tensor, lmax: int) -> tuple[Tensor, int]:
        """The mapped axis joins the points."""
        points = rotation.movedim(in_dims[0] or 0, 0)
        return _WignerRows.apply(points.flatten(0, 1), lmax).unflatten(1, points.shape[:2]), 1  # type: ignore[no-untyped-call]


def wigner_rows(lmax: int, rotation: Float[Tensor, "points 3 3"]) -> Float[Tensor, "modes points"]:
    """Flat D^l_mn with the rotations on the last axis: the layout that evaluation multiplies by."""
    return _WignerRows.apply(rotation, lmax)  # type: ignore[no-any-return,no-untyped-call]


def wigner_D(lmax: int, rotation: Float[Tensor, "*batch 3 3"]) -> Float[Tensor, "*batch modes"]:
    r"""Wigner-D matrices of the real harmonics, :math:`Y(Rx) = D(R)\,Y(x)`, flat.

    Layout: ``[D(l, m, n) for l in range(lmax + 1) for m in range(-l, l + 1) for n in range(-l, l + 1)]``.
    Orthogonal to 1e-11 at l = 64 in float64; finite gradients everywhere, tangent to the rotations. Degree 1 is the
    rotation matrix in the order (y, z, x).

    Args:
        lmax: Largest degree, inclusive.
        rotation: Rotation matrices.

    Reference: Varshalovich et al., Quantum Theory of Angular Momentum (1988), 4.3.4 eq. 13.

    Example:
        >>> wigner_D(1, torch.eye(3)).shape
        torch.Size([10])
    """
    require_rotations(rotation)
    flat = wigner_rows(lmax, rotation.reshape(-1, 3, 3)).T
    return flat.reshape(*rotation.shape[:-2], so3_size(lmax))


@constant
def _degree_weights(lmax: int, dtype: torch.dtype, device: torch.device) -> Float[Tensor, " modes"]:
    weights = [(2 * degree + 1) ** 0.5 for degree in range(lmax + 1) for _ in range((2 * degree + 1) ** 2)]
    return torch.tensor(weights, dtype=dtype, device=device)


def degree_weights(lmax: int, like: Tensor) -> Float[Tensor, " modes"]:
    """sqrt(2 l + 1) of each flat SO(3) coefficient: what makes the basis orthonormal for Haar probability."""
    return _degree_weights(lmax, like.dtype, like.device)


def evaluate_so3(coeffs: Float[Tensor, "*batch modes"], rotation: Float[Tensor, "*shape 3 3"]) -> Float[Tensor, "*out"]:
    r"""Value of a band-limited function at rotations, :math:`f(R)=\sum_l\sqrt{2l+1}\sum_{mn}c^l_{mn}D^l_{mn}(R)`.

    Args:
        coeffs: SO(3) coefficients (``so3_size(lmax)`` of them).
        rotation: Rotations; leading axes broadcast against ``batch``.

    Example:
        >>> evaluate_so3(torch.tensor([2.0] + 9 * [0.0]), torch.eye(3))
        tensor(2.)
    """
    lmax = so3_lmax(coeffs.shape[-1])
    weighted = coeffs * degree_weights(lmax, coeffs)
    require_alike(rotation, coeffs)
    basis = wigner_D(lmax, rotation.to(coeffs.dtype))
    return basis @ weighted if coeffs.ndim == 1 else (basis * weighted).sum(-1)
