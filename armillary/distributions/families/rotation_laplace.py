r"""The rotation Laplace distribution: a sharp peak with heavy tails."""

import math
from functools import cached_property

import torch
from jaxtyping import Float, Float64
from torch import Tensor

from armillary.distributions.families.quadratic_form.distribution import ProperSVD, QuadraticDistribution
from armillary.distributions.families.quadratic_form.integral import (
    REACH,
    exponential,
    first_moments,
    mean_of,
    root_exponential,
)
from armillary.distributions.families.quadratic_form.level import TINY, integral_below
from armillary.so3.rotation import require_alike

SOFTENING = 1e-8  # added to t; the ball where it counts holds 5e-9 of the mass of a sharp density
STEP = 0.4  # of the trapezoid rule in log u: relative error exp(-pi^2 / STEP) = 2e-11
CHUNK = 4096  # densities whose mixtures are weighed together: 60 MB


class RotationLaplace(QuadraticDistribution):
    r"""Density :math:`p(R)\propto e^{-r}/r,\ r^2=\mathrm{tr}(S-A^\top R)+\epsilon`, A any real 3x3 matrix.

    S are the singular values. The density of Yin et al. has :math:`\epsilon=0` and is infinite at the mode;
    :math:`\epsilon=10^{-8}` makes it and its gradients finite there, and elsewhere the two agree. Everything is exact
    for the softened density. It is a scale mixture of matrix Fisher densities,

    .. math:: \frac{e^{-r}}r=\int_0^\infty\frac{e^{-1/(4u)}}{\sqrt{\pi u}}\,e^{-ur^2}\,du,

    from which samples are drawn. A = 0 is uniform, but the family is scale free there: small A are not nearly uniform.

    Args:
        parameter: A.

    Reference: A Laplace-inspired distribution on SO(3) for probabilistic rotation estimation (Yin et al., 2023),
        https://arxiv.org/abs/2303.01743

    Example:
        >>> RotationLaplace(100 * torch.eye(3)).mode.diagonal()
        tensor([1., 1., 1.])
    """

    def __init__(self, parameter: Float[Tensor, "..."]) -> None:
        super().__init__(parameter)

    @property
    def parameter(self) -> Float[Tensor, "*batch 3 3"]:
        """A."""
        return self.matrix

    def log_prob(self, value: Float[Tensor, "*shape 3 3"]) -> Float[Tensor, "*out"]:
        """Log density for Haar probability, exact; differentiable once."""
        require_alike(value, self.matrix)
        log_mean: Tensor = _LogMean.apply(self.matrix.double(), *self.frame)  # type: ignore[assignment]
        return (self._log_profile(self._level(value)) - log_mean).to(self.matrix.dtype)

    def _level(self, value: Float[Tensor, "*shape 3 3"]) -> Float64[Tensor, "*out"]:
        r"""t as a sum of squares, :math:`\frac12\sum_i s_i|R v_i-u_i|^2`, which rounding cannot spoil near the mode."""
        shift = value.double() @ self.frame.right - self.frame.left
        level = (shift.square().sum(-2) * self.frame.values).sum(-1).clamp(min=0) / 2
        matrix, rotation = (side.double().expand(*level.shape, 3, 3) for side in (self.matrix, value))
        return _Level.apply(level, matrix, rotation, self.frame.left @ self.frame.right.mT)  # type: ignore[return-value]

    @property
    def expectation(self) -> Float[Tensor, "*batch 3 3"]:
        """The expected matrix E[R], exact, without gradient; `mean` is the rotation nearest to it."""
        _, squares = first_moments(root_exponential(SOFTENING, primitive=True), self.frame.form)
        x, y, z = (squares[..., 1:] / self._log_mean.exp()[..., None]).unbind(-1)
        cosines = 1 - 2 * torch.stack([y + z, x + z, x + y], -1)
        return (self.frame.left @ torch.diag_embed(cosines) @ self.frame.right.mT).to(self.matrix.dtype)

    def entropy(self) -> Float[Tensor, "*batch"]:
        """Exact differential entropy in nats; without gradient."""
        form = self.frame.form.clamp(min=TINY)

        def weighted(level: Tensor) -> Tensor:
            log_profile = self._log_profile(level)
            return log_profile * log_profile.exp()

        reached = form[..., 2].clamp(max=self._reach)
        mean = integral_below(form, reached, weighted) / self._log_mean.exp()
        return (self._log_mean - mean).to(self.matrix.dtype)

    def _log_profile(self, level: Float64[Tensor, "*shape"]) -> Float64[Tensor, "*shape"]:
        squared = level + SOFTENING
        return -squared.sqrt() - squared.log() / 2

    @cached_property
    def _log_mean(self) -> Float64[Tensor, "*batch"]:
        return mean_of(root_exponential(SOFTENING), self.frame.form).log()

    @property
    def _reach(self) -> float:
        return REACH**2

    def _draw_forms(self, count: int, generator: torch.Generator | None) -> Float64[Tensor, "count densities 3"]:
        form = self.frame.form.reshape(-1, 3)
        low, high = math.log(0.25 / REACH), math.log(REACH / SOFTENING)
        scale = torch.arange(low, high, STEP, dtype=form.dtype, device=form.device).exp()
        # Du = u d(log u), so the root of u is in the numerator.
        weight = scale.sqrt() * (-0.25 / scale - SOFTENING * scale).exp()
        probability = torch.cat(
            [weight * mean_of(exponential(), part[:, None] * scale[:, None]) for part in form.split(CHUNK)]
        )
        which = torch.multinomial(probability, max(count, 1), replacement=True, generator=generator)[:, :count]
        return scale[which.mT][..., None] * form

    def _with_matrix(self, matrix: Float[Tensor, "*shape 3 3"]) -> "RotationLaplace":
        return RotationLaplace(matrix)


class _Level(torch.autograd.Function):
    """t with its gradient in the matrix, the mode minus the rotation, which its formula in the frame does not have."""

    @staticmethod
    def forward(
        ctx: torch.autograd.function.FunctionCtx, level: Tensor, matrix: Tensor, rotation: Tensor, mode: Tensor
    ) -> Tensor:
        """The level as it is."""
        ctx.save_for_backward(rotation, mode)
        return level.clone()

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: torch.autograd.function.FunctionCtx, grad: Tensor) -> tuple[Tensor | None, ...]:  # type: ignore[override]
        """To the level itself, and to the matrix."""
        rotation, mode = ctx.saved_tensors  # type: ignore[attr-defined]
        return grad, grad[..., None, None] * (mode - rotation), None, None


class _LogMean(torch.autograd.Function):
    """The log mean of g, with its gradient in the matrix."""

    @staticmethod
    def forward(
        ctx: torch.autograd.function.FunctionCtx, matrix: Tensor, left: Tensor, values: Tensor, right: Tensor
    ) -> Tensor:
        """In the given frame of the matrix."""
        value, slopes = first_moments(root_exponential(SOFTENING), ProperSVD(left, values, right).form)
        # The form is (a, b, c) = 2 (s2 + s3, s1 + s3, s1 + s2).
        x, y, z = (-2 * slopes[..., 1:] / value[..., None]).unbind(-1)
        ctx.save_for_backward(left, torch.stack([y + z, x + z, x + y], -1), right)
        return value.log()

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: torch.autograd.function.FunctionCtx, grad: Tensor) -> tuple[Tensor | None, ...]:  # type: ignore[override]
        """Diagonal in the frame."""
        left, slopes, right = ctx.saved_tensors  # type: ignore[attr-defined]
        return grad[..., None, None] * (left @ torch.diag_embed(slopes) @ right.mT), None, None, None
