r"""The normaliser of the matrix Fisher distribution, its first and second derivatives, and the inverse of the first.

.. math:: c(F)=\int e^{\mathrm{tr}F^\top R}\,dR,\qquad \nabla\log c=E[R]=U\,\mathrm{diag}(m)\,V^\top,\qquad
    \nabla^2\log c=\mathrm{Cov}(R)

are moments of the squared quaternion in the frame of F (``integral``): :math:`m_i=1-2E(q_j^2+q_k^2)`; the
entries R_ij and R_ji are correlated with each other alone, by the means of :math:`q_i^2q_j^2\pm w^2q_k^2`. The singular
value decomposition is never differentiated, so repeated and zero singular values are as good as any.

Reference: Bayesian attitude estimation with the matrix Fisher distribution on SO(3) (Lee, 2018),
https://arxiv.org/abs/1710.03746, for the moments; the integrals here are others.
"""

import torch
from jaxtyping import Float64
from torch import Tensor

from armillary.distributions.families.quadratic_form.distribution import ProperSVD, proper_svd
from armillary.distributions.families.quadratic_form.integral import exponential, first_moments, mean_of, second_moments

ITERATIONS = 10  # of Newton; six reach rounding from uniform to singular values 1e7


def log_constant(matrix: Float64[Tensor, "*batch 3 3"], frame: ProperSVD) -> Float64[Tensor, "*batch"]:
    """Log c(F), twice differentiable, given the decomposition of F.

    Example:
        >>> log_constant(matrix := torch.zeros(3, 3).double(), proper_svd(matrix)).abs() < 1e-13
        tensor(True)
    """
    return _LogConstant.apply(matrix, *frame)[0]  # type: ignore[index]


def expected_rotation(matrix: Float64[Tensor, "*batch 3 3"], frame: ProperSVD) -> Float64[Tensor, "*batch 3 3"]:
    """The matrix E[R], once differentiable, given the decomposition of F.

    Example:
        >>> expected_rotation(matrix := torch.zeros(3, 3).double(), proper_svd(matrix)).abs().max() < 1e-12
        tensor(True)
    """
    return _LogConstant.apply(matrix, *frame)[1]  # type: ignore[index]


def _squares(form: Float64[Tensor, "*batch 3"]) -> Float64[Tensor, "*batch 4"]:
    """Means of the squares of (w, x, y, z)."""
    value, squares = first_moments(exponential(), form)
    return squares / value[..., None]


def _fourths(form: Float64[Tensor, "*batch 3"]) -> Float64[Tensor, "*batch 4 4"]:
    """Means of the products of two squares of (w, x, y, z)."""
    contour = exponential()
    return second_moments(contour, form) / mean_of(contour, form)[..., None, None]


def _conjugate(left: Tensor, matrix: Tensor, right: Tensor) -> Tensor:
    return left @ matrix @ right.mT


class _Moments:
    """Second moments of the rotation in its frame; the cyclic pairs (i, j), opposite k, are (y, z), (z, x), (x, y)."""

    def __init__(self, form: Float64[Tensor, "*batch 3"]) -> None:
        squares, fourths = _squares(form)[..., 1:], _fourths(form)
        others = 1 - torch.eye(3, dtype=form.dtype, device=form.device)
        covariance = fourths[..., 1:, 1:] - squares[..., :, None] * squares[..., None, :]
        self.diagonal = 4 * others @ covariance @ others
        # The means of 8 x_i^2 x_j^2 and 8 w^2 x_k^2, each at the places (i, j) and (j, i).
        self.even = 8 * fourths[..., 1:, 1:]
        self.odd = 8 * fourths[..., 0, 1:][..., [[0, 2, 1], [2, 1, 0], [1, 0, 2]]]

    def covariance(self, direction: Float64[Tensor, "*batch 3 3"]) -> Float64[Tensor, "*batch 3 3"]:
        """Cov(R) applied to a matrix."""
        half_sum, half_difference = (direction + direction.mT) / 2, (direction - direction.mT) / 2
        response = self.even * half_sum + self.odd * half_difference
        return _with_diagonal(response, (self.diagonal @ direction.diagonal(dim1=-2, dim2=-1)[..., None])[..., 0])

    def precision(self, direction: Float64[Tensor, "*batch 3 3"]) -> Float64[Tensor, "*batch 3 3"]:
        """The inverse of Cov(R) applied to a matrix."""
        half_sum, half_difference = (direction + direction.mT) / 2, (direction - direction.mT) / 2
        response = half_sum / self.even + half_difference / self.odd
        return _with_diagonal(response, torch.linalg.solve(self.diagonal, direction.diagonal(dim1=-2, dim2=-1)))


