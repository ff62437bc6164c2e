"""Fusion of independent evidence: normalised products of densities."""

from collections.abc import Sequence
from itertools import product as pairs

import torch

from armillary.distributions.base import SO3Distribution
from armillary.distributions.calculus.log_coefficients import (
    as_mixture,
    common_lmax,
    fisher_matrix,
    implicit,
    log_coefficients,
    pad_degrees,
    weighted_groups,
    with_batch_shape,
)
from armillary.distributions.families.harmonic import HarmonicDistribution
from armillary.distributions.families.matrix_fisher import MatrixFisher
from armillary.distributions.families.mixture import Mixture
from armillary.distributions.families.uniform import Uniform


def product(*densities: SO3Distribution, powers: Sequence[float | int] | None = None) -> SO3Distribution:
    r"""The density proportional to :math:`\prod_i p_i(R)^{a_i}`; batch shapes broadcast.

    What several independent views say of one rotation, a prior counted once, is the product of their densities. A power
    below 1 tempers a density (correlated evidence); powers that add up to 1 make the geometric mean.

    Exact. The result is

    - a ``MatrixFisher`` of the summed matrices for matrix Fishers, Binghams and uniforms,
    - harmonic, of the summed log-coefficients, where a ``HarmonicDistribution`` is among these,
    - a ``Mixture`` of all products of components, each weighed by its evidence :math:`w_iv_j\int p_iq_j`, for
      mixtures of the above,
    - else an ``ImplicitDistribution`` of the summed log densities (mixtures with powers too).

    Args:
        densities: At least one.
        powers: Nonnegative exponents a; ones when None.

    Example:
        >>> view = MatrixFisher(10 * torch.eye(3))
        >>> product(view, view, Uniform()).parameter.diagonal()
        tensor([20., 20., 20.])
    """
    exponents = [1.0] * len(densities) if powers is None else [float(power) for power in powers]
    if not densities or len(exponents) != len(densities) or not all(power >= 0 for power in exponents):
        raise ValueError(
            f"expected at least one density and as many powers of at least 0, got {len(densities)} and {exponents}"
        )
    if powers is None and any(isinstance(density, Mixture) for density in densities):
        result = densities[0]
        for density in densities[1:]:
            result = _of_components(result, density)
        return result
    return _of_logs(list(densities), exponents)


def _of_logs(densities: list[SO3Distribution], powers: list[float]) -> SO3Distribution:
    """The product by sums of logs, in the smallest family that holds it."""
    matrices = [fisher_matrix(density) for density in densities]
    if all(isinstance(density, Uniform) for density in densities):
        return densities[0].expand(torch.broadcast_shapes(*(density.batch_shape for density in densities)))
    if all(matrix is not None for matrix in matrices):
        return MatrixFisher(sum(power * matrix for power, matrix in zip(powers, matrices, strict=True)))  # type: ignore[operator]
    coeffs = [part for part in map(log_coefficients, densities) if part is not None]
    if len(coeffs) == len(densities):
        lmax = common_lmax(*coeffs)
        total = sum(power * pad_degrees(part, lmax) for power, part in zip(powers, coeffs, strict=True))
        normalisers = [density.normaliser for density in densities if isinstance(density, HarmonicDistribution)]
        return HarmonicDistribution(total, normalisers[0])  # type: ignore[arg-type]
    shape = torch.broadcast_shapes(*(density.batch_shape for density in densities))
    wide = [density.expand(shape) for density in densities]
    exponents = list(zip(powers, wide, strict=True))
    return implicit(lambda R: torch.stack([power * one.log_prob(R) for power, one in exponents]).sum(0), *wide)


def _of_components(first: SO3Distribution, second: SO3Distribution) -> SO3Distribution:
    """The product of two mixtures (a lone density is a mixture of one): all pairs of components."""
    shape = torch.broadcast_shapes(first.batch_shape, second.batch_shape)
    left, right = as_mixture(first.expand(shape)), as_mixture(second.expand(shape))
    if left is None or right is None:
        return _of_logs([first, second], [1.0, 1.0])
    weights, groups = [], []
    for (w, a), (v, b) in pairs(weighted_groups(left), weighted_groups(right)):
        count, other = w.shape[-1], v.shape[-1]
        one = with_batch_shape(a, torch.Size((*shape, count, 1)))
        two = with_batch_shape(b, torch.Size((*shape, 1, other)))
        if one is None or two is None:
            return _of_logs([first, second], [1.0, 1.0])
        both = _of_logs([one, two], [1.0, 1.0])
        # p q / r is the same at every rotation.
        at = torch.eye(3).to(w).expand(*both.batch_shape, 3, 3)
        evidence = one.log_prob(at) + two.log_prob(at) - both.log_prob(at)
        weights.append((w.log()[..., :, None] + v.log()[..., None, :] + evidence).flatten(-2))
        groups.append(with_batch_shape(both, torch.Size((*shape, count * other))))
    logs = torch.cat(weights, -1)
    return Mixture((logs - logs.detach().amax(-1, keepdim=True)).clamp(min=-80).exp(), *groups, tree=left.tree)
