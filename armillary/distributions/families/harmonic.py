"""The band-limited log-density: the distribution Image2Sphere predicts."""

from dataclasses import replace
from functools import cached_property
from typing import ClassVar, Protocol, runtime_checkable

import torch
from jaxtyping import Float, Int
from torch import Tensor

from armillary.distributions.base import Modes
from armillary.distributions.families.clouded import CloudedDistribution
from armillary.distributions.integration.adaptive_grid import AdaptiveGrid
from armillary.distributions.integration.cloud import Cloud
from armillary.harmonics.layout import so3_lmax
from armillary.harmonics.peaks import find_peaks
from armillary.harmonics.rotate import rotate_so3
from armillary.harmonics.wigner import evaluate_so3

MANY_NODES = 4_000  # clouds of fewer are made finer for samples and level sets


@runtime_checkable
class Normaliser(Protocol):
    """Anything that integrates exp f over Haar probability: ``AdaptiveGrid`` (exact) or ``TurnedGrid`` (training)."""

    exact: ClassVar[bool]

    def log_integral(
        self, coeffs: Float[Tensor, "*batch modes"], near: Float[Tensor, "*batch 3 3"] | None = None
    ) -> Float[Tensor, "*batch"]:
        """Log integral of exp f; an inexact rule looks closer ``near`` the given rotations."""
        ...


