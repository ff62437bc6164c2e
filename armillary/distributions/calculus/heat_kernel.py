r"""The heat kernel on SO(3): the law of a random walk of many small independent turns."""

import torch
from jaxtyping import Float
from torch import Tensor

from armillary.harmonics.layout import so3_size


def heat_decay(sigma: float | Float[Tensor, "*batch"], lmax: int) -> Float[Tensor, "*batch modes"]:
    r"""What diffusion by ``sigma`` leaves of each moment, :math:`e^{-l(l+1)\sigma^2/2}`, in float64.

    Example:
        >>> heat_decay(1.0, 1)[1].log()
        tensor(-1., dtype=torch.float64)
    """
    spread = torch.as_tensor(sigma, dtype=torch.float64)
    if not bool(((spread >= 0) & spread.isfinite()).all()):
        raise ValueError(f"expected sigma of at least 0 radians, got {sigma}; pass a standard deviation")
    degrees = torch.tensor([l for l in range(lmax + 1) for _ in range((2 * l + 1) ** 2)], device=spread.device)
    return (-degrees * (degrees + 1) / 2 * spread.square()[..., None]).clamp(min=-700).exp()


def heat_kernel(sigma: float | Float[Tensor, "*batch"], lmax: int) -> Float[Tensor, "*batch modes"]:
    r"""Coefficients up to lmax of the density of Brownian motion on SO(3) that started at the identity.

    .. math:: K(R)=\sum_l(2l+1)\,e^{-l(l+1)t/2}\,\frac{\sin\,(l+\frac12)\theta}{\sin\frac\theta2},\qquad t=\sigma^2

    It solves :math:`\partial_tK=\frac12\Delta K`. The series may be cut off where :math:`l\sigma>6`. For small t it is

    .. math:: K\approx\sqrt{2\pi}\,t^{-3/2}\,e^{t/8}\,\frac{\theta}{\sin\frac\theta2}\,e^{-\theta^2/2t},

    to a relative :math:`e^{-2\pi(\pi-\theta)/t}` and a factor near 1 (the next image of the identity).

    Args:
        sigma: Standard deviation in radians of the turn about each axis, for small ones.
        lmax: Largest degree.

    Reference: Normal distribution on the rotation group SO(3) (Nikolayev and Savyolov, 1997),
        https://doi.org/10.1155/TSM.29.201

    Example:
        >>> heat_kernel(1.0, 1).shape
        torch.Size([10])
    """
    decay = heat_decay(sigma, lmax)
    identity = torch.cat([(2 * l + 1) ** 0.5 * torch.eye(2 * l + 1).double().flatten() for l in range(lmax + 1)])
    assert len(identity) == so3_size(lmax)
    return decay * identity.to(decay)
