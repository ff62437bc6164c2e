"""Rotations as 3x3 matrices: exponential map, logarithm, distance, conversions, uniform sampling.

Convention: active rotations of column vectors, ``R @ x``; angles in radians; Euler angles only as
``euler_zyz``, ``R = Rz(alpha) Ry(beta) Rz(gamma)``; quaternions only at boundaries, their order in the name
(docs/conventions.md). Conversions between representations are roma's.
"""

import roma
import torch
from jaxtyping import Float
from torch import Tensor


def _planar(angle: Float[Tensor, "*batch"], first: int, second: int) -> Float[Tensor, "*batch 3 3"]:
    """Rotation by ``angle`` that turns coordinate axis ``first`` towards coordinate axis ``second``."""
    cos, sin, zero, one = angle.cos(), angle.sin(), torch.zeros_like(angle), torch.ones_like(angle)
    entries = {(first, first): cos, (second, second): cos, (second, first): sin, (first, second): -sin}
    rows = [
        torch.stack([entries.get((row, col), one if row == col else zero) for col in range(3)], -1) for row in range(3)
    ]
    return torch.stack(rows, -2)


def rotation_x(angle: Float[Tensor, "*batch"]) -> Float[Tensor, "*batch 3 3"]:
    """Rotation about the x axis, turning y towards z.

    Example:
        >>> rotation_x(torch.tensor(torch.pi / 2)).round().abs()
        tensor([[1., 0., 0.],
                [0., 0., 1.],
                [0., 1., 0.]])
    """
    return _planar(angle, 1, 2)


def rotation_y(angle: Float[Tensor, "*batch"]) -> Float[Tensor, "*batch 3 3"]:
    """Rotation about the y axis, turning z towards x.

    Example:
        >>> (rotation_y(torch.tensor(torch.pi / 2)) @ torch.tensor([0.0, 0.0, 1.0])).round().abs()
        tensor([1., 0., 0.])
    """
    return _planar(angle, 2, 0)


def rotation_z(angle: Float[Tensor, "*batch"]) -> Float[Tensor, "*batch 3 3"]:
    """Rotation about the z axis, turning x towards y.

    Example:
        >>> (rotation_z(torch.tensor(torch.pi / 2)) @ torch.tensor([1.0, 0.0, 0.0])).round().abs()
        tensor([0., 1., 0.])
    """
    return _planar(angle, 0, 1)


def exp(rotvec: Float[Tensor, "*batch 3"]) -> Float[Tensor, "*batch 3 3"]:
    r"""Rotation of a rotation vector (Rodrigues' formula); smooth at zero.

    .. math:: R = I + \frac{\sin\theta}{\theta} K + \frac{1 - \cos\theta}{\theta^2} K^2,
        \qquad K = [\omega]_\times,\ \theta = \lVert\omega\rVert

    Reference: A micro Lie theory for state estimation in robotics (Solà et al., 2018), eq. 145,
        https://arxiv.org/abs/1812.01537

    Example:
        >>> exp(torch.zeros(3)).diagonal()
        tensor([1., 1., 1.])
    """
    return roma.rotvec_to_rotmat(rotvec)


def log(rotation: Float[Tensor, "*batch 3 3"]) -> Float[Tensor, "*batch 3"]:
    """Rotation vector of a rotation, of length at most pi; at a half-turn one of the two signs.

    Example:
        >>> log(exp(torch.tensor([0.1, 0.2, 0.3])))
        tensor([0.1000, 0.2000, 0.3000])
    """
    return roma.rotmat_to_rotvec(rotation)


def geodesic_distance(
    first: Float[Tensor, "*#batch 3 3"], second: Float[Tensor, "*#batch 3 3"]
) -> Float[Tensor, "*#batch"]:
    r"""Angle of the rotation between two rotations, in [0, pi]; batches broadcast.

    .. math:: \theta = \operatorname{atan2}\left(\tfrac12\lVert M - M^\top\rVert_{\vee},\
        \tfrac12(\operatorname{tr} M - 1)\right), \qquad M = A^\top B

    The sine and the cosine together keep full relative precision at angles near zero and near pi, where
    an arc cosine alone loses half of the digits; the gradient is finite everywhere (zero at angle 0 and pi).

    Example:
        >>> geodesic_distance(torch.eye(3), rotation_z(torch.tensor(0.25)))
        tensor(0.2500)
    """
    relative = first.mT @ second
    # Half the vector of the antisymmetric part is sin(angle) times the axis; vector_norm has gradient 0 at 0.
    axis = torch.stack(
        [
            relative[..., 2, 1] - relative[..., 1, 2],
            relative[..., 0, 2] - relative[..., 2, 0],
            relative[..., 1, 0] - relative[..., 0, 1],
        ],
        -1,
    )
    sin = torch.linalg.vector_norm(axis, dim=-1) / 2
    cos = (relative.diagonal(dim1=-2, dim2=-1).sum(-1) - 1) / 2
    return torch.atan2(sin, cos)


