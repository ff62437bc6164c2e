"""Every labelled line of docs/conventions.md, asserted; one test per label, named after it."""

import inspect
import json
import math
import re
import sys
from pathlib import Path

import pytest
import torch
from PIL import Image
from torch import Tensor

from armillary import so3
from armillary.data import camera, normals, open_dataset
from armillary.distributions import HarmonicDistribution, Uniform
from armillary.evaluation import log_likelihood
from armillary.harmonics import evaluate_so3, s2_size, so3_size, spherical_harmonics, wigner_D
from armillary.so3 import SymmetryGroup, rotation_x, rotation_y, rotation_z

PAGE = Path(__file__).parents[1] / "docs" / "conventions.md"
ATOL = 1e-13  # a few products of 3x3 or 7x7 float64 matrices


def angle(value: float) -> Tensor:
    return torch.tensor(value, dtype=torch.float64)


def unit_vectors(generator: torch.Generator, count: int = 20) -> Tensor:
    return torch.nn.functional.normalize(torch.randn(count, 3, generator=generator, dtype=torch.float64), dim=-1)


def assert_same(a: Tensor, b: Tensor) -> None:
    torch.testing.assert_close(a, b, rtol=0, atol=ATOL)


def test_every_labelled_line_has_its_test() -> None:
    labels = re.findall(r"^- \*\*(\w+)\*\*", PAGE.read_text(), re.MULTILINE)
    functions = inspect.getmembers(sys.modules[__name__], inspect.isfunction)
    tested = [name.split("_")[1].upper() for name, _ in functions if re.match(r"test_[a-z]\d_", name)]
    assert sorted(labels) == sorted(tested)


def test_r1_rotations_are_active_matrices_acting_on_columns() -> None:
    point, translation = (
        torch.tensor([[0.1, 0.2, 0.3]], dtype=torch.float64),
        torch.tensor([0.0, 0.0, 2.0], dtype=torch.float64),
    )
    rotation, intrinsics = rotation_z(angle(math.pi / 2)), torch.eye(3, dtype=torch.float64)
    in_camera = rotation @ point[0] + translation
    assert_same(in_camera, torch.tensor([-0.2, 0.1, 2.3], dtype=torch.float64))
    pixels = camera.project(point, rotation, translation, intrinsics)
    assert_same(pixels[0], in_camera[:2] / in_camera[2])


def test_r2_axis_rotations_are_right_handed() -> None:
    x, y, z = torch.eye(3, dtype=torch.float64)
    quarter = angle(math.pi / 2)
    assert_same(rotation_z(quarter) @ x, y)
    assert_same(rotation_x(quarter) @ y, z)
    assert_same(rotation_y(quarter) @ z, x)


def test_r3_euler_angles_are_zyz() -> None:
    a, b, c = angle(0.3), angle(1.1), angle(-2.0)
    rotation = so3.from_euler_zyz(a, b, c)
    assert_same(rotation, rotation_z(a) @ rotation_y(b) @ rotation_z(c))
    assert_same(torch.stack(so3.to_euler_zyz(rotation)), torch.stack([a, b, c]))


def test_r4_quaternions_name_their_order() -> None:
    half = math.sqrt(0.5)
    quarter_about_z = rotation_z(angle(math.pi / 2))
    for sign in (1, -1):
        assert_same(
            so3.quat_xyzw_to_matrix(sign * torch.tensor([0, 0, half, half], dtype=torch.float64)), quarter_about_z
        )
        assert_same(
            so3.quat_wxyz_to_matrix(sign * torch.tensor([half, 0, 0, half], dtype=torch.float64)), quarter_about_z
        )


def test_r5_distance_is_the_angle_in_radians() -> None:
    for value in (0.0, 0.7, math.pi):
        assert_same(so3.geodesic_distance(rotation_x(angle(0.2)), rotation_x(angle(0.2 + value))), angle(value))


