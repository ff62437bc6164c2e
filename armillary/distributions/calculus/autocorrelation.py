r"""How much a density looks like itself after a turn of the object.

.. math:: C(g)=\int(p(R)-1)\,(p(Rg)-1)\,dR=\sum_{l\ge1}\mathrm{tr}\,(m_l^\top m_l\,D^l(g)),\qquad
    m^l_{mn}=E[\sqrt{2l+1}\,D^l_{mn}]

is a band-limited function on SO(3), largest at the identity, and as large only at symmetries of the object. It does not
depend on the view.
"""

import torch
from jaxtyping import Float
from torch import Tensor

from armillary.harmonics.derivative import derivative_coeffs, expand_so3
from armillary.harmonics.layout import so3_lmax, split_degrees
from armillary.harmonics.spherical import spherical_harmonics
from armillary.so3.grid import s2_grid
from armillary.so3.rotation import exp

LEAST_POWER = 1e-4  # C(1) of a density below this is uniform for our purposes: its peaks are 1 percent high
STEPS = 12  # Newton steps; they converge linearly where the density is not exactly symmetric
ENOUGH = 1e-5  # radians: a step of this ends the fit
LONGEST = 0.1  # radians a Newton step


def autocorrelation(moments: Float[Tensor, "*batch modes"]) -> Float[Tensor, " modes"]:
    r"""Coefficients of C, scaled to 1 at the identity and averaged over the densities.

    Each counts as :math:`P/(1+P)`, P its C(1): as one vote where it knows the pose, not at all where it is uniform.

    Args:
        moments: Of one density or of several of the same object.

    Raises:
        ValueError: All densities are uniform to 1 percent.

    Example:
        >>> autocorrelation(torch.cat([torch.ones(1), torch.eye(3).flatten()]))[1:5]
        tensor([0.1925, 0.0000, 0.0000, 0.0000])
    """
    flat = moments.reshape(-1, moments.shape[-1])
    power = flat[:, 1:].square().sum(-1)
    if not bool(power.amax() > LEAST_POWER):
        raise ValueError(
            f"expected a density that prefers some rotations, got one uniform to {float(power.amax()) ** 0.5:.1g}; "
            "every rotation is a symmetry of it"
        )
    votes = 1 / (1 + power)  # the vote P / (1 + P) over P
    gram = [torch.einsum("b,bki,bkj->ij", votes, part, part) for part in split_degrees(flat)]
    parts = [block.flatten() / (2 * l + 1) ** 0.5 for l, block in enumerate(gram)]
    parts[0] = torch.zeros_like(parts[0])
    return torch.cat(parts) / (votes * power).sum()


def best_axis(coeffs: Float[Tensor, " modes"]) -> Float[Tensor, "3 3"]:
    r"""A rotation that takes z to the axis u with the largest mean of C over all turns about it, to some degrees.

    .. math:: \frac1{2\pi}\int C(\exp(tu))\,dt=\sum_l\frac{Y^l(u)^\top A^l\,Y^l(u)}{2l+1},\qquad
        C(g)=\sum_l\mathrm{tr}(A^{l\top}D^l(g))

    Example:
        >>> C = autocorrelation(torch.cat([torch.ones(1), torch.diag(torch.tensor([1.0, 0, 0])).flatten()]))
        >>> best_axis(C)[:, 2].round(decimals=1).abs()  # degree 1 is in the order (y, z, x)
        tensor([0., 1., 0.])
    """
    axes = s2_grid(4, dtype=coeffs.dtype, device=coeffs.device)
    Y = [Y.T for Y in spherical_harmonics(so3_lmax(len(coeffs)), axes).T.split(_orders(coeffs))]
    parts = zip(Y, split_degrees(coeffs), strict=True)
    means = sum(((Y @ block) * Y).sum(-1) / (2 * l + 1) ** 0.5 for l, (Y, block) in enumerate(parts))
    assert isinstance(means, Tensor)
    axis = axes[means.argmax()]
    smallest = torch.nn.functional.one_hot(axis.abs().argmin(), 3).to(axis)
    across = torch.nn.functional.normalize(torch.linalg.cross(axis, smallest), dim=-1)
    return torch.stack([across, torch.linalg.cross(axis, across), axis], -1)


def _orders(coeffs: Float[Tensor, " modes"]) -> list[int]:
    return [2 * l + 1 for l in range(so3_lmax(len(coeffs)) + 1)]


def fit_orientation(
    coeffs: Float[Tensor, " modes"], elements: Float[Tensor, "n 3 3"], start: Float[Tensor, "3 3"]
) -> Float[Tensor, "3 3"]:
    r"""The turn U near a start for which the mean of C over the conjugated group, :math:`U g U^\top`, is largest.

    That mean is the share of the density's power that the group leaves invariant, so all elements fix U together, each
    as firmly as its peak is sharp. Newton steps; directions that change nothing (about the axis of C_n) stay.

    Example:
        >>> C = autocorrelation(torch.cat([torch.ones(1), torch.diag(torch.tensor([0.0, 1, 0])).flatten()]))
        >>> half_turn = torch.diag(torch.tensor([-1.0, -1, 1]))
        >>> tilt = torch.tensor([[1.0, 0, 0], [0, 0.8, -0.6], [0, 0.6, 0.8]])
        >>> fit_orientation(C, half_turn[None], tilt)[:, 2].round(decimals=3).abs()
        tensor([0., 0., 1.])
    """
    derivatives, orientation, group = derivative_coeffs(coeffs), start, elements
    for _ in range(STEPS):
        placed = orientation @ group @ orientation.mT
        expansion = expand_so3(derivatives, placed)
        # exp(w) G exp(-w) = G exp((G^T - 1) w) to first order.
        change = placed.mT - torch.eye(3).to(placed)
        slope = (change.mT @ expansion.gradient[..., None]).sum(0)[:, 0]
        bend = (change.mT @ expansion.hessian @ change).sum(0)
        values, axes = torch.linalg.eigh(bend)
        free = values.abs() <= 1e-6 * values.abs().amax()
        along = torch.where(free, 0.0, (axes.mT @ slope) / torch.where(free, 1.0, values.abs()))
        step = axes @ along
        step = step * (LONGEST / torch.linalg.vector_norm(step).clamp(min=LONGEST))
        orientation = exp(step) @ orientation
        if torch.linalg.vector_norm(step) < ENOUGH:
            break
    return orientation
