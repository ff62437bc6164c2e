"""The matrix Fisher distribution: the exponential family of rotation matrices."""

import torch
from jaxtyping import Float
from torch import Tensor

from armillary.distributions.families.harmonic import HarmonicDistribution
from armillary.distributions.families.quadratic_form.fisher_family import FisherFamily
from armillary.distributions.families.quadratic_form.mean_map import matrix_of_expectation
from armillary.so3.rotation import require_rotations


class MatrixFisher(FisherFamily):
    r"""Density :math:`p(R)=\exp(\mathrm{tr}\,F^\top R)\,/\,c(F)` for any real 3x3 matrix F.

    With :math:`F=U\,\mathrm{diag}(s)\,V^\top` the mode is :math:`UV^\top`, and turns from it about the columns of U
    have the precisions :math:`s_2+s_3,\ s_1+s_3,\ s_1+s_2` (inverse squared radians). F = 0 is uniform.

    Args:
        parameter: F.

    Reference: The von Mises-Fisher matrix distribution in orientation statistics (Khatri and Mardia, 1977),
        J. R. Statist. Soc. B 39, 95-106; for the integrals ``quadratic_form.integral``.

    Example:
        >>> density = MatrixFisher.isotropic(torch.eye(3), sigma=0.1)
        >>> density.log_prob(density.mode)
        tensor(8.5161)
    """

    def __init__(self, parameter: Float[Tensor, "..."]) -> None:
        super().__init__(parameter)

    @property
    def parameter(self) -> Float[Tensor, "*batch 3 3"]:
        """F."""
        return self.matrix

    @classmethod
    def isotropic(
        cls,
        rotation: Float[Tensor, "*#batch 3 3"],
        *,
        sigma: float | Float[Tensor, "*#batch"] | None = None,
        concentration: float | Float[Tensor, "*#batch"] | None = None,
    ) -> "MatrixFisher":
        r"""F = kappa R: the density depends on the angle to R alone, as :math:`\exp(2\kappa\cos\theta)`.

        Args:
            rotation: The mode R.
            sigma: Standard deviation in radians of each coordinate of the rotation vector from R, for small ones:
                kappa = 1 / (2 sigma^2).
            concentration: kappa itself. Exactly one of the two.

        Example:
            >>> MatrixFisher.isotropic(torch.eye(3), concentration=2.0).parameter.diagonal()
            tensor([2., 2., 2.])
        """
        if (sigma is None) == (concentration is None):
            raise ValueError(f"expected sigma or concentration, got {sigma} and {concentration}; pass one of the two")
        require_rotations(rotation)
        given = sigma if concentration is None else concentration
        kappa = torch.as_tensor(given, dtype=rotation.dtype, device=rotation.device)
        if concentration is None:
            kappa = 0.5 / kappa.square()
        return cls(kappa[..., None, None] * rotation)

    @classmethod
    def from_expectation(cls, expectation: Float[Tensor, "*batch 3 3"]) -> "MatrixFisher":
        """The distribution whose expected matrix is given: matches the first moments of any other; differentiable.

        A matrix outside the convex hull of the rotations, or on its boundary as a rotation is, raises ValueError.

        Example:
            >>> MatrixFisher.from_expectation(0.9 * torch.eye(3)).expectation.diagonal()
            tensor([0.9000, 0.9000, 0.9000])
        """
        return cls(matrix_of_expectation(expectation.double()).to(expectation.dtype))

    def to_harmonic(self) -> HarmonicDistribution:
        """The same density as a band-limited log-density of degree 1, exactly.

        Example:
            >>> MatrixFisher(torch.eye(3)).to_harmonic().lmax
            1
        """
        # Degree 1 is the matrix in the order (y, z, x).
        order = [1, 2, 0]
        first = self.matrix[..., order, :][..., order].flatten(-2) / 3**0.5
        return HarmonicDistribution(torch.cat([torch.zeros_like(first[..., :1]), first], -1))

    def _with_matrix(self, matrix: Float[Tensor, "*shape 3 3"]) -> "MatrixFisher":
        return MatrixFisher(matrix)