def nearest_rotation(matrix: Float[Tensor, "*batch 3 3"]) -> Float[Tensor, "*batch 3 3"]:
    r"""Rotation nearest to a matrix in the Frobenius norm (special orthogonal Procrustes).

    .. math:: \operatorname*{argmin}_{R \in SO(3)} \lVert R - M \rVert_F
        = U \operatorname{diag}(1, 1, \det U V^\top)\, V^\top, \qquad M = U \Sigma V^\top

    Example:
        >>> nearest_rotation(2 * torch.eye(3)).diagonal()
        tensor([1., 1., 1.])
    """
    rotation = roma.special_procrustes(matrix)
    assert isinstance(rotation, Tensor)  # a pair only when singular values are asked for
    return rotation


def rotation_defect(matrix: Float[Tensor, "*batch 3 3"]) -> Float[Tensor, "*batch"]:
    r"""How far a matrix is from being a rotation: the largest of :math:`|\operatorname{cof}R-R|_{ij}` and
    :math:`|\tfrac13\lVert R\rVert^2-1|`.

    A matrix is its own cofactor matrix when it is a rotation or zero; so this vanishes for rotations only. Entry by
    entry, and so exact also where matrix products are rounded to TF32 or bfloat16.

    Example:
        >>> rotation_defect(torch.diag(torch.tensor([1.0, 1.0, -1.0])))
        tensor(2.)
    """
    off = (_cofactor(matrix) - matrix).flatten(-2).abs().amax(-1)
    return torch.maximum(off, (matrix.flatten(-2).square().sum(-1) / 3 - 1).abs())


def _cofactor(matrix: Float[Tensor, "*batch 3 3"]) -> Float[Tensor, "*batch 3 3"]:
    """Row i is the cross product of the next two rows, cyclically."""
    return torch.linalg.cross(matrix.roll(-1, -2), matrix.roll(-2, -2), dim=-1)


def random_rotations(
    *size: int,
    generator: torch.Generator | None = None,
    dtype: torch.dtype | None = None,
    device: torch.device | str | None = None,
) -> Float[Tensor, "*size 3 3"]:
    """Rotations drawn uniformly (Haar measure): matrices of normalised Gaussian quaternions.

    Example:
        >>> random_rotations(2, 5, generator=torch.Generator().manual_seed(0)).shape
        torch.Size([2, 5, 3, 3])
    """
    # Drawn here and not by roma.random_unitquat, which does not pass the generator on to every draw.
    quat_xyzw = torch.randn(*size, 4, generator=generator, dtype=dtype, device=device)
    return quat_xyzw_to_matrix(quat_xyzw)


def from_euler_zyz(
    alpha: Float[Tensor, "*batch"], beta: Float[Tensor, "*batch"], gamma: Float[Tensor, "*batch"]
) -> Float[Tensor, "*batch 3 3"]:
    r"""Rotation of ZYZ Euler angles, :math:`R = R_z(\alpha) R_y(\beta) R_z(\gamma)`.

    Example:
        >>> angles = torch.tensor([0.1, 0.2, 0.3])
        >>> torch.stack(to_euler_zyz(from_euler_zyz(*angles)))
        tensor([0.1000, 0.2000, 0.3000])
    """
    return rotation_z(alpha) @ rotation_y(beta) @ rotation_z(gamma)


def to_euler_zyz(
    rotation: Float[Tensor, "*batch 3 3"],
) -> tuple[Float[Tensor, "*batch"], Float[Tensor, "*batch"], Float[Tensor, "*batch"]]:
    r"""ZYZ Euler angles ``(alpha, beta, gamma)``: beta in [0, pi], alpha and gamma in [-pi, pi].

    The half-angle form of the quaternion gives :math:`(\alpha\pm\gamma)/2` to full precision for every beta. At
    beta = 0 and pi only one of the two is determined; the other is 0 there and gets no gradient.

    Example:
        >>> to_euler_zyz(torch.eye(3))
        (tensor(0.), tensor(0.), tensor(0.))
    """
    x, y, z, w = matrix_to_quat_xyzw(rotation).unbind(-1)
    beta = 2 * torch.atan2(_norm(x, y), _norm(z, w))
    half_sum, half_difference = _safe_atan2(z, w), _safe_atan2(-x, y)
    return _wrap(half_sum + half_difference), beta, _wrap(half_sum - half_difference)


def _norm(first: Float[Tensor, "*batch"], second: Float[Tensor, "*batch"]) -> Float[Tensor, "*batch"]:
    """Length of a plane vector, with gradient 0 at 0."""
    return torch.linalg.vector_norm(torch.stack([first, second]), dim=0)


