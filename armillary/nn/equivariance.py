"""How far a layer of functions on the sphere is from equivariant: the input is turned exactly, by Wigner D."""

from collections.abc import Callable

from jaxtyping import Float
from torch import Tensor

from armillary.harmonics import S2Transform, rotate_s2

Layer = Callable[[Tensor], Tensor]


def relative_error(
    found: Float[Tensor, "*batch coeffs"], expected: Float[Tensor, "*batch coeffs"]
) -> Float[Tensor, ""]:
    """Norm of the difference, relative to what was expected without its means, which no rotation moves.

    Example:
        >>> relative_error(torch.tensor([9.0, 3.0, 0.0, 4.0]), torch.tensor([9.0, 3.0, 0.0, 3.0])).round(decimals=4)
        tensor(0.2357)
    """
    return (found - expected).norm() / expected[..., 1:].norm()


def equivariance_error(
    layer: Layer, coeffs: Float[Tensor, "batch channels coeffs"], rotation: Float[Tensor, "batch 3 3"]
) -> Float[Tensor, ""]:
    r""":math:`\lVert L(Df) - D L(f)\rVert / \lVert L(f) - \overline{L(f)}\rVert` .

    D turns each function of the batch by its own rotation; norms are over the batch. The means of the output are left
    out of the norm, as large ones would hide the error.

    Args:
        layer: From coefficients to coefficients of degree 1 at least; the degrees may differ.

    Example:
        >>> equivariance_error(lambda coeffs: 2 * coeffs, torch.rand(1, 2, 9), torch.eye(3)[None])
        tensor(0.)
    """
    return relative_error(layer(rotate_s2(coeffs, rotation[:, None])), rotate_s2(layer(coeffs), rotation[:, None]))


def invariance_error(
    layer: Layer, coeffs: Float[Tensor, "batch channels coeffs"], rotation: Float[Tensor, "batch 3 3"]
) -> Float[Tensor, ""]:
    r""":math:`\lVert L(Df) - L(f)\rVert / \lVert L(f)\rVert` over the batch.

    Example:
        >>> invariance_error(lambda coeffs: coeffs[..., 0], torch.rand(1, 2, 9), torch.eye(3)[None])
        tensor(0.)
    """
    expected = layer(coeffs)
    return (layer(rotate_s2(coeffs, rotation[:, None])) - expected).norm() / expected.norm()


def on_coefficients(layer: Layer, before: S2Transform, after: S2Transform) -> Layer:
    """A layer from values to values as one from coefficients to coefficients.

    Args:
        before: Of the grid the layer reads.
        after: Of the grid it writes.

    Example:
        >>> transform = S2Transform(2)
        >>> on_coefficients(torch.relu, transform, transform)(torch.rand(1, 2, 9)).shape
        torch.Size([1, 2, 9])
    """
    return lambda coeffs: after.analysis(layer(before.synthesis(coeffs)))
