r"""The density of the harmonic family that has given moments.

The family is not closed under convolution, but moments of a convolution are products. Among all densities with the
moments m up to lmax, the harmonic one has the largest entropy, and it is the member q of the family nearest to the
convolution p in KL(p || q). It is found by minimising the convex dual

.. math:: J(c)=\log Z(c)-\langle c,m\rangle,\qquad \nabla J=E_c[\sqrt{2l+1}D]-m,\qquad \nabla^2J=\mathrm{Cov}_c

by Newton's method. The covariance (Fisher information) is linear in the moments up to 2 lmax (``expected_products``).
It is nearly singular for sharp densities, which see only the first few powers of the distance from their peak; a
proximal term (Levenberg's) leaves what is not seen where it started.
"""

from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor

from armillary.distributions.calculus.resolving_grid import TOLERANCE, integrate, transform
from armillary.distributions.families.harmonic import HarmonicDistribution
from armillary.distributions.families.matrix_fisher import MatrixFisher
from armillary.harmonics.coupling import expected_products
from armillary.harmonics.layout import so3_lmax, split_degrees

STEPS = 100
LOWEST_ENTROPY = -30.0  # of a peak of 0.003 degrees; the dual of moments that no density has falls without end
CUT = 0.01  # lowest density taken seriously in the first guess, in units of the highest
DAMPING = 1e-3  # first proximal weight; the basis functions have a variance of at most 2 l + 1
LEAST_DAMPING = 1e-13


class _State(NamedTuple):
    """One iterate of several densities."""

    coeffs: Float[Tensor, "batch modes"]
    dual: Float[Tensor, " batch"]
    moments: Float[Tensor, "batch twice"]  # up to 2 lmax

    def where(self, chosen: Tensor, other: "_State") -> "_State":
        """This state for the chosen densities, the other one for the rest."""
        pairs = zip(self, other, strict=True)
        return _State(*(torch.where(chosen.reshape(-1, *[1] * (a.ndim - 1)), a, b) for a, b in pairs))


def match_moments(
    moments: Float[Tensor, "*batch modes"], *starts: Float[Tensor, "*batch modes"], tolerance: float = 1e-6
) -> HarmonicDistribution:
    r"""The harmonic density whose moments :math:`E[\sqrt{2l+1}D^l_{mn}]` are the given ones.

    Args:
        moments: The expectations, those of a density that is positive somewhere (degree 0 is 1 and not looked at).
        starts: Guesses of the log-coefficients, the nearer the faster. Of these and some made from the moments, each
            density starts from the best.
        tolerance: Largest error of any moment.

    Raises:
        ValueError: No density has these moments, or none was found in 100 steps.

    Example:
        >>> density = HarmonicDistribution(torch.tensor([0.0, 1.0, 0, 0, 0, 0.5, 0, 0, 0, 0.5]))
        >>> torch.dist(match_moments(density.moments(1)).coeffs, density.coeffs) < 1e-3
        tensor(True)
    """
    target = moments.reshape(-1, moments.shape[-1]).detach().double()
    if not bool(target.isfinite().all()):
        raise ValueError("expected finite moments, got NaN or infinity; check the densities they come from")
    _require_possible(target)
    guesses = [start.detach().reshape(target.shape).to(target) for start in starts]
    coeffs = _best([torch.zeros_like(target), _log_of_series(target), _one_peak(target), *guesses], target)
    return HarmonicDistribution(_minimise(coeffs, target, tolerance).to(moments.dtype).reshape(moments.shape))


def _require_possible(moments: Float[Tensor, "batch modes"]) -> None:
    """Raises ValueError unless every E[D^l] shortens all vectors, as a mean of rotations does."""
    for l, part in enumerate(split_degrees(moments)[1:], 1):
        longest = torch.linalg.matrix_norm(part, 2).amax() / (2 * l + 1) ** 0.5
        if not longest < 1:
            raise ValueError(
                f"expected the moments of a density, got E[D^{l}] of norm {longest:.4g}, which must be below 1; "
                "check their weights sqrt(2l+1)"
            )


