r"""Linear maps of quaternions, brought back to unit length: the affine maps of SO(3).

    q -> W q / |W q|,      W invertible, 4 x 4.

The map of the sphere S3 commutes with q -> -q, so it is a map of SO(3). It stretches the sphere's measure, hence Haar
measure, by |det W| / |W q|^4. A W that is orthogonal is R -> A R B; one that is symmetric draws rotations towards
its largest axis. Pulled back by it, Haar measure is the angular central Gaussian, |W q|^-4.

The scale of W does not matter, so W = exp(M) with M of trace 0: det W = 1, the inverse is exp(-M), M = 0 is the
identity. For symmetric M the peak of the pulled back density is at the lowest axis q of M, and the best such M is a
function of q q^T, hence smooth in the rotation at the peak: a network can learn it without a choice of sign.
"""

import torch
from jaxtyping import Float
from torch import Tensor, nn

from armillary.distributions.families.flow_layers.layer import FlowLayer, linear, require_context, zeros
from armillary.so3.rotation import matrix_to_quat_wxyz, quat_wxyz_to_matrix

REACH = 8.0  # largest norm of M: the axes of W then differ by a factor of at most exp(8 sqrt 2) = 8e4


class QuaternionAffine(FlowLayer):
    """From data to base q -> W q / \\|W q\\|, with W chosen by the context alone; the identity at the start.

    Args:
        features: Length of the context.
        hidden: Width of the network between the context and W.
        generator: Source of the random start.

    Reference: Delving into Discrete Normalizing Flows on SO(3) Manifold for Probabilistic Rotation Modeling (Liu et
        al., 2023), https://arxiv.org/abs/2304.03937

    Example:
        >>> layer = QuaternionAffine()
        >>> origin, log_stretch = layer(torch.eye(3), layer.setting(None))
        >>> origin.detach().diagonal(), log_stretch.abs() < 1e-6
        (tensor([1., 1., 1.]), tensor(True))
    """

    def __init__(self, features: int = 0, hidden: int = 64, *, generator: torch.Generator | None = None) -> None:
        super().__init__()
        self.features = features
        self.exponent = nn.Parameter(torch.zeros(16))
        self.from_context = None
        if features:
            first, last = linear(features, hidden, generator), zeros(linear(hidden, 16, generator))
            self.from_context = nn.Sequential(first, nn.SiLU(), last)

    def setting(self, context: Float[Tensor, "*batch features"] | None) -> Float[Tensor, "*batch width"]:
        """The 16 entries of W."""
        require_context(context, self.features)
        exponent = self.exponent if self.from_context is None else self.exponent + self.from_context(context)
        return torch.matrix_exp(bounded_traceless(exponent.unflatten(-1, (4, 4)))).flatten(-2)

    def forward(
        self, rotation: Float[Tensor, "*shape 3 3"], setting: Float[Tensor, "*batch width"]
    ) -> tuple[Float[Tensor, "*shape 3 3"], Float[Tensor, "*shape"]]:
        """From data to base, and -4 log |W q|."""
        image = _apply(setting.unflatten(-1, (4, 4)), rotation)
        return quat_wxyz_to_matrix(image), -2 * image.square().sum(-1).log()

    def inverse(
        self, rotation: Float[Tensor, "*shape 3 3"], setting: Float[Tensor, "*batch width"]
    ) -> Float[Tensor, "*shape 3 3"]:
        """From base to data, by the inverse matrix."""
        return quat_wxyz_to_matrix(_apply(torch.linalg.inv(setting.unflatten(-1, (4, 4))), rotation))


def bounded_traceless(matrix: Float[Tensor, "*batch 4 4"]) -> Float[Tensor, "*batch 4 4"]:
    """A matrix without its trace, of norm below ``REACH``; nearly itself where it is small.

    Example:
        >>> bounded_traceless(torch.diag(torch.tensor([1e9, 0.0, 0.0, 0.0]))).norm()
        tensor(8.0000)
    """
    trace = matrix.diagonal(dim1=-2, dim2=-1).mean(-1)[..., None, None]
    traceless = matrix - trace * torch.eye(4, dtype=matrix.dtype, device=matrix.device)
    return traceless / (1 + (traceless / REACH).square().sum((-2, -1), keepdim=True)).sqrt()


def _apply(matrix: Float[Tensor, "*batch 4 4"], rotation: Float[Tensor, "*shape 3 3"]) -> Float[Tensor, "*shape 4"]:
    """The matrix times the rotation's quaternion."""
    return torch.einsum("...ij,...j->...i", matrix, matrix_to_quat_wxyz(rotation))
