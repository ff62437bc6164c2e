"""What the matrix Fisher and the Bingham distribution share: they are one family, in matrices and in quaternions."""

from functools import cached_property

import torch
from jaxtyping import Float, Float64
from torch import Tensor

from armillary.distributions.families.quadratic_form.distribution import QuadraticDistribution
from armillary.distributions.families.quadratic_form.integral import REACH, exponential, mean_of
from armillary.distributions.families.quadratic_form.mean_map import expected_rotation, log_constant
from armillary.so3.rotation import require_alike


class FisherFamily(QuadraticDistribution):
    r"""Density :math:`e^{-t(R)}` over its mean: exponential in the entries of R."""

    @property
    def log_constant(self) -> Float64[Tensor, "*batch"]:
        r"""Log c(F) of :math:`c(F)=\int\exp(\mathrm{tr}F^\top R)\,dR` in float64, twice differentiable.

        Relative error of c below 1e-13 beside the rounding of F, from F = 0 to singular values 1e8.
        """
        return log_constant(self.matrix.double(), self.frame)

    def log_prob(self, value: Float[Tensor, "*shape 3 3"]) -> Float[Tensor, "*out"]:
        """Log density for Haar probability, exact; twice differentiable in the matrix, whatever its singular values."""
        require_alike(value, self.matrix)
        return (self._trace(value) - self.log_constant).to(self.matrix.dtype)

    @property
    def expectation(self) -> Float[Tensor, "*batch 3 3"]:
        """The expected matrix E[R], differentiable; `mean` is the rotation nearest to it."""
        return expected_rotation(self.matrix.double(), self.frame).to(self.matrix.dtype)

    def entropy(self) -> Float[Tensor, "*batch"]:
        """Exact differential entropy in nats, log c(F) - tr F^T E[R]; differentiable."""
        matrix = self.matrix.double()
        trace = (matrix * expected_rotation(matrix, self.frame)).sum((-2, -1))
        return (self.log_constant - trace).to(self.matrix.dtype)

    def _log_profile(self, level: Float64[Tensor, "*shape"]) -> Float64[Tensor, "*shape"]:
        return -level

    @cached_property
    def _log_mean(self) -> Float64[Tensor, "*batch"]:
        return mean_of(exponential(), self.frame.form).log()

    @property
    def _reach(self) -> float:
        return REACH

    def _draw_forms(self, count: int, generator: torch.Generator | None) -> Float64[Tensor, "count densities 3"]:
        form = self.frame.form.reshape(-1, 3)
        return form.expand(count, *form.shape)