def test_r6_the_same_generator_state_gives_the_same_numbers() -> None:
    density = HarmonicDistribution(0.1 * torch.randn(so3_size(2)))
    for draw in (lambda g: so3.random_rotations(5, generator=g), lambda g: density.sample((5,), generator=g)):
        first, second = (draw(torch.Generator().manual_seed(3)) for _ in range(2))
        assert torch.equal(first, second)


def test_r7_viewpoints_are_where_the_camera_stands() -> None:
    a, e, t = angle(0.4), angle(0.3), angle(-0.2)
    rotation = so3.viewpoint_to_matrix(a, e, t)
    assert_same(rotation, rotation_z(-t) @ rotation_x(math.pi / 2 + e) @ rotation_z(-a))
    # The optical axis points from the camera to the object.
    assert_same(-rotation[2], torch.stack([e.cos() * a.sin(), -e.cos() * a.cos(), e.sin()]))
    # Untilted, up is up in the picture, whose y points down; a positive tilt turns it to the left.
    up = torch.tensor([0.0, 0.0, 1.0], dtype=torch.float64)
    assert (so3.viewpoint_to_matrix(a, e, angle(0.0)) @ up)[1] < 0
    assert (so3.viewpoint_to_matrix(a, e, angle(0.1)) @ up)[0] < 0


def test_o1_symmetry_acts_from_the_right(generator: torch.Generator) -> None:
    cube = SymmetryGroup.octahedral()
    rotation = so3.random_rotations(generator=generator, dtype=torch.float64)
    assert_same(cube.equivalents(rotation), rotation @ cube.elements())
    assert cube.distance(rotation, rotation @ cube.elements()[7]) < ATOL


def test_o2_groups_stand_in_the_standard_orientation() -> None:
    def has(group: SymmetryGroup, turn: Tensor) -> bool:
        return bool(group.distance(torch.eye(3, dtype=torch.float64), turn) < ATOL)

    half, quarter = angle(math.pi), angle(math.pi / 2)
    assert has(SymmetryGroup.cyclic(4), rotation_z(quarter)) and has(SymmetryGroup.axial(), rotation_z(angle(0.1)))
    for group in (SymmetryGroup.dihedral(5), SymmetryGroup.dihedral_axial()):
        assert has(group, rotation_x(half)) and has(group, rotation_z(angle(2 * math.pi / 5)))
    for turn in (rotation_x, rotation_y, rotation_z):
        for group in (SymmetryGroup.tetrahedral(), SymmetryGroup.icosahedral()):
            assert has(group, turn(half)) and not has(group, turn(quarter))
        assert has(SymmetryGroup.octahedral(), turn(quarter))
    icosahedral = SymmetryGroup.icosahedral()
    assert icosahedral.distance(torch.eye(3).double(), SymmetryGroup.tetrahedral().elements()).max() < ATOL


def test_o3_the_camera_has_opencv_axes_and_turns_about_its_z(generator: torch.Generator) -> None:
    intrinsics = torch.tensor([[100.0, 0, 50], [0, 100, 40], [0, 0, 1]], dtype=torch.float64)
    identity, ahead = torch.eye(3, dtype=torch.float64), torch.tensor([0.0, 0, 2], dtype=torch.float64)
    right_and_down = camera.project(torch.tensor([[0.2, 0.4, 0.0]], dtype=torch.float64), identity, ahead, intrinsics)
    assert_same(right_and_down, torch.tensor([[60.0, 60.0]], dtype=torch.float64))
    # Turning the picture about the principal point turns the rotation about z.
    points, rotation = torch.rand(5, 3, generator=generator).double(), rotation_x(angle(0.4))
    turn = rotation_z(angle(0.3))
    centre = intrinsics[:2, 2]
    picture = camera.project(points, rotation, ahead, intrinsics)
    turned = camera.project(points, turn @ rotation, ahead, intrinsics)
    assert_same(turned - centre, (picture - centre) @ turn[:2, :2].T)


