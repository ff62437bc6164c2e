r"""The Bingham distribution: the matrix Fisher distribution in quaternions.

For a unit quaternion q of R, :math:`q^\top A\,q=\mathrm{tr}F^\top R` when A is the symmetric matrix without trace

.. math:: A_{vv}=F+F^\top-I\,\mathrm{tr}F,\quad A_{ww}=\mathrm{tr}F,\quad
    A_{vw}=(F_{32}-F_{23},\,F_{13}-F_{31},\,F_{21}-F_{12}),

a linear bijection; q and -q are one rotation, so densities for Haar measure are the same numbers.

Reference: Orientation statistics without parametric assumptions (Prentice, 1986), J. R. Statist. Soc. B 48, 214-222,
for the equivalence.
"""

import torch
from jaxtyping import Float
from torch import Tensor

from armillary.distributions.families.matrix_fisher import MatrixFisher
from armillary.distributions.families.quadratic_form.fisher_family import FisherFamily

ROUNDING = 1e-4  # how far from orthogonal the axes may be


def _matrix_to_quadratic(matrix: Float[Tensor, "*batch 3 3"]) -> Float[Tensor, "*batch 4 4"]:
    """A of F, in the order (x, y, z, w)."""
    trace = matrix.diagonal(dim1=-2, dim2=-1).sum(-1)[..., None, None]
    vector = matrix + matrix.mT - trace * torch.eye(3, dtype=matrix.dtype, device=matrix.device)
    skew = matrix - matrix.mT
    mixed = torch.stack([skew[..., 2, 1], skew[..., 0, 2], skew[..., 1, 0]], -1)
    return torch.cat([torch.cat([vector, mixed[..., None]], -1), torch.cat([mixed[..., None, :], trace], -1)], -2)


def _quadratic_to_matrix(quadratic: Float[Tensor, "*batch 4 4"]) -> Float[Tensor, "*batch 3 3"]:
    """F of A in the order (x, y, z, w); its trace and its antisymmetric part count for nothing."""
    symmetric = (quadratic + quadratic.mT) / 2
    trace = symmetric[..., 3, 3] - symmetric.diagonal(dim1=-2, dim2=-1).mean(-1)
    mean = symmetric.diagonal(dim1=-2, dim2=-1).mean(-1)
    vector = symmetric[..., :3, :3] + (trace - mean)[..., None, None] * torch.eye(3).to(quadratic)
    x, y, z = symmetric[..., :3, 3].unbind(-1)
    zero = torch.zeros_like(x)
    skew = torch.stack([zero, -z, y, z, zero, -x, -y, x, zero], -1).unflatten(-1, (3, 3))
    return (vector + skew) / 2


class Bingham(FisherFamily):
    r"""Density :math:`p(q)\propto\exp(q^\top A\,q)` of the unit quaternion q = (x, y, z, w), either sign.

    A is symmetric; a multiple of the identity added to it changes nothing. The mode is its eigenvector of the largest
    eigenvalue.

    Args:
        parameter_xyzw: A; of a matrix that is not symmetric, the symmetric part.

    Reference: An antipodally symmetric distribution on the sphere (Bingham, 1974), https://doi.org/10.1214/aos/1176342874

    Example:
        >>> Bingham(torch.diag(torch.tensor([-9.0, -9.0, -9.0, 0.0]))).mode.diagonal()
        tensor([1., 1., 1.])
    """

    def __init__(self, parameter_xyzw: Float[Tensor, "..."]) -> None:
        if parameter_xyzw.ndim < 2 or parameter_xyzw.shape[-2:] != (4, 4):
            raise ValueError(
                f"expected matrices of shape (..., 4, 4), got {tuple(parameter_xyzw.shape)}; reshape the parameter"
            )
        self.parameter_xyzw = parameter_xyzw
        super().__init__(_quadratic_to_matrix(parameter_xyzw))

    @classmethod
    def from_axes(cls, axes_xyzw: Float[Tensor, "*batch 4 4"], dispersion: Float[Tensor, "*batch 3"]) -> "Bingham":
        r"""The form of the literature, :math:`\exp(q^\top M\,\mathrm{diag}(z_1,z_2,z_3,0)\,M^\top q)`.

        Args:
            axes_xyzw: Orthogonal M, its columns quaternions; the last is the mode.
            dispersion: z, at most 0.

        Example:
            >>> Bingham.from_axes(torch.eye(4), torch.tensor([-3.0, -2.0, -1.0])).parameter_xyzw.diagonal()
            tensor([-3., -2., -1.,  0.])
        """
        gram = axes_xyzw.detach().mT @ axes_xyzw.detach()
        if not ((gram - torch.eye(4).to(gram)).abs() < ROUNDING).all():
            raise ValueError("expected an orthogonal matrix of axes, got another; orthonormalise its columns")
        if not (dispersion <= 0).all():
            raise ValueError("expected dispersions of at most 0, got a positive one; subtract the largest")
        weights = torch.cat([dispersion, torch.zeros_like(dispersion[..., :1])], -1)
        return cls((axes_xyzw * weights[..., None, :]) @ axes_xyzw.mT)

    @classmethod
    def from_matrix_fisher(cls, density: MatrixFisher) -> "Bingham":
        """The same density in quaternions.

        Example:
            >>> Bingham.from_matrix_fisher(MatrixFisher(torch.eye(3))).parameter_xyzw.diagonal()
            tensor([-1., -1., -1.,  3.])
        """
        return cls(_matrix_to_quadratic(density.parameter))

    def to_matrix_fisher(self) -> MatrixFisher:
        """The same density in matrices.

        Example:
            >>> Bingham(torch.diag(torch.tensor([0.0, 0.0, 0.0, 4.0]))).to_matrix_fisher().parameter.diagonal()
            tensor([1., 1., 1.])
        """
        return MatrixFisher(self.matrix)

    def _with_matrix(self, matrix: Float[Tensor, "*shape 3 3"]) -> "Bingham":
        return Bingham(_matrix_to_quadratic(matrix))
