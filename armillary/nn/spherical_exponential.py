r"""Three ways from n + 1 free numbers to a point of the sphere :math:`S^n`.

| kind | output o to point p | gradient of p for o |
|---|---|---|
| exp | :math:`|p_j| = e^{o_j} / \sqrt{\sum_k e^{2 o_k}}`, signs by a classifier | bounded, a function of p alone |
| flat | :math:`p = o / |o|` | :math:`(I - p p^T) / |o|`: grows without bound near 0, vanishes far from it |
| direct | o itself, divided by its length when read | the identity |

Source: Liao, Gavves and Snoek, Spherical Regression, CVPR 2019, https://arxiv.org/abs/1904.05404, Eq. 9; their program
writes the first as the square root of a softmax of 2 o, which is the same function.
"""

import math

import torch
from jaxtyping import Float
from torch import Tensor


def log_spherical_exponential(output: Float[Tensor, "*shape"], dim: int = -1) -> Float[Tensor, "*shape"]:
    r"""Logarithm of `spherical_exponential`: :math:`\log p_j = o_j - \tfrac12 \log \sum_k e^{2 o_k}`.

    Example:
        >>> log_spherical_exponential(torch.tensor([0.0, -300.0]))
        tensor([   0., -300.])
    """
    return torch.log_softmax(2 * output, dim) / 2


def spherical_exponential(output: Float[Tensor, "*shape"], dim: int = -1) -> Float[Tensor, "*shape"]:
    r"""Positive coordinates of a point of the sphere: :math:`p > 0`, :math:`|p| = 1`.

    .. math:: p_j = \frac{e^{o_j}}{\sqrt{\sum_k e^{2 o_k}}}, \qquad
        \frac{\partial p_j}{\partial o_i} = p_j (\delta_{ij} - p_i^2)

    Computed by its logarithm: at any gap between the outputs the gradient is finite and no coordinate becomes 0.

    Args:
        output: Any finite numbers.
        dim: The axis of the coordinates, 1 for maps with channels first.

    Example:
        >>> spherical_exponential(torch.tensor([0.3, -1.2, 2.0, 0.0]))
        tensor([0.1780, 0.0397, 0.9743, 0.1319])
    """
    # One part in a hundred above the smallest normal number: exponentials below it are 0, and slow.
    least = 0.99 * math.log(torch.finfo(output.dtype).tiny)
    return log_spherical_exponential(output, dim).clamp(min=least).exp()


def spherical_flat(output: Float[Tensor, "*shape"], dim: int = -1) -> Float[Tensor, "*shape"]:
    """The output divided by its length; the first axis where it is zero, with a gradient of zero.

    Example:
        >>> spherical_flat(torch.tensor([[3.0, -4.0], [3e-30, 4e-30], [0.0, 0.0]]))
        tensor([[ 0.6000, -0.8000],
                [ 0.6000,  0.8000],
                [ 1.0000,  0.0000]])
    """
    # Divided by the largest coordinate first: squares neither overflow nor vanish. The quotient does not depend on it.
    largest = output.detach().abs().amax(dim, keepdim=True)
    axis = torch.zeros_like(output)
    axis.select(dim, 0).fill_(1)
    scaled = torch.where(largest > 0, output / largest.clamp(min=torch.finfo(output.dtype).tiny), axis)
    return scaled / torch.linalg.vector_norm(scaled, dim=dim, keepdim=True)
