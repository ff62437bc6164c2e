r"""Uncertain motion: the law of a product of independent random rotations.

.. math:: E[D^l(AB)]=E[D^l(A)]\,E[D^l(B)],\qquad E[D^l(A\,W_t)]=e^{-l(l+1)t/2}\,E[D^l(A)]

for Brownian motion W: moments of a convolution are matrix products, exactly. The families are not closed under it; what
is returned is the member with exactly these moments (``match_moments``), which of all densities with them has the
largest entropy and of its family is the nearest to the truth in KL(truth || .).
"""

import torch
from jaxtyping import Float
from torch import Tensor

from armillary.distributions.base import SO3Distribution
from armillary.distributions.calculus.heat_kernel import heat_decay
from armillary.distributions.calculus.log_coefficients import (
    common_lmax,
    density_moments,
    fisher_matrix,
    log_coefficients,
    pad_degrees,
    turn_object,
)
from armillary.distributions.calculus.moment_matching import match_moments
from armillary.distributions.families.harmonic import HarmonicDistribution
from armillary.distributions.families.matrix_fisher import MatrixFisher
from armillary.distributions.families.mixture import Mixture
from armillary.distributions.families.uniform import Uniform
from armillary.harmonics.curvature import downward_curvature
from armillary.harmonics.layout import split_degrees
from armillary.so3.rotation import nearest_rotation

DEFAULT_LMAX = 6  # where no density tells one: as HarmonicHead


def convolve(first: SO3Distribution, second: SO3Distribution, lmax: int | None = None) -> SO3Distribution:
    r"""The law of ``A @ B`` for independent ``A ~ first`` and ``B ~ second``; batch shapes broadcast.

    An uncertain motion of the camera or of the world frame stands before the pose, ``convolve(motion, pose)``; one in
    the object's frame behind it, ``convolve(pose, motion)``.

    Matrix Fishers and Binghams give the ``MatrixFisher`` of the same expected matrix, :math:`E[A]E[B]`: closed form,
    batched. All else gives a ``HarmonicDistribution`` of the same moments up to ``lmax``: Newton steps.

    Args:
        first: Law of A.
        second: Law of B.
        lmax: Degree of the log-density returned; that of the densities when None (6 if they have none). Given, matrix
            Fishers are treated as all else.

    Example:
        >>> pose, motion = MatrixFisher(9 * torch.eye(3)), MatrixFisher(torch.diag(torch.tensor([5.0, 4.0, 3.0])))
        >>> moved = convolve(motion, pose)
        >>> torch.dist(moved.expectation, motion.expectation @ pose.expectation) < 1e-5
        tensor(True)
    """
    shape = torch.broadcast_shapes(first.batch_shape, second.batch_shape)
    for density in (first, second):
        if isinstance(density, Uniform):
            return density.expand(shape)
    F, G = fisher_matrix(first), fisher_matrix(second)
    if lmax is None and F is not None and G is not None:
        return MatrixFisher.from_expectation(MatrixFisher(F).expectation @ MatrixFisher(G).expectation)
    degree = _result_lmax(lmax, first, second)
    ours, theirs = density_moments(first, degree), density_moments(second, degree)
    starts = [
        _blunted(turn, spread)
        for turn, spread in (
            (second.rotate(_mean(ours)), _variance(ours)),
            (turn_object(first, _mean(theirs)), _variance(theirs)),
        )
    ]
    found = [pad_degrees(start, degree).expand(*shape, -1) for start in starts if start is not None]
    return match_moments(convolve_moments(ours, theirs), *found)


def convolve_moments(
    first: Float[Tensor, "*batch modes"], second: Float[Tensor, "*shape modes"]
) -> Float[Tensor, "*out modes"]:
    r"""Moments :math:`E[\sqrt{2l+1}D^l]` of ``A @ B`` from those of A and of B.

    Example:
        >>> convolve_moments(torch.ones(1), torch.ones(1))
        tensor([1.])
    """
    pairs = zip(split_degrees(first), split_degrees(second), strict=True)
    return torch.cat([((a @ b) / (2 * l + 1) ** 0.5).flatten(-2) for l, (a, b) in enumerate(pairs)], -1)


