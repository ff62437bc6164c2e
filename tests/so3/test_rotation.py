"""Laws of rotations, on random rotations and on the special set, with SciPy's Rotation as oracle."""

import math

import numpy as np
import pytest
import torch
from scipy.spatial.transform import Rotation
from torch import Tensor

from armillary import so3

BATCH_SHAPES = [(), (1,), (3, 1, 2), (0,)]


def tol(dtype: torch.dtype) -> float:
    """Rounding of a few chained 3x3 products: their entries are at most 1, so about 50 eps covers all of them."""
    return 50 * torch.finfo(dtype).eps


@pytest.fixture
def rotations(generator: torch.Generator, special_rotations: Tensor) -> Tensor:
    return torch.cat([so3.random_rotations(500, generator=generator, dtype=torch.float64), special_rotations])


def assert_same(a: Tensor, b: Tensor) -> None:
    torch.testing.assert_close(a, b, rtol=0, atol=tol(a.dtype))


def test_rotations_form_a_group(rotations: Tensor) -> None:
    a, b, c = rotations, rotations.roll(7, 0), rotations.flip(0)
    for member in (a, a @ b, a.mT):
        assert so3.rotation_defect(member).max() < tol(torch.float64)
    assert_same((a @ b) @ c, a @ (b @ c))
    assert_same(a @ a.mT, torch.eye(3, dtype=torch.float64).expand_as(a))


def test_axis_rotations_turn_the_axes_in_order() -> None:
    quarter = torch.tensor(math.pi / 2, dtype=torch.float64)
    x, y, z = torch.eye(3, dtype=torch.float64)
    for turn, start, end in ((so3.rotation_x, y, z), (so3.rotation_y, z, x), (so3.rotation_z, x, y)):
        assert_same(turn(quarter) @ start, end)


@pytest.mark.parametrize("axis", "xyz")
def test_axis_rotations_equal_scipy(axis: str, generator: torch.Generator) -> None:
    angle = torch.randn(50, generator=generator, dtype=torch.float64) * 3
    turn = {"x": so3.rotation_x, "y": so3.rotation_y, "z": so3.rotation_z}[axis]
    assert_same(turn(angle), torch.from_numpy(Rotation.from_euler(axis, angle[:, None].numpy()).as_matrix()))


def test_exp_equals_scipy(generator: torch.Generator) -> None:
    rotvec = torch.randn(200, 3, generator=generator, dtype=torch.float64) * 2
    assert_same(so3.exp(rotvec), torch.from_numpy(Rotation.from_rotvec(rotvec.numpy()).as_matrix()))


def test_log_inverts_exp_within_pi(generator: torch.Generator) -> None:
    rotvec = torch.randn(200, 3, generator=generator, dtype=torch.float64)
    rotvec = rotvec / rotvec.norm(dim=-1, keepdim=True) * torch.linspace(0, math.pi - 1e-6, 200)[:, None].double()
    torch.testing.assert_close(so3.log(so3.exp(rotvec)), rotvec, rtol=0, atol=tol(torch.float64))


def test_exp_inverts_log_everywhere(rotations: Tensor) -> None:
    assert_same(so3.exp(so3.log(rotations)), rotations)
    assert so3.log(rotations).norm(dim=-1).max() <= math.pi + tol(torch.float64)


def test_every_map_has_finite_values_and_gradients_on_the_special_set(special_rotations: Tensor) -> None:
    identity = torch.eye(3, dtype=torch.float64)
    maps = [
        so3.log,
        so3.matrix_to_quat_wxyz,
        so3.nearest_rotation,
        so3.rotation_defect,
        lambda r: torch.stack(so3.to_euler_zyz(r)),
        lambda r: so3.geodesic_distance(r, identity),
        lambda r: so3.geodesic_distance(r, special_rotations),
    ]
    for function in maps:
        rotation = special_rotations.clone().requires_grad_()
        value = function(rotation)
        value.sum().backward()
        assert value.isfinite().all()
        assert rotation.grad is not None and rotation.grad.isfinite().all()
    rotvec = torch.zeros(3, dtype=torch.float64, requires_grad=True)
    so3.exp(rotvec).sum().backward()
    assert rotvec.grad is not None and rotvec.grad.isfinite().all()