def _with_diagonal(matrix: Tensor, diagonal: Tensor) -> Tensor:
    eye = torch.eye(3, dtype=torch.bool, device=matrix.device)
    return torch.where(eye, torch.diag_embed(diagonal), matrix)


class _LogConstant(torch.autograd.Function):
    """Log c(F) and its gradient, each with its own gradient."""

    @staticmethod
    def forward(
        ctx: torch.autograd.function.FunctionCtx, matrix: Tensor, left: Tensor, values: Tensor, right: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Both, in the given frame of the matrix."""
        value, squares = first_moments(exponential(), ProperSVD(left, values, right).form)
        others = 1 - torch.eye(3, dtype=values.dtype, device=values.device)
        cosines = 1 - 2 * (squares[..., 1:] / value[..., None]) @ others
        mean = _conjugate(left, torch.diag_embed(cosines), right)
        ctx.save_for_backward(matrix, mean, left, values, right)
        ctx.set_materialize_grads(False)
        return values.sum(-1) + value.log(), mean

    @staticmethod
    def backward(  # type: ignore[override]
        ctx: torch.autograd.function.FunctionCtx, grad_log: Tensor | None, grad_mean: Tensor | None
    ) -> tuple[Tensor | None, None, None, None]:
        """E[R] times the gradient of log c; covariance of R with the gradient of E[R]."""
        matrix, mean, left, values, right = ctx.saved_tensors  # type: ignore[attr-defined]
        grad = None if grad_log is None else grad_log[..., None, None] * mean
        if grad_mean is not None:
            response = _Covariance.apply(grad_mean, matrix, left, values, right)
            grad = response if grad is None else grad + response  # type: ignore[operator]
        return grad, None, None, None


class _Covariance(torch.autograd.Function):
    """Cov(R) applied to a matrix: the last derivative there is."""

    @staticmethod
    def forward(ctx: torch.autograd.function.FunctionCtx, direction: Tensor, matrix: Tensor, *frame: Tensor) -> Tensor:
        """The covariance in the frame of the matrix."""
        left, values, right = frame
        moments = _Moments(ProperSVD(left, values, right).form)
        return _conjugate(left, moments.covariance(left.mT @ direction @ right), right)

    @staticmethod
    def backward(ctx: torch.autograd.function.FunctionCtx, grad: Tensor) -> tuple[None, ...]:  # type: ignore[override]
        """None: an error is better than a wrong number."""
        raise NotImplementedError("expected derivatives of order one or two of the matrix Fisher normaliser, got three")


def matrix_of_expectation(expectation: Float64[Tensor, "*batch 3 3"]) -> Float64[Tensor, "*batch 3 3"]:
    r"""The F whose E[R] is given: inverts the mean map, differentiably.

    Newton's method for (a, b, c), in the coordinates :math:`1/(2E\,x^2)=a+O(1)`, which are near linear from uniform to
    sharp. The expectation must lie inside the convex hull of SO(3).

    Example:
        >>> matrix_of_expectation(0.5 * torch.eye(3).double()).diagonal()
        tensor([1.1563, 1.1563, 1.1563], dtype=torch.float64)
    """
    frame = proper_svd(expectation)
    first, second, third = frame.values.unbind(-1)
    squares = torch.stack([1 + first - second - third, 1 - first + second - third, 1 - first - second + third], -1) / 4
    if not (squares > 0).all():
        raise ValueError(
            "expected matrices inside the convex hull of the rotations, got one outside or on its boundary, where the "
            "concentration is infinite; shrink it towards 0, and pass float64 if it is sharper than a degree"
        )
    a, b, c = _form_of_squares(squares).unbind(-1)
    values = torch.stack([b + c - a, a + c - b, a + b - c], -1) / 4
    found = _conjugate(frame.left, torch.diag_embed(values), frame.right)
    # One more Newton step, on the whole matrix, carries the gradient.
    moments = _Moments(ProperSVD(frame.left, values, frame.right).form)
    rest = expectation - expected_rotation(found, ProperSVD(frame.left, values, frame.right))
    return found + _conjugate(frame.left, moments.precision(frame.left.mT @ rest @ frame.right), frame.right)


def _form_of_squares(squares: Float64[Tensor, "*batch 3"]) -> Float64[Tensor, "*batch 3"]:
    """The (a, b, c) for which x^2, y^2, z^2 have the given means."""
    target = 0.5 / squares
    form = (target - 2).clamp(min=0)
    for _ in range(ITERATIONS):
        found = _squares(form)[..., 1:]
        covariance = _fourths(form)[..., 1:, 1:] - found[..., :, None] * found[..., None, :]
        # The derivative of 1 / (2 E q_i^2) by a, b, c.
        slope = covariance / (2 * found.square())[..., None]
        form = (form + torch.linalg.solve(slope, target - 0.5 / found)).clamp(min=0)
    return form
