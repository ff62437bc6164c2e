"""Which families are exactly band-limited log-densities, and what that gives: coefficients, moments, other frames."""

import torch
from jaxtyping import Float
from torch import Tensor

from armillary.distributions.base import SO3Distribution
from armillary.distributions.calculus.resolving_grid import integrate
from armillary.distributions.families.bingham import Bingham
from armillary.distributions.families.clouded import CloudedDistribution
from armillary.distributions.families.harmonic import HarmonicDistribution
from armillary.distributions.families.implicit import Energy, ImplicitDistribution
from armillary.distributions.families.matrix_fisher import MatrixFisher
from armillary.distributions.families.mixture import Mixture
from armillary.distributions.families.uniform import Uniform
from armillary.harmonics.layout import so3_lmax, so3_size, split_degrees
from armillary.harmonics.wigner import wigner_D

STARTS = 8  # peaks of a density that the cubature of a function of it is told of


def fisher_matrix(density: SO3Distribution) -> Float[Tensor, "*batch 3 3"] | None:
    """F of a density proportional to exp(tr F^T R); None for other families.

    Example:
        >>> fisher_matrix(MatrixFisher(torch.eye(3))).diagonal()
        tensor([1., 1., 1.])
    """
    if isinstance(density, Uniform):
        return torch.zeros_like(density.mean)
    return density.matrix if isinstance(density, MatrixFisher | Bingham) else None


def log_coefficients(density: SO3Distribution) -> Float[Tensor, "*batch modes"] | None:
    """Coefficients of the log-density up to a constant, exact; None for families whose log is not band-limited.

    Example:
        >>> log_coefficients(Uniform()).abs().amax()
        tensor(0.)
    """
    if isinstance(density, HarmonicDistribution):
        return density.coeffs
    matrix = fisher_matrix(density)
    return None if matrix is None else MatrixFisher(matrix).to_harmonic().coeffs


def pad_degrees(coeffs: Float[Tensor, "*batch modes"], lmax: int) -> Float[Tensor, "*batch padded"]:
    """The same function with coefficients up to lmax, zero where there were none; higher ones are left out.

    Example:
        >>> pad_degrees(torch.ones(1), 1)
        tensor([1., 0., 0., 0., 0., 0., 0., 0., 0., 0.])
    """
    return torch.nn.functional.pad(coeffs, (0, so3_size(lmax) - coeffs.shape[-1]))


def with_batch_shape(density: SO3Distribution, shape: torch.Size) -> SO3Distribution | None:
    """The same densities in another arrangement of as many; None for families that cannot say.

    Example:
        >>> with_batch_shape(Uniform((6,)), torch.Size((2, 3))).batch_shape
        torch.Size([2, 3])
    """
    if isinstance(density, Uniform):
        return Uniform(shape, dtype=density.mean.dtype, device=density.mean.device)
    if isinstance(density, HarmonicDistribution):
        return HarmonicDistribution(density.coeffs.reshape(*shape, -1), density.normaliser)
    matrix = fisher_matrix(density)
    return None if matrix is None else MatrixFisher(matrix.reshape(*shape, 3, 3))


def density_moments(density: SO3Distribution, lmax: int) -> Float[Tensor, "*batch modes"]:
    r"""Expectations of :math:`\sqrt{2l+1}\,D^l_{mn}` under a density of any family: its own coefficients.

    To 1e-6 or better for band-limited log-densities and mixtures of them, else to the accuracy of the family's nodes.
    Has no gradient.

    Example:
        >>> density_moments(Uniform(), 1).round(decimals=6).abs()
        tensor([1., 0., 0., 0., 0., 0., 0., 0., 0., 0.])
    """
    if isinstance(density, Mixture):
        each = torch.cat([density_moments(group, lmax) for group in density.groups], -2)
        return (density.weights.detach()[..., None] * each).sum(-2)
    coeffs = log_coefficients(density)
    if coeffs is not None:
        flat = coeffs.detach().double().reshape(-1, coeffs.shape[-1])
        return integrate(flat, lmax).moments.to(coeffs.dtype).reshape(*density.batch_shape, -1)
    clouded = density if isinstance(density, CloudedDistribution) else implicit(density.log_prob, density)
    return clouded.moments(lmax)


def implicit(energy: Energy, *near: SO3Distribution) -> ImplicitDistribution:
    """The density of an energy whose peaks are near those of given densities, of their broadcast batch shape."""
    shape = torch.broadcast_shapes(*(density.batch_shape for density in near))
    starts = torch.cat([density.modes(STARTS).rotation.expand(*shape, STARTS, 3, 3) for density in near], -3)
    return ImplicitDistribution(energy, shape, starts, dtype=starts.dtype, device=starts.device)


def as_mixture(density: SO3Distribution) -> Mixture | None:
    """A density as a mixture of one, a mixture as itself; None for families that ``with_batch_shape`` does not know."""
    if isinstance(density, Mixture):
        return density
    group, coeffs = with_batch_shape(density, torch.Size((*density.batch_shape, 1))), log_coefficients(density)
    return None if group is None or coeffs is None else Mixture(coeffs.new_ones(*density.batch_shape, 1), group)


def weighted_groups(mixture: Mixture) -> list[tuple[Tensor, SO3Distribution]]:
    """The groups of a mixture, each with its weights."""
    counts = [group.batch_shape[-1] for group in mixture.groups]
    return list(zip(mixture.weights.split(counts, -1), mixture.groups, strict=True))


def turn_object(density: SO3Distribution, rotation: Float[Tensor, "*shape 3 3"]) -> SO3Distribution:
    r"""The law of ``X @ rotation``: the object is turned in its own frame (``rotate`` turns the camera's).

    Exact, in the family of the density where that is a matrix Fisher, a Bingham (a matrix Fisher then), harmonic,
    uniform or a mixture of these; otherwise an `ImplicitDistribution`.

    Args:
        density: Of X.
        rotation: Leading axes broadcast against the batch shape.

    Example:
        >>> turned = turn_object(MatrixFisher(9 * torch.eye(3)), torch.diag(torch.tensor([1.0, -1.0, -1.0])))
        >>> turned.mode.diagonal()
        tensor([ 1., -1., -1.])
    """
    shape = torch.broadcast_shapes(rotation.shape[:-2], density.batch_shape)
    if isinstance(density, Uniform):
        return density.expand(shape)
    if isinstance(density, Mixture):
        groups = [turn_object(group, rotation[..., None, :, :]) for group in density.groups]
        return Mixture(density.weights.expand(*shape, -1), *groups, tree=density.tree)
    if isinstance(density, HarmonicDistribution):
        right = split_degrees(wigner_D(density.lmax, rotation.to(density.coeffs)))
        parts = zip(split_degrees(density.coeffs), right, strict=True)
        return HarmonicDistribution(torch.cat([(part @ D).flatten(-2) for part, D in parts], -1), density.normaliser)
    matrix = fisher_matrix(density)
    if matrix is not None:
        return MatrixFisher(matrix @ rotation.to(matrix))
    wide = density.expand(shape)
    return implicit(lambda value: wide.log_prob(value @ rotation.mT.to(value)), wide)


def common_lmax(*coeffs: Float[Tensor, "..."]) -> int:
    """The largest degree of several sets of coefficients.

    Example:
        >>> common_lmax(torch.zeros(1), torch.zeros(3, 35))
        2
    """
    return max(so3_lmax(part.shape[-1]) for part in coeffs)