def test_o4_only_bop_files_hold_millimetres(tmp_path: Path) -> None:
    scene = tmp_path / "train" / "000001"
    (scene / "rgb").mkdir(parents=True)
    Image.new("RGB", (4, 4)).save(scene / "rgb" / "000000.png")
    pose = {"obj_id": 1, "cam_R_m2c": [1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0], "cam_t_m2c": [0.0, 0.0, 500.0]}
    (scene / "scene_gt.json").write_text(json.dumps({"0": [pose]}))
    (scene / "scene_camera.json").write_text(
        json.dumps({"0": {"cam_K": [9.0, 0.0, 2.0, 0.0, 9.0, 2.0, 0.0, 0.0, 1.0]}})
    )
    (tmp_path / "models").mkdir()
    box = {"diameter": 20.0, **{f"min_{axis}": -5.0 for axis in "xyz"}, **{f"size_{axis}": 10.0 for axis in "xyz"}}
    (tmp_path / "models" / "models_info.json").write_text(json.dumps({"1": box}))
    translation = open_dataset(tmp_path, "train")[0].translation
    assert translation is not None and (translation - torch.tensor([0, 0, 0.5])).abs().max() < 1e-7


def test_o5_normals_face_the_camera_and_files_hold_x_z_and_minus_y(tmp_path: Path) -> None:
    # The floor and, seen at a grazing angle, a wall that is turned away from the optical axis.
    floor, wall = torch.tensor([0.0, -0.8, -0.6]), torch.tensor([0.8, 0.0, 0.6])
    assert normals.camera_facing(wall).tolist() == [1.0, 0.0, 0.0]
    normals.write_normals(tmp_path / "a.png", floor[:, None, None].expand(3, 2, 2), bits=8)
    with Image.open(tmp_path / "a.png") as file:
        assert file.convert("RGB").getpixel((1, 1)) == (128, round(0.4 * 128), round(1.8 * 128))


def test_m1_the_uniform_distribution_has_log_prob_zero(generator: torch.Generator) -> None:
    rotations = so3.random_rotations(10, generator=generator)
    assert Uniform().log_prob(rotations).abs().max() == 0
    assert HarmonicDistribution(torch.zeros(so3_size(3))).log_prob(rotations).abs().max() < 1e-5


def test_m2_reports_give_both_measures() -> None:
    assert log_likelihood(torch.zeros(1), "haar") == 0
    assert abs(log_likelihood(torch.zeros(1), "ipdf").item() + 2.289) < 1e-3
    assert abs(log_likelihood(torch.zeros(1).double(), "ipdf").item() + math.log(math.pi**2)) < ATOL


@pytest.mark.parametrize("rule", [so3.gauss_legendre, so3.equiangular, so3.driscoll_healy])
def test_m3_quadrature_weights_sum_to_one(rule) -> None:
    beta, weights = rule(16)
    assert_same(weights.sum(), angle(1.0))
    # The measure sin(b)/2 db gives cos^2 the mean 1/3.
    assert_same((weights * beta.cos() ** 2).sum(), angle(1 / 3))


def test_h1_harmonics_are_orthonormal_for_the_normalised_measure() -> None:
    beta, weights = so3.gauss_legendre(8)
    phi = torch.arange(16, dtype=torch.float64) * math.tau / 16
    b, p = torch.meshgrid(beta, phi, indexing="ij")
    points = torch.stack([b.sin() * p.cos(), b.sin() * p.sin(), b.cos()], -1)
    values = spherical_harmonics(4, points)
    assert_same(values[..., 0], torch.ones_like(b))
    gram = torch.einsum("b,bpi,bpj->ij", weights, values, values) / 16
    assert_same(gram, torch.eye(s2_size(4), dtype=torch.float64))


def test_h2_lmax_is_inclusive_and_the_flat_index_is_l_l_plus_l_plus_m() -> None:
    lmax = 5
    order = [(l, m) for l in range(lmax + 1) for m in range(-l, l + 1)]
    assert [l * l + l + m for l, m in order] == list(range(s2_size(lmax)))
    assert s2_size(lmax) == (lmax + 1) ** 2 == spherical_harmonics(lmax, torch.eye(3)).shape[-1]


