"""Pointwise activations of functions given by coefficients: to a grid, through the function, back.

An activation creates degrees above lmax. On a finite grid those fold back into the kept ones, differently for each
orientation of the grid, so the layers are equivariant only up to that error. Measured relative to the output's norm,
coefficients of unit variance, nearly the same for lmax 3 to 10 (tests/nn/test_activation.py):

    =============  ======  ======  ======  ======  ======
    oversampling   1       1.5     2       3       4
    =============  ======  ======  ======  ======  ======
    SO(3), ReLU    0.25    0.039   0.017   0.005   0.002
    SO(3), SiLU    0.24    0.011   0.002   1e-4    2e-5
    S2, ReLU       0.27    0.052   0.027   0.009   0.004
    S2, SiLU       0.27    0.016   0.003   2e-4    2e-5
    =============  ======  ======  ======  ======  ======
"""

import math
from collections.abc import Callable
from functools import cache

import torch
from jaxtyping import Float
from torch import Tensor, nn

from armillary.harmonics import S2Transform, SO3Transform, s2_size, so3_size

PointwiseFunction = Callable[[Tensor], Tensor]

# Larger tensors are new pages of memory each time, which takes longer than the arithmetic.
VALUES_AT_ONCE = 2**21


@cache
def second_moment_gain(function: PointwiseFunction) -> float:
    """1 / sqrt(E[f(z)^2]) for a standard normal z: keeps the second moment through the function.

    Example:
        >>> round(second_moment_gain(torch.relu), 6)
        1.414214
    """
    z = torch.linspace(-12, 12, 24001, dtype=torch.float64)
    density = torch.exp(-z.square() / 2) / math.sqrt(2 * math.pi)
    return float((function(z).square() * density).sum() * (z[1] - z[0])) ** -0.5


def _through_grid(transform: SO3Transform | S2Transform, function: PointwiseFunction, coeffs: Tensor) -> Tensor:
    """Coefficients of the function's values; on a processor some functions at a time."""
    count = math.prod(coeffs.shape[:-1])
    at_once = max(1, VALUES_AT_ONCE // math.prod(transform.shape))
    if coeffs.device.type != "cpu" or count <= at_once or torch.compiler.is_compiling():
        return transform.analysis(function(transform.synthesis(coeffs)))
    parts = coeffs.reshape(count, -1).split(at_once)
    return torch.cat([transform.analysis(function(transform.synthesis(part))) for part in parts]).view(coeffs.shape)


class SO3Activation(nn.Module):
    """Activation of functions on SO(3); every leading axis is batched.

    Args:
        lmax: Largest degree, inclusive.
        oversampling: Grid points per axis relative to the fewest that represent degree ``lmax``.
        function: Applied to values of unit second moment.
        transform: The grid itself, instead of an oversampling.

    Example:
        >>> SO3Activation(2)(torch.rand(5, 4, 35)).shape
        torch.Size([5, 4, 35])
    """

    def __init__(
        self,
        lmax: int,
        oversampling: float = 1.5,
        function: PointwiseFunction = torch.relu,
        transform: SO3Transform | None = None,
    ) -> None:
        super().__init__()
        self.transform = transform or SO3Transform(lmax, *grid_size(lmax, oversampling))
        # Coefficients of unit variance make values whose variance is their number.
        self.function, self.scale, self.gain = function, math.sqrt(so3_size(lmax)), second_moment_gain(function)

    def forward(self, coeffs: Float[Tensor, "*batch modes"]) -> Float[Tensor, "*batch modes"]:
        """Coefficients of the function's values."""
        return _through_grid(self.transform, self.function, coeffs / self.scale) * (self.scale * self.gain)


class S2Activation(nn.Module):
    """Activation of functions on the sphere; arguments as `SO3Activation`.

    Example:
        >>> S2Activation(2)(torch.rand(5, 4, 9)).shape
        torch.Size([5, 4, 9])
    """

    def __init__(
        self,
        lmax: int,
        oversampling: float = 1.5,
        function: PointwiseFunction = torch.relu,
        transform: S2Transform | None = None,
    ) -> None:
        super().__init__()
        self.transform = transform or S2Transform(lmax, *grid_size(lmax, oversampling))
        self.function, self.scale, self.gain = function, math.sqrt(s2_size(lmax)), second_moment_gain(function)

    def forward(self, coeffs: Float[Tensor, "*batch coeffs"]) -> Float[Tensor, "*batch coeffs"]:
        """Coefficients of the function's values."""
        return _through_grid(self.transform, self.function, coeffs / self.scale) * (self.scale * self.gain)


def grid_size(lmax: int, oversampling: float) -> tuple[int, int]:
    """Polar angles and azimuths of a Gauss-Legendre grid, ``oversampling`` times the fewest for degree ``lmax``.

    The azimuths are a multiple of 4, so quarter turns about z pass through an activation exactly.

    Example:
        >>> grid_size(6, 1.5)
        (11, 20)
    """
    if not oversampling >= 1:
        raise ValueError(f"expected an oversampling of at least 1, got {oversampling}; use 1.5")
    return math.ceil((lmax + 1) * oversampling), 4 * math.ceil((2 * lmax + 1) * oversampling / 4)