def test_maps_pass_gradcheck(generator: torch.Generator) -> None:
    rotvec = torch.randn(4, 3, generator=generator, dtype=torch.float64, requires_grad=True)
    other = so3.random_rotations(4, generator=generator, dtype=torch.float64)
    for function in (
        so3.exp,
        lambda v: so3.log(so3.exp(v)),
        lambda v: so3.geodesic_distance(so3.exp(v), other),
        lambda v: torch.stack(so3.to_euler_zyz(so3.exp(v))),
        lambda v: so3.from_euler_zyz(*v.unbind(-1)),
    ):
        assert torch.autograd.gradcheck(function, (rotvec,))


@pytest.mark.parametrize("angle", [0.0, 1e-12, 1e-8, 1e-4, 0.5, 2.0, math.pi - 1e-4, math.pi - 1e-8, math.pi])
def test_geodesic_distance_is_accurate_near_zero_and_pi(angle: float, generator: torch.Generator) -> None:
    axis = torch.nn.functional.normalize(torch.randn(300, 3, generator=generator, dtype=torch.float64), dim=-1)
    first = so3.random_rotations(300, generator=generator, dtype=torch.float64)
    second = first @ so3.exp(axis * angle)
    # The product of three matrices rounds to a few eps; the requirement is 1e-9.
    assert (so3.geodesic_distance(first, second) - angle).abs().max() < 1e-14


def test_geodesic_distance_is_a_bi_invariant_metric(rotations: Tensor) -> None:
    a, b, c, atol = rotations, rotations.roll(11, 0), rotations.flip(0), tol(torch.float64)
    distance = so3.geodesic_distance
    assert distance(a, a).max() < atol
    assert_same(distance(a, b), distance(b, a))
    assert (distance(a, c) <= distance(a, b) + distance(b, c) + atol).all()
    assert_same(distance(c @ a, c @ b), distance(a, b))
    assert_same(distance(a @ c, b @ c), distance(a, b))


def test_geodesic_distance_equals_scipy_and_broadcasts(generator: torch.Generator) -> None:
    a, b = (so3.random_rotations(20, generator=generator, dtype=torch.float64) for _ in range(2))
    relative = Rotation.from_matrix(a.numpy()).inv() * Rotation.from_matrix(b.numpy())
    assert_same(so3.geodesic_distance(a, b), torch.from_numpy(relative.magnitude()))
    table = so3.geodesic_distance(a[:, None], b)
    assert table.shape == (20, 20)
    assert_same(table.diagonal(), so3.geodesic_distance(a, b))


def test_geodesic_distance_keeps_float32_accuracy() -> None:
    angle = torch.tensor([0.0, 1e-4, 0.5, 3.0, 3.1415])
    distance = so3.geodesic_distance(torch.eye(3), so3.rotation_y(angle))
    torch.testing.assert_close(distance, angle, rtol=0, atol=tol(torch.float32))


def test_conversions_round_trip(rotations: Tensor) -> None:
    assert_same(so3.quat_xyzw_to_matrix(so3.matrix_to_quat_xyzw(rotations)), rotations)
    assert_same(so3.quat_wxyz_to_matrix(so3.matrix_to_quat_wxyz(rotations)), rotations)
    assert_same(so3.from_euler_zyz(*so3.to_euler_zyz(rotations)), rotations)
    assert_same(so3.nearest_rotation(rotations), rotations)


def test_euler_angles_lie_in_their_ranges_and_equal_scipy(rotations: Tensor) -> None:
    alpha, beta, gamma = so3.to_euler_zyz(rotations)
    assert max(alpha.abs().max(), gamma.abs().max()) <= math.pi + 1e-15
    assert beta.min() >= 0 and beta.max() <= math.pi + 1e-15
    expected = Rotation.from_euler("ZYZ", torch.stack([alpha, beta, gamma], -1).numpy()).as_matrix()
    assert_same(so3.from_euler_zyz(alpha, beta, gamma), torch.from_numpy(expected))


def test_quaternions_equal_scipy_up_to_sign(rotations: Tensor) -> None:
    ours = so3.matrix_to_quat_xyzw(rotations)
    scipys = torch.from_numpy(Rotation.from_matrix(rotations.numpy()).as_quat())
    assert_same((ours * scipys).sum(-1).abs(), torch.ones(len(ours), dtype=torch.float64))
    assert_same(so3.matrix_to_quat_wxyz(rotations), ours[:, [3, 0, 1, 2]])