def test_h3_degree_one_is_y_z_x(generator: torch.Generator) -> None:
    points = unit_vectors(generator)
    assert_same(spherical_harmonics(1, points)[:, 1:], math.sqrt(3) * points[:, [1, 2, 0]])
    rotation = so3.random_rotations(5, generator=generator, dtype=torch.float64)
    permutation = torch.eye(3, dtype=torch.float64)[[1, 2, 0]]
    assert_same(wigner_D(1, rotation)[:, 1:].unflatten(-1, (3, 3)), permutation @ rotation @ permutation.T)


def test_h4_rotating_the_point_multiplies_by_wigner_d(generator: torch.Generator) -> None:
    points, rotation = unit_vectors(generator), so3.random_rotations(generator=generator, dtype=torch.float64)
    before, after = spherical_harmonics(3, points), spherical_harmonics(3, points @ rotation.T)
    flat = wigner_D(3, rotation)
    for l in range(4):
        block = flat[so3_size(l - 1) if l else 0 : so3_size(l)].reshape(2 * l + 1, 2 * l + 1)
        assert_same(after[:, l * l : (l + 1) ** 2], before[:, l * l : (l + 1) ** 2] @ block.T)


def test_h5_so3_modes_are_ordered_l_m_n(generator: torch.Generator) -> None:
    lmax = 3
    order = [(l, m, n) for l in range(lmax + 1) for m in range(-l, l + 1) for n in range(-l, l + 1)]
    assert len(order) == so3_size(lmax)
    # D^l_m0 (Rz(a) Ry(b) Rz(g)) is Y_lm(b, a) / sqrt(2l+1): the image of the pole tells m from n.
    rotation = so3.random_rotations(generator=generator, dtype=torch.float64)
    flat, image = wigner_D(lmax, rotation), spherical_harmonics(lmax, rotation[:, 2])
    for l in range(lmax + 1):
        for m in range(-l, l + 1):
            assert_same(flat[order.index((l, m, 0))] * math.sqrt(2 * l + 1), image[l * l + l + m])


def test_h6_modes_multiply_sqrt_2l_plus_1_wigner_d(generator: torch.Generator) -> None:
    lmax = 3
    coeffs = torch.randn(so3_size(lmax), generator=generator, dtype=torch.float64)
    rotation = so3.random_rotations(generator=generator, dtype=torch.float64)
    degrees = torch.tensor([l for l in range(lmax + 1) for _ in range((2 * l + 1) ** 2)], dtype=torch.float64)
    scale = (2 * degrees + 1).sqrt()
    assert_same(evaluate_so3(coeffs, rotation), (coeffs * scale * wigner_D(lmax, rotation)).sum())


def test_g1_the_sphere_grid_is_healpix_nested() -> None:
    points = so3.s2_grid(1, dtype=torch.float64)
    assert len(points) == 48
    # Four nested children surround their parent.
    parents = torch.nn.functional.normalize(points.reshape(12, 4, 3).mean(1), dim=-1)
    assert (parents * so3.s2_grid(0, dtype=torch.float64)).sum(-1).min() > math.cos(math.radians(3))


def test_g2_the_so3_grid_is_pixel_times_tilt() -> None:
    level, pixel, tilt = 1, 30, 7
    n_tilt = so3.tilt_count(level)
    assert n_tilt == 12 and len(so3.so3_grid(level)) == 576
    x, y, z = so3.s2_grid(level, dtype=torch.float64)[pixel]
    phi, theta, psi = torch.atan2(y, x), torch.acos(z), angle((tilt + 0.5) * math.tau / n_tilt)
    cell = so3.so3_grid(level, dtype=torch.float64)[pixel * n_tilt + tilt]
    assert_same(cell, rotation_z(phi) @ rotation_y(theta) @ rotation_z(psi))
