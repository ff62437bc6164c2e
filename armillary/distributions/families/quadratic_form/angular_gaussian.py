r"""Exact draws of quaternions from :math:`\exp(-(a\,x^2+b\,y^2+c\,z^2))`, the Bingham law, by rejection.

The envelope is the angular central Gaussian law: a normal vector of precision
:math:`\Omega=I+2\Lambda/\beta,\ \Lambda=\mathrm{diag}(0,a,b,c)`, divided by its length. Its density is proportional to
:math:`(q^\top\Omega q)^{-2}=(1+2t/\beta)^{-2}`, and :math:`\sum_j 1/(\beta+2\Lambda_j)=1` makes it tightest: at
least 44 in 100 proposals are kept, however sharp the law.

Reference: A new unified approach for the simulation of a wide class of directional distributions (Kent, Ganeiber and
Mardia, 2018), https://doi.org/10.1080/10618600.2017.1390468
"""

import torch
from jaxtyping import Float64
from torch import Tensor


def _envelope(form: Float64[Tensor, "draws 3"]) -> Float64[Tensor, "draws 1"]:
    """beta between 1 and 4: the root of a convex decreasing function, by Newton's method from below."""
    scaled = torch.cat([torch.zeros_like(form[:, :1]), 2 * form], -1)
    beta = torch.ones_like(form[:, :1])
    for _ in range(8):  # the uniform law, farthest from the start, has converged after seven
        inverse = 1 / (beta + scaled)
        beta = beta + (inverse.sum(-1, keepdim=True) - 1) / inverse.square().sum(-1, keepdim=True)
    return beta


def draw_quat_wxyz(
    form: Float64[Tensor, "draws 3"], generator: torch.Generator | None = None
) -> Float64[Tensor, "draws 4"]:
    """One unit quaternion (w, x, y, z) for each row (a, b, c) >= 0.

    Example:
        >>> draw_quat_wxyz(torch.full((5, 3), 1e8).double())[:, 0].abs().round()
        tensor([1., 1., 1., 1., 1.], dtype=torch.float64)
    """
    beta = _envelope(form)
    scale = torch.cat([torch.ones_like(beta), (1 + 2 * form / beta).rsqrt()], -1)
    # Log of the largest ratio of the two densities, at t = (4 - beta) / 2.
    bound = (2 * (4 / beta).log() - (4 - beta) / 2)[:, 0]
    quat = torch.empty(len(form), 4, dtype=form.dtype, device=form.device)
    pending = torch.arange(len(form), device=form.device)
    while len(pending):
        normal = torch.randn(len(pending), 4, generator=generator, dtype=form.dtype, device=form.device)
        drawn = torch.nn.functional.normalize(normal * scale[pending], dim=-1)
        level = (form[pending] * drawn[:, 1:].square()).sum(-1)
        log_ratio = 2 * torch.log1p(2 * level / beta[pending, 0]) - level - bound[pending]
        chance = torch.rand(len(pending), generator=generator, dtype=form.dtype, device=form.device)
        kept = chance.log() < log_ratio
        quat[pending[kept]] = drawn[kept]
        pending = pending[~kept]
    return quat
