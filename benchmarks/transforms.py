"""Transforms there and back, against dense matrices and the libraries that happen to be installed.

Both sides go from coefficients to values on the smallest Gauss-Legendre grid and back. Errors are the largest error of
a coefficient of unit variance after the round trip. Of other libraries torch_harmonics, ducc0 and pyshtools are tried.
"""

from collections.abc import Callable, Iterator
from importlib.util import find_spec

import numpy as np
import torch
from density import dense_basis
from duel import Conditions, compete, duel
from row import Row
from torch import Tensor

from armillary.harmonics import S2Transform, SO3Transform, s2_size, so3_size, spherical_harmonics

RoundTrip = Callable[[], Tensor | np.ndarray]


def rows(conditions: Conditions) -> Iterator[Row]:
    """SO(3), then the sphere."""
    yield from _so3_rows(conditions)
    yield from _s2_rows(conditions)


def _dense(basis: Tensor, weights: Tensor, coeffs: Tensor) -> tuple[RoundTrip, Tensor]:
    """Round trip by a matrix (nodes, modes) and its weighted transpose, both built before, and where it starts."""
    back = weights[:, None] * basis
    return lambda: (coeffs @ basis.T) @ back, coeffs


def _so3_rows(conditions: Conditions) -> Iterator[Row]:
    for lmax, batch in conditions.size(((6, 64), (10, 16)), ((2, 2),)):
        transform = SO3Transform(lmax).to(conditions.device)
        coeffs = torch.randn(batch, so3_size(lmax), generator=torch.Generator().manual_seed(0)).to(conditions.device)
        nodes = transform.points.reshape(-1, 3, 3).float()
        basis = dense_basis(lmax, nodes)
        weights = transform.quadrature.reshape(-1)
        yield _row(f"SO(3) transform, lmax {lmax}, batch {batch}", "dense matrices", transform, coeffs, conditions)(
            *_dense(basis.to(coeffs), weights.to(coeffs), coeffs)
        )


def _s2_rows(conditions: Conditions) -> Iterator[Row]:
    for lmax, batch in conditions.size(((31, 64), (63, 16), (127, 4)), ((3, 2),)):
        transform = S2Transform(lmax).to(conditions.device)
        coeffs = torch.randn(batch, s2_size(lmax), generator=torch.Generator().manual_seed(0)).to(conditions.device)
        name = f"S2 transform, lmax {lmax}, batch {batch}"
        if lmax < 64:
            basis = spherical_harmonics(lmax, transform.points.reshape(-1, 3).float()).to(coeffs)
            weights = (transform.polar_weights / transform.azimuths).repeat_interleave(transform.azimuths)
            yield _row(name, "dense matrices", transform, coeffs, conditions)(*_dense(basis, weights, coeffs))
        for library, make in OTHERS.items():
            if find_spec(library) is None:
                print(f"{name} / {library}: not installed, left out", flush=True)
            else:
                yield _row(name, library, transform, coeffs, conditions)(*make(lmax, batch, conditions))


def _row(
    name: str, library: str, transform: S2Transform | SO3Transform, coeffs: Tensor, conditions: Conditions
) -> Callable[[RoundTrip, Tensor | np.ndarray], Row]:
    """A duel of our round trip with one that is given, with the coefficients where that starts."""

    def ours() -> Tensor:
        return transform.analysis(transform.synthesis(coeffs))

    def compare(theirs: RoundTrip, start: Tensor | np.ndarray) -> Row:
        errors = {"error": float(abs(ours() - coeffs).max()), "their_error": float(abs(theirs() - start).max())}
        return duel(f"{name} / {library}", ours, theirs, conditions, **errors, unit="coeff.")

    return compare


def _torch_harmonics(lmax: int, batch: int, conditions: Conditions) -> tuple[RoundTrip, Tensor | np.ndarray]:
    import torch_harmonics

    shape = {"nlat": lmax + 1, "nlon": 2 * lmax + 2, "lmax": lmax + 1, "mmax": lmax + 1, "grid": "legendre-gauss"}
    forward = torch_harmonics.RealSHT(**shape).to(conditions.device)
    inverse = torch_harmonics.InverseRealSHT(**shape).to(conditions.device)
    coeffs = forward(torch.randn(batch, lmax + 1, 2 * lmax + 2, device=conditions.device))
    return lambda: forward(inverse(coeffs)), coeffs


def _ducc0(lmax: int, batch: int, conditions: Conditions) -> tuple[RoundTrip, Tensor | np.ndarray]:
    """In float64 on the processor, one function after the other: its interface has no batch."""
    from ducc0 import sht

    size = (lmax + 1) * (lmax + 2) // 2
    random = np.random.default_rng(0)
    coeffs = random.standard_normal((batch, 1, size)) + 1j * random.standard_normal((batch, 1, size))
    coeffs[..., : lmax + 1] = coeffs[..., : lmax + 1].real
    grid = {"spin": 0, "lmax": lmax, "mmax": lmax, "geometry": "GL", "nthreads": conditions.threads}

    def one(part: np.ndarray) -> np.ndarray:
        return sht.analysis_2d(map=sht.synthesis_2d(alm=part, ntheta=lmax + 1, nphi=2 * lmax + 1, **grid), **grid)

    return lambda: np.stack([one(part) for part in coeffs]), coeffs


def _pyshtools(lmax: int, batch: int, conditions: Conditions) -> tuple[RoundTrip, Tensor | np.ndarray]:
    """In float64 on the processor, one function after the other: its interface has no batch."""
    from pyshtools.expand import SHGLQ, MakeGridGLQ, SHExpandGLQ

    zeros, weights = SHGLQ(lmax)
    random = np.random.default_rng(0)
    coeffs = random.standard_normal((batch, 2, lmax + 1, lmax + 1)) * np.tril(np.ones((lmax + 1, lmax + 1)))
    coeffs[:, 1, :, 0] = 0  # there is no sine of order 0

    def one(part: np.ndarray) -> np.ndarray:
        return SHExpandGLQ(MakeGridGLQ(part, zeros, lmax=lmax), weights, zeros)

    return lambda: np.stack([one(part) for part in coeffs]), coeffs


OTHERS = {"torch_harmonics": _torch_harmonics, "ducc0": _ducc0, "pyshtools": _pyshtools}


if __name__ == "__main__":
    compete(__doc__, rows)