def test_nearest_rotation_beats_every_other_rotation(generator: torch.Generator) -> None:
    matrix = torch.randn(50, 3, 3, generator=generator, dtype=torch.float64)
    nearest = so3.nearest_rotation(matrix)
    assert so3.rotation_defect(nearest).max() < tol(torch.float64)
    others = so3.random_rotations(2000, generator=generator, dtype=torch.float64)
    error = (nearest - matrix).norm(dim=(-2, -1))
    assert (error[:, None] <= (others - matrix[:, None]).norm(dim=(-2, -1)) + tol(torch.float64)).all()


def test_rotation_defect_sees_reflection_scale_and_shear() -> None:
    identity = torch.eye(3, dtype=torch.float64)
    assert so3.rotation_defect(identity) == 0
    assert so3.rotation_defect(-identity) == 2
    assert so3.rotation_defect(1.01 * identity) > 0.02
    assert so3.rotation_defect(identity + 1e-3 * identity.roll(1, 0)) > 9e-4
    assert so3.rotation_defect(0 * identity) == 1


def test_rotation_defect_vanishes_where_gram_matrix_and_determinant_are_those_of_a_rotation(
    rotations: Tensor, generator: torch.Generator
) -> None:
    noise = torch.randn(rotations.shape, generator=generator, dtype=torch.float64)
    for size in (1e-9, 1e-6, 1e-3):
        matrix = rotations + size * noise
        gram = (matrix.mT @ matrix - torch.eye(3, dtype=torch.float64)).abs().amax((-2, -1))
        usual = torch.maximum(gram, (torch.linalg.det(matrix) - 1).abs())
        # The cofactors differ from the matrix to first order where the Gram matrix differs from 1, and the reverse.
        ratio = so3.rotation_defect(matrix) / usual
        assert 0.2 < ratio.min() and ratio.max() < 5


def test_random_rotations_reproduce_from_their_generator() -> None:
    first, second = (so3.random_rotations(50, generator=torch.Generator().manual_seed(7)) for _ in range(2))
    assert torch.equal(first, second)
    assert not torch.equal(first, so3.random_rotations(50, generator=torch.Generator().manual_seed(8)))


def test_random_rotations_are_uniform(generator: torch.Generator) -> None:
    rotations = so3.random_rotations(40_000, generator=generator, dtype=torch.float64)
    # Haar: E[R] = 0, E[R_ij R_kl] = delta_ik delta_jl / 3; five standard errors at n = 40,000.
    flat = rotations.flatten(1)
    assert flat.mean(0).abs().max() < 5 * math.sqrt(1 / 3 / 40_000)
    assert (flat.T @ flat / 40_000 - torch.eye(9) / 3).abs().max() < 5 * math.sqrt(0.2 / 40_000)
    # The angle to any fixed rotation has the distribution function (t - sin t) / pi.
    angle = so3.geodesic_distance(rotations, so3.rotation_x(torch.tensor(1.0, dtype=torch.float64))).sort().values
    expected = (angle - angle.sin()) / math.pi
    assert (expected - torch.linspace(0, 1, 40_000, dtype=torch.float64)).abs().max() < 1.95 / math.sqrt(40_000)


@pytest.mark.parametrize("shape", BATCH_SHAPES)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_batch_shape_and_dtype_are_kept(shape: tuple[int, ...], dtype: torch.dtype) -> None:
    rotation = so3.random_rotations(*shape, dtype=dtype)
    assert rotation.shape == (*shape, 3, 3) and rotation.dtype == dtype
    results = [
        so3.log(rotation).sum(-1),
        so3.geodesic_distance(rotation, rotation),
        so3.rotation_defect(rotation),
        so3.matrix_to_quat_wxyz(rotation).sum(-1),
        so3.nearest_rotation(rotation)[..., 0, 0],
        *so3.to_euler_zyz(rotation),
    ]
    for result in results:
        assert result.shape == shape and result.dtype == dtype


def test_random_rotations_default_to_the_default_dtype() -> None:
    assert so3.random_rotations(2).dtype == torch.get_default_dtype() == torch.float32
    assert np.isfinite(so3.random_rotations(2).numpy()).all()