class HarmonicDistribution(CloudedDistribution):
    r"""Density :math:`p(R)=\exp(f(R))/Z`, f a band-limited function on SO(3).

    .. math:: f(R)=\sum_{l\le l_{max}}\sqrt{2l+1}\sum_{mn}c^l_{mn}D^l_{mn}(R), \qquad Z=\int e^{f(R)}\,dR

    The log-density is band-limited, the density is not: it can be arbitrarily sharp. ``log_prob`` is exact at any
    rotation; everything else is a sum over the few nodes that carry the mass, found by the normaliser's own bounds.

    Args:
        coeffs: SO(3) coefficients, ``so3_size(lmax)`` of them. All zero is the uniform distribution.
        normaliser: How ``log_prob`` finds Z.

    Reference: Image to Sphere (Klee et al., 2023), https://arxiv.org/abs/2302.13926, for the parameterisation.

    Example:
        >>> HarmonicDistribution(torch.zeros(455)).log_prob(torch.eye(3)).abs() < 1e-5
        tensor(True)
    """

    def __init__(self, coeffs: Float[Tensor, "*batch modes"], normaliser: Normaliser | None = None) -> None:
        self.lmax = so3_lmax(coeffs.shape[-1])
        self.coeffs = coeffs
        self.normaliser = normaliser or AdaptiveGrid()
        super().__init__(coeffs.shape[:-1])

    @cached_property
    def log_normaliser(self) -> Float[Tensor, "*batch"]:
        """log Z."""
        return self._log_normaliser.to(self.coeffs.dtype)

    @cached_property
    def _log_normaliser(self) -> Float[Tensor, "*batch"]:
        # In float64 where exact.
        if self.normaliser.exact and not self.coeffs.requires_grad:
            return self._exact_log_normaliser
        return self.normaliser.log_integral(self.coeffs)

    def log_prob(self, value: Float[Tensor, "*shape 3 3"]) -> Float[Tensor, "*out"]:
        """Log density for Haar probability, differentiable in rotation and coefficients; exact unless in training."""
        if self.normaliser.exact:
            # A sharp density is a small difference of large numbers: float32 would lose it.
            height = evaluate_so3(self.coeffs.double(), value.double())
            return (height - self._log_normaliser).to(torch.promote_types(self.coeffs.dtype, value.dtype))
        height = evaluate_so3(self.coeffs, value)
        if value.shape[:-2] != self.batch_shape:
            return height - self.log_normaliser
        return height - self.normaliser.log_integral(self.coeffs, near=value.detach())

    def _dtype(self) -> torch.dtype:
        return self.coeffs.dtype

    def _find_clouds(self) -> tuple[Cloud, ...]:
        grid = self.normaliser if isinstance(self.normaliser, AdaptiveGrid) else AdaptiveGrid()
        return tuple(grid.clouds(self._flat))

    def _find_fine_clouds(self) -> tuple[Cloud, ...]:
        count = torch.zeros(len(self._flat), dtype=torch.long, device=self._flat.device)
        for cloud in self._clouds:
            count.index_add_(0, cloud.rows[cloud.owner], torch.ones_like(cloud.owner))
        return (
            *self._clouds_of((count <= MANY_NODES).nonzero()[:, 0], AdaptiveGrid(oversampling=3)),
            *self._clouds_of((count > MANY_NODES).nonzero()[:, 0], AdaptiveGrid()),
        )

    def _clouds_of(self, rows: Int[Tensor, " densities"], grid: AdaptiveGrid) -> tuple[Cloud, ...]:
        clouds = grid.clouds(self._flat[rows])
        return tuple(replace(cloud, rows=rows[cloud.rows]) for cloud in clouds)

    @property
    def _flat(self) -> Float[Tensor, "densities modes"]:
        return self.coeffs.detach().reshape(-1, self.coeffs.shape[-1])

    def sample(
        self, sample_shape: torch.Size | tuple[int, ...] = (), *, generator: torch.Generator | None = None
    ) -> Float[Tensor, "*shape 3 3"]:
        """Independent draws, by rejection (`Cloud.draw`)."""
        count = torch.Size(sample_shape).numel()

        def draw(cloud: Cloud) -> Tensor:
            coeffs = self._flat[cloud.rows].to(cloud.height)
            return cloud.draw(lambda rows, rotation: evaluate_so3(coeffs[rows], rotation), count, generator)

        draws = self._gather(draw, fine=True)
        return draws.movedim(-3, 0).reshape(*sample_shape, *self.batch_shape, 3, 3)

    def modes(self, k: int) -> Modes:
        """The k highest distinct peaks, each refined by Newton steps to rounding, with the mass around it.

        The mass of a peak is the probability within a quarter wavelength, pi / (2 lmax), and nearer to it than to the
        other peaks.
        """
        rotation, height = find_peaks(self._flat, k)
        present = height.isfinite()
        radius = torch.pi / (2 * max(self.lmax, 1))
        mass = self._gather(lambda cloud: cloud.nearest_mass(rotation[cloud.rows], radius))
        # In float64: a small difference of large numbers. Equal peaks may differ by rounding, but not rise.
        height = evaluate_so3(self._flat.double()[:, None], rotation.double()).cummin(-1).values
        height = height.reshape(*self.batch_shape, k)
        log_prob = (height - self._exact_log_normaliser[..., None]).to(self.coeffs.dtype)
        present = present.reshape(mass.shape)
        log_prob, mass = torch.where(present, log_prob, -torch.inf), torch.where(present, mass, 0.0)
        return Modes(rotation.reshape(*self.batch_shape, k, 3, 3), log_prob, mass)

    @property
    def mode(self) -> Float[Tensor, "*batch 3 3"]:
        """The most probable rotation; needs no normaliser."""
        return find_peaks(self.coeffs.detach(), 1)[0][..., 0, :, :]

    @cached_property
    def _exact_log_normaliser(self) -> Float[Tensor, "*batch"]:
        grid = self.normaliser if isinstance(self.normaliser, AdaptiveGrid) else AdaptiveGrid()
        return grid.integrate(self._flat)[0].reshape(self.batch_shape)

    def rotate(self, rotation: Float[Tensor, "*shape 3 3"]) -> "HarmonicDistribution":
        """The law of ``rotation @ X``: exact, the coefficients turn."""
        return HarmonicDistribution(rotate_so3(self.coeffs, rotation), self.normaliser)

    def expand(self, batch_shape: torch.Size | tuple[int, ...]) -> "HarmonicDistribution":  # type: ignore[override]
        """The same densities with a larger batch shape."""
        return HarmonicDistribution(self.coeffs.expand(*batch_shape, -1), self.normaliser)