def _log_of_series(moments: Float[Tensor, "batch modes"]) -> Float[Tensor, "batch modes"]:
    """Log-coefficients of the density's own series, which may be negative: cut off at a hundredth of its maximum."""
    lmax = so3_lmax(moments.shape[-1])
    grid = transform(lmax, 4 * lmax + 4, moments.dtype, moments.device)
    value = 1 + grid.synthesis(_without_constant(moments))
    return grid.analysis(torch.maximum(value, CUT * value.amax((1, 2, 3), keepdim=True)).log())


def _one_peak(moments: Float[Tensor, "batch modes"]) -> Float[Tensor, "batch modes"]:
    """Log-coefficients of the matrix Fisher density of the same expected matrix."""
    # Degree 1 is the matrix in the order (y, z, x).
    first = split_degrees(moments[:, :10])[-1][:, [2, 0, 1]][:, :, [2, 0, 1]] / 3**0.5
    coeffs = MatrixFisher.from_expectation(first).to_harmonic().coeffs
    return torch.nn.functional.pad(coeffs, (0, moments.shape[1] - coeffs.shape[1]))


def _best(starts: list[Float[Tensor, "batch modes"]], target: Float[Tensor, "batch modes"]) -> Tensor:
    """The start of lowest dual for each density, with 0 for degree 0."""
    best = _evaluate(_without_constant(starts[0]), target)
    for start in starts[1:]:
        other = _evaluate(_without_constant(start), target)
        best = other.where(other.dual < best.dual, best)
    return best.coeffs


def _without_constant(coeffs: Float[Tensor, "batch modes"]) -> Float[Tensor, "batch modes"]:
    return torch.cat([torch.zeros_like(coeffs[:, :1]), coeffs[:, 1:]], -1)


def _minimise(
    coeffs: Float[Tensor, "batch modes"], target: Float[Tensor, "batch modes"], tolerance: float
) -> Float[Tensor, "batch modes"]:
    """Damped Newton steps for all densities together; those that have arrived are left out."""
    result = coeffs.clone()
    active = torch.arange(len(coeffs), device=coeffs.device)
    state = _evaluate(coeffs, target)
    damping = torch.full_like(state.dual, DAMPING)
    for _ in range(STEPS):
        error = (state.moments[:, 1 : target.shape[1]] - target[active, 1:]).abs().amax(-1)
        result[active] = state.coeffs
        going = error > tolerance
        if not going.any():
            return result
        if bool((state.dual < LOWEST_ENTROPY).any()):
            break
        active, damping, state = active[going], damping[going], _State(*(part[going] for part in state))
        trial = _evaluate(state.coeffs - _step(state, target[active], damping), target[active])
        # Near the minimum a good step changes the dual by less than the error of the integral.
        better = trial.dual <= state.dual + 10 * TOLERANCE
        state = trial.where(better, state)
        damping = torch.where(better, damping / 10, damping * 10).clamp(min=LEAST_DAMPING)
    worst = float(error.max())
    raise ValueError(f"expected the moments of a density, got some that none matches to {worst:.2g}; lower lmax")


def _evaluate(coeffs: Float[Tensor, "batch modes"], target: Float[Tensor, "batch modes"]) -> _State:
    """The dual, and the moments up to twice the degree."""
    log_integral, moments = integrate(coeffs, 2 * so3_lmax(coeffs.shape[-1]))
    return _State(coeffs, log_integral - (coeffs * target).sum(-1), moments)


def _step(
    state: _State, target: Float[Tensor, "batch modes"], damping: Float[Tensor, " batch"]
) -> Float[Tensor, "batch modes"]:
    """(Cov + damping)^-1 gradient; degree 0 stays."""
    mean = state.moments[:, 1 : target.shape[1]]
    information = expected_products(state.moments)[:, 1:, 1:] - mean[:, :, None] * mean[:, None, :]
    information.diagonal(dim1=-2, dim2=-1).add_(damping[:, None])
    factor, failed = torch.linalg.cholesky_ex(information)
    step = torch.cholesky_solve((mean - target[:, 1:])[:, :, None], factor)[:, :, 0]
    # Rounding can make a nearly singular matrix indefinite: no step then, and more damping next.
    step = torch.where(failed[:, None] == 0, step, 0.0)
    return torch.nn.functional.pad(step, (1, 0))