def diffuse(
    density: SO3Distribution, sigma: float | Float[Tensor, "*#batch"], lmax: int | None = None
) -> SO3Distribution:
    r"""The law after Brownian motion on SO(3) with standard deviation ``sigma`` radians about each axis.

    Isotropic noise is the same in both frames. A ``MatrixFisher`` stays one (its expected matrix times
    :math:`e^{-\sigma^2}`), a ``Mixture`` diffuses component by component, all else becomes the
    ``HarmonicDistribution`` of the moments :math:`e^{-l(l+1)\sigma^2/2}E[\sqrt{2l+1}D^l]`.

    Args:
        density: Of the rotation before.
        sigma: Of the noise; variances of successive noises add. Broadcasts against the batch shape.
        lmax: As of ``convolve``.

    Example:
        >>> diffuse(MatrixFisher(20 * torch.eye(3)), sigma=0.2).parameter.diagonal()
        tensor([8.0243, 8.0243, 8.0243])
    """
    decay = heat_decay(sigma, 1)[..., 1]
    shape = torch.broadcast_shapes(density.batch_shape, decay.shape)
    if isinstance(density, Uniform):
        return density.expand(shape)
    if isinstance(density, Mixture):
        wide = density.expand(shape)
        noise = torch.as_tensor(sigma, dtype=torch.float64).expand(shape)[..., None]
        return Mixture(wide.weights, *(diffuse(group, noise, lmax) for group in wide.groups), tree=wide.tree)
    matrix = fisher_matrix(density)
    if lmax is None and matrix is not None:
        return MatrixFisher.from_expectation(decay.to(matrix)[..., None, None] * MatrixFisher(matrix).expectation)
    degree = _result_lmax(lmax, density)
    moments = density_moments(density, degree)
    moments = moments * heat_decay(sigma, degree).to(moments)
    start = _blunted(density, -decay.log())
    return match_moments(moments, *([] if start is None else [pad_degrees(start, degree).expand(*shape, -1)]))


def _result_lmax(lmax: int | None, *densities: SO3Distribution) -> int:
    if lmax is not None:
        if lmax < 1:
            raise ValueError(f"expected lmax of at least 1, got {lmax}; leave it out for that of the densities")
        return lmax
    harmonic = [density.coeffs for density in densities if isinstance(density, HarmonicDistribution)]
    return common_lmax(*harmonic) if harmonic else DEFAULT_LMAX


def _mean(moments: Float[Tensor, "*batch modes"]) -> Float[Tensor, "*batch 3 3"]:
    """The rotation nearest to the expected matrix; any where that is zero."""
    # Degree 1 is the matrix in the order (y, z, x).
    first = split_degrees(moments[..., :10])[1][..., [2, 0, 1], :][..., [2, 0, 1]]
    return nearest_rotation(first + 1e-9 * torch.eye(3).to(first))


def _variance(moments: Float[Tensor, "*batch modes"]) -> Float[Tensor, "*batch"]:
    """t of the heat kernel whose expected matrix is as far from a rotation."""
    first = split_degrees(moments[..., :10])[1] / 3**0.5
    return -torch.linalg.svdvals(first.double()).mean(-1).clamp(1e-9, 1).log()


def _blunted(density: SO3Distribution, variance: Float[Tensor, "*#batch"]) -> Float[Tensor, "*batch modes"] | None:
    """Log-coefficients scaled as diffusion scales those of one narrow peak: curvature k becomes k / (1 + k t)."""
    coeffs = log_coefficients(density)
    if coeffs is None:
        return None
    coeffs = coeffs.detach().double()
    curvature = downward_curvature(coeffs.reshape(-1, coeffs.shape[-1])).reshape(coeffs.shape[:-1])
    return coeffs / (1 + curvature * variance)[..., None]