def _safe_atan2(y: Float[Tensor, "*batch"], x: Float[Tensor, "*batch"]) -> Float[Tensor, "*batch"]:
    """``atan2`` that is 0 with gradient 0 at the origin."""
    # Double where: the unused branch must not produce the NaN gradient 0/0 either.
    origin = (x == 0) & (y == 0)
    return torch.atan2(torch.where(origin, 0, y), torch.where(origin, 1, x))


def _wrap(angle: Float[Tensor, "*batch"]) -> Float[Tensor, "*batch"]:
    """The same angle in [-pi, pi]."""
    return angle - 2 * torch.pi * torch.round(angle / (2 * torch.pi))


def quat_xyzw_to_matrix(quat_xyzw: Float[Tensor, "*batch 4"]) -> Float[Tensor, "*batch 3 3"]:
    """Rotation of a quaternion (x, y, z, w), which is normalised first.

    Example:
        >>> quat_xyzw_to_matrix(torch.tensor([0.0, 0.0, 0.0, 2.0])).diagonal()
        tensor([1., 1., 1.])
    """
    return roma.unitquat_to_rotmat(quat_xyzw / torch.linalg.vector_norm(quat_xyzw, dim=-1, keepdim=True))


def matrix_to_quat_xyzw(rotation: Float[Tensor, "*batch 3 3"]) -> Float[Tensor, "*batch 4"]:
    """Unit quaternion (x, y, z, w) of a rotation; which of the two signs is unspecified.

    Example:
        >>> matrix_to_quat_xyzw(torch.eye(3)).abs()
        tensor([0., 0., 0., 1.])
    """
    return roma.rotmat_to_unitquat(rotation)


def quat_wxyz_to_matrix(quat_wxyz: Float[Tensor, "*batch 4"]) -> Float[Tensor, "*batch 3 3"]:
    """Rotation of a quaternion (w, x, y, z), which is normalised first.

    Example:
        >>> quat_wxyz_to_matrix(torch.tensor([1.0, 0.0, 0.0, 0.0])).diagonal()
        tensor([1., 1., 1.])
    """
    return quat_xyzw_to_matrix(quat_wxyz.roll(-1, -1))


def matrix_to_quat_wxyz(rotation: Float[Tensor, "*batch 3 3"]) -> Float[Tensor, "*batch 4"]:
    """Unit quaternion (w, x, y, z) of a rotation; which of the two signs is unspecified.

    Example:
        >>> matrix_to_quat_wxyz(torch.eye(3)).abs()
        tensor([1., 0., 0., 0.])
    """
    return matrix_to_quat_xyzw(rotation).roll(1, -1)


# How far rounding takes a rotation: float64 ones often come from float32 files (4e-7) and products of those, float32
# ones from text with four decimals or long products. A matrix that is wrong by mistake is off by far more.
ROTATION_TOLERANCE = {torch.float64: 1e-5, torch.float32: 1e-3}


def require_alike(tensor: Tensor, like: Tensor) -> None:
    """Raise ValueError when two tensors that meet differ in dtype or device.

    Example:
        >>> require_alike(torch.eye(3), torch.ones(5))
    """
    if tensor.device != like.device:
        raise ValueError(f"expected both on device {like.device}, got {tensor.device}; move one with .to(device)")
    kind = like.device.type
    if tensor.dtype == like.dtype or (torch.amp.is_autocast_available(kind) and torch.is_autocast_enabled(kind)):
        return
    raise ValueError(f"expected both of dtype {like.dtype}, got {tensor.dtype}; cast one with .to(dtype)")


def require_rotations(rotation: Tensor, like: Tensor | None = None) -> None:
    """Raise ValueError unless all matrices are finite rotations, of the dtype and device of ``like`` where it is given.

    Values are looked at only where there are any: not while torch compiles, exports or maps (``vmap``).

    Example:
        >>> require_rotations(torch.eye(3))
    """
    if rotation.shape[-2:] != (3, 3):
        raise ValueError(
            f"expected rotations with last axes (3, 3), got shape {tuple(rotation.shape)}; see from_euler_zyz"
        )
    if like is not None:
        require_alike(rotation, like)
    if torch.compiler.is_compiling() or not rotation.numel():
        return
    try:
        # rotation_defect in fewer operations.
        matrix = rotation.detach()
        off, size = (_cofactor(matrix) - matrix).abs().max().item(), matrix.square().sum((-2, -1)).min().item()
    except RuntimeError:  # vmap and tensors without storage have no values
        return
    worst = 1.0 if size <= 1 else off
    if not worst <= ROTATION_TOLERANCE.get(rotation.dtype, 2e-2):
        raise ValueError(
            f"expected rotation matrices (R^T R = 1, det R = 1), got one that is off by {worst:.2g}; "
            "normalise with nearest_rotation, leave out non-finite ones"
        )
