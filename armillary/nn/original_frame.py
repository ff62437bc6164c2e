r"""The frame in which the original Image2Sphere writes its coefficients, and the way out of it.

Its harmonics (e3nn's) have their pole on y: :math:`Y'(v)=Y(Pv)` with P: (x, y, z) -> (z, x, y). And its blocks hold the
picture's order second, so that they are the coefficients of :math:`R\mapsto f(R^\top)`.
"""

import torch
from jaxtyping import Float
from torch import Tensor, nn

from armillary.harmonics import so3_size, split_degrees, wigner_D

# P: what turns the y axis into the pole z.
Y_TO_POLE = ((0.0, 0.0, 1.0), (1.0, 0.0, 0.0), (0.0, 1.0, 0.0))


class OriginalFrame(nn.Module):
    r"""Coefficients of :math:`R\mapsto f((PRP^\top)^\top)`: degree by degree :math:`D(P)^\top c^\top D(P)`.

    Args:
        lmax: Largest degree, inclusive.

    Example:
        >>> OriginalFrame(1)(torch.arange(10.0))[1:4]       # e3nn's (x, y, z) is our (y, z, x), transposed
        tensor([5., 8., 2.])
    """

    turn: Tensor

    def __init__(self, lmax: int) -> None:
        super().__init__()
        turn = wigner_D(lmax, torch.tensor(Y_TO_POLE, dtype=torch.float64))
        assert len(turn) == so3_size(lmax)
        self.register_buffer("turn", turn.to(torch.get_default_dtype()), persistent=False)

    def forward(self, coeffs: Float[Tensor, "*batch modes"]) -> Float[Tensor, "*batch modes"]:
        """Coefficients for the label frame of the original."""
        pairs = zip(split_degrees(self.turn), split_degrees(coeffs), strict=True)
        return torch.cat([(turn.mT @ block.mT @ turn).flatten(-2) for turn, block in pairs], -1)
