"""How coefficients are packed into one flat axis.

Sphere: ``[(l, m) for l in range(lmax + 1) for m in range(-l, l + 1)]``, so (l, m) stands at ``l * l + l + m``.
SO(3): ``[(l, m, n) for l in range(lmax + 1) for m in range(-l, l + 1) for n in range(-l, l + 1)]``.
``lmax`` is inclusive everywhere (docs/conventions.md).
"""

from collections.abc import Callable

from torch import Tensor


def s2_size(lmax: int) -> int:
    """Number of coefficients on the sphere, ``(lmax + 1)**2``.

    Example:
        >>> s2_size(6)
        49
    """
    return (lmax + 1) ** 2


def so3_size(lmax: int) -> int:
    """Number of coefficients on SO(3), ``sum((2 * l + 1)**2 for l in range(lmax + 1))``.

    Example:
        >>> so3_size(6)
        455
    """
    return (lmax + 1) * (2 * lmax + 1) * (2 * lmax + 3) // 3


def s2_lmax(size: int) -> int:
    """Largest degree of a flat sphere axis; raises ValueError when no ``lmax`` has that size.

    Example:
        >>> s2_lmax(49)
        6
    """
    lmax = max(round(size**0.5) - 1, 0)
    if s2_size(lmax) != size:
        raise ValueError(
            f"expected (lmax + 1)**2 coefficients on the last axis, got {size}; "
            f"nearest is lmax {lmax} with {s2_size(lmax)}"
        )
    return lmax


def so3_lmax(size: int) -> int:
    """Largest degree of a flat SO(3) axis; raises ValueError when no ``lmax`` has that size.

    Example:
        >>> so3_lmax(455)
        6
    """
    lmax = max(round((0.75 * size) ** (1 / 3) - 1), 0)
    if so3_size(lmax) != size:
        lmax = min((max(lmax - 1, 0), lmax, lmax + 1), key=lambda l: abs(so3_size(l) - size))
        raise ValueError(
            f"expected the sum of (2 l + 1)**2 over l <= lmax coefficients on the last axis, got {size}; "
            f"nearest is lmax {lmax} with {so3_size(lmax)}"
        )
    return lmax


def require_lmax(size: int, lmax: int, lmax_of_size: Callable[[int], int]) -> None:
    """Raise ValueError when a flat axis is not of degree ``lmax``; ``lmax_of_size`` is ``s2_lmax`` or ``so3_lmax``."""
    if lmax_of_size(size) != lmax:
        raise ValueError(
            f"expected coefficients of lmax {lmax}, got {size}, those of lmax {lmax_of_size(size)}; "
            "pad with zeros, cut off the higher degrees, or make a transform of that lmax"
        )


def require_finite(*coeffs: Tensor) -> None:
    """Raise ValueError when a coefficient is infinite or NaN: no search could tell where its function is largest."""
    if not all(bool(part.isfinite().all()) for part in coeffs):
        raise ValueError("expected finite coefficients, got inf or NaN; leave those functions out")


def s2_slice(degree: int) -> slice:
    """Where degree l stands on the flat sphere axis."""
    return slice(degree**2, (degree + 1) ** 2)


def so3_slice(degree: int) -> slice:
    """Where degree l stands on the flat SO(3) axis."""
    return slice(so3_size(degree - 1), so3_size(degree))


def split_degrees(flat: Tensor) -> list[Tensor]:
    """Matrices (*batch, 2l+1, 2l+1), one for each degree, as views of a flat SO(3) axis (*batch, modes)."""
    return [
        flat[..., so3_slice(degree)].unflatten(-1, (2 * degree + 1, 2 * degree + 1))
        for degree in range(so3_lmax(flat.shape[-1]) + 1)
    ]
