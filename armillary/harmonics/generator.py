r"""Generators of the rotation of real harmonics, :math:`X_i^l=\frac{d}{dt}D^l(\exp(t e_i))|_{t=0}`.

In the order m = -l..l, with :math:`s_p=\tfrac12\sqrt{(l-p)(l+p+1)}`: about z, :math:`X_{m,-m}=-m`; about y,
:math:`X_{p+1,p}=-X_{p,p+1}=s_p` among the cosines (times :math:`\sqrt2` at p = 0) and the sines; about x, their
commutator.
"""

from functools import lru_cache

import torch
from jaxtyping import Float
from torch import Tensor

from armillary.harmonics.constant import constant


def _about_y(degree: int) -> Float[Tensor, "orders orders"]:
    p = torch.arange(degree, dtype=torch.float64)
    step = ((degree - p) * (degree + p + 1)).sqrt() / 2
    # Below the diagonal: the sines, in falling order, nothing between m = -1 and 0, the cosines.
    below = torch.cat([-step[1:].flip(0), step.new_zeros(min(degree, 1)), torch.where(p == 0, 2**0.5 * step, step)])
    lower = torch.diag(below, -1) if degree else torch.zeros(1, 1, dtype=torch.float64)
    return lower - lower.T


@lru_cache(maxsize=32)
def generators(lmax: int) -> tuple[Float[Tensor, "3 orders orders"], ...]:
    """Generators of rotation about x, y, z, (3, 2l+1, 2l+1) for each degree, float64 and antisymmetric.

    Example:
        >>> generators(1)[1][2].int()
        tensor([[ 0,  0,  1],
                [ 0,  0,  0],
                [-1,  0,  0]], dtype=torch.int32)
    """
    triples = []
    for degree in range(lmax + 1):
        y = _about_y(degree)
        z = torch.diag(-torch.arange(-degree, degree + 1, dtype=torch.float64)).flip(-1)
        triples.append(torch.stack([y @ z - z @ y, y, z]))
    return tuple(triples)


@constant
def _axes(dtype: torch.dtype, device: torch.device) -> Float[Tensor, "3 9"]:
    """The same for vectors (x, y, z)."""
    return generators(1)[1][:, [2, 0, 1]][:, :, [2, 0, 1]].flatten(1).to(device, dtype)


def cross_matrix(vector: Float[Tensor, "*batch 3"]) -> Float[Tensor, "*batch 3 3"]:
    """The antisymmetric matrix of the cross product with a vector.

    Example:
        >>> cross_matrix(torch.tensor([1.0, 0.0, 0.0])) @ torch.tensor([0.0, 1.0, 0.0])
        tensor([0., 0., 1.])
    """
    return (vector @ _axes(vector.dtype, vector.device)).unflatten(-1, (3, 3))
