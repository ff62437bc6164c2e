r"""Densities on SO(3) that are a function of one quadratic form of the quaternion: Fisher, Bingham, Laplace.

A 3x3 matrix F has a proper singular value decomposition :math:`F=U\,\mathrm{diag}(s)\,V^\top` with rotations U, V and
:math:`s_1\ge s_2\ge|s_3|`. With the quaternion (w, x, y, z) of :math:`U^\top R\,V`,

.. math:: t(R)=\mathrm{tr}\,S-\mathrm{tr}\,F^\top R=a\,x^2+b\,y^2+c\,z^2,\qquad
    a=2(s_2+s_3)\le b=2(s_1+s_3)\le c=2(s_1+s_2),

is at least 0, and 0 at the mode :math:`U V^\top`. Everything asked of a density g(t) is a one-dimensional integral.
"""

from abc import abstractmethod
from functools import cached_property
from typing import NamedTuple, TypeVar

import torch
from jaxtyping import Float, Float64
from torch import Tensor

from armillary.distributions.base import CredibleRegion, Modes, SO3Distribution, ball_radius, require_mass
from armillary.distributions.families.quadratic_form.angular_gaussian import draw_quat_wxyz
from armillary.distributions.families.quadratic_form.level import TINY, integral_below, level_of_mass
from armillary.so3.rotation import quat_wxyz_to_matrix, require_rotations

Self = TypeVar("Self", bound="QuadraticDistribution")


class ProperSVD(NamedTuple):
    """``left @ diag(values) @ right.mT`` with rotations left and right; values descend, the last may be negative."""

    left: Float64[Tensor, "*batch 3 3"]
    values: Float64[Tensor, "*batch 3"]
    right: Float64[Tensor, "*batch 3 3"]

    @property
    def form(self) -> Float64[Tensor, "*batch 3"]:
        """The diagonal (a, b, c) of the quadratic form, at least 0."""
        first, second, third = self.values.unbind(-1)
        return 2 * torch.stack([second + third, first + third, first + second], -1).clamp(min=0)


def proper_svd(matrix: Float64[Tensor, "*batch 3 3"]) -> ProperSVD:
    """Singular value decomposition by two rotations; has no gradient.

    Example:
        >>> proper_svd(torch.diag(torch.tensor([1.0, -3.0, 2.0])).double()).values
        tensor([ 3.,  2., -1.], dtype=torch.float64)
    """
    left, values, right = torch.linalg.svd(matrix.detach())
    one = torch.ones_like(values[..., 0])
    flip_left, flip_right = (torch.stack([one, one, torch.linalg.det(side).sign()], -1) for side in (left, right))
    return ProperSVD(
        left * flip_left[..., None, :], values * flip_left * flip_right, right.mT * flip_right[..., None, :]
    )


class QuadraticDistribution(SO3Distribution):
    """Densities g(t) / Z with g decreasing: one peak, whose level sets are ellipsoids in the quaternion.

    A family says what g is, how its mean over uniform rotations is found and which mixture of Bingham laws it is.
    """

    def __init__(self, matrix: Float[Tensor, "..."]) -> None:
        if matrix.ndim < 2 or matrix.shape[-2:] != (3, 3):
            raise ValueError(
                f"expected matrices of shape (..., 3, 3), got {tuple(matrix.shape)}; reshape the parameter"
            )
        if not matrix.isfinite().all():
            raise ValueError(
                "expected finite matrices, got NaN or infinity; look for a diverged model or a division by 0"
            )
        self.matrix = matrix
        super().__init__(matrix.shape[:-2])

    @abstractmethod
    def _log_profile(self, level: Float64[Tensor, "*shape"]) -> Float64[Tensor, "*shape"]:
        """Log g(t)."""

    @property
    @abstractmethod
    def _log_mean(self) -> Float64[Tensor, "*batch"]:
        """Log of the mean of g(t) over uniform rotations."""

    @property
    @abstractmethod
    def _reach(self) -> float:
        """Beyond this t there is no mass."""

    @abstractmethod
    def _draw_forms(self, count: int, generator: torch.Generator | None) -> Float64[Tensor, "count densities 3"]:
        """Bingham laws (a, b, c) whose mixture is the density."""

    @abstractmethod
    def _with_matrix(self: Self, matrix: Float[Tensor, "*shape 3 3"]) -> Self:
        """The same family with another matrix."""

    @cached_property
    def frame(self) -> ProperSVD:
        """The axes of the density and the singular values of its matrix, in float64."""
        return proper_svd(self.matrix.double())

    def _trace(self, value: Float[Tensor, "*shape 3 3"]) -> Float64[Tensor, "*out"]:
        """Trace of F^T R, in float64."""
        rotation = value.double()
        if value.dtype != torch.float64:
            # Off the group by 1e-7, which singular values of 1e6 would magnify: one Newton step to the polar factor.
            rotation = 1.5 * rotation - 0.5 * rotation @ (rotation.mT @ rotation)
        return (rotation.flatten(-2) * self.matrix.double().flatten(-2)).sum(-1)

    def sample(
        self, sample_shape: torch.Size | tuple[int, ...] = (), *, generator: torch.Generator | None = None
    ) -> Float[Tensor, "*shape 3 3"]:
        """Independent draws, exact (`draw_quat_wxyz`)."""
        forms = self._draw_forms(torch.Size(sample_shape).numel(), generator)
        quat = draw_quat_wxyz(forms.flatten(0, 1), generator)
        turn = quat_wxyz_to_matrix(quat).reshape(*sample_shape, *self.batch_shape, 3, 3)
        return (self.frame.left @ turn @ self.frame.right.mT).to(self.matrix.dtype)

    def modes(self, k: int) -> Modes:
        """The one peak, with all the mass, k times; the others have log density -inf and mass 0.

        Where the second and third singular values add up to 0 the peak is a set of rotations, of which one is returned.
        """
        rotation = self.mean[..., None, :, :].expand(*self.batch_shape, k, 3, 3)
        first = torch.arange(k, device=rotation.device) == 0
        top = (self._log_profile(torch.zeros_like(self._log_mean)) - self._log_mean).to(self.matrix.dtype)
        mass = first.to(self.matrix.dtype).expand(*self.batch_shape, k)
        return Modes(rotation, torch.where(first, top[..., None], -torch.inf), mass)

    @property
    def mean(self) -> Float[Tensor, "*batch 3 3"]:
        """The mode: the expected matrix has the same axes."""
        return (self.frame.left @ self.frame.right.mT).to(self.matrix.dtype)

    def credible_region(self, mass: float) -> CredibleRegion:
        """The smallest region of probability ``mass``: all rotations below a level of t; exact, without gradient."""
        require_mass(mass)
        form = self.frame.form.clamp(min=TINY)
        level = form[..., 2]
        if mass < 1:
            level = level_of_mass(form, mass, lambda t: self._log_profile(t).exp(), self._reach)
        volume = integral_below(form, level, torch.ones_like).clamp(max=1)
        threshold = self._log_profile(level) - self._log_mean
        return CredibleRegion(*(answer.to(self.matrix.dtype) for answer in (threshold, volume, ball_radius(volume))))

    def rotate(self: Self, rotation: Float[Tensor, "*shape 3 3"]) -> Self:
        """The law of ``rotation @ X``: the matrix turns."""
        require_rotations(rotation, self.matrix)
        return self._with_matrix(rotation @ self.matrix)

    def expand(self: Self, batch_shape: torch.Size | tuple[int, ...]) -> Self:  # type: ignore[override]
        """The same densities with a larger batch shape."""
        return self._with_matrix(self.matrix.expand(*batch_shape, 3, 3))
