"""MSSD, MSPD and symmetries against BOP's definitions written out, and VSD on plates of known answer and in full."""

import math

import numpy as np
import pytest
import torch
from scipy.spatial.transform import Rotation

from armillary.data import Mesh, Renderer, Shape, make_shape, make_solid
from armillary.evaluation.pose import ObjectModel, mspd, mssd, symmetry_transforms, vsd
from armillary.evaluation.pose.visible_surface import TAUS, discrepancy
from armillary.so3 import SymmetryGroup, random_rotations

# A half-turn about z through (0.01, 0, 0) m, and any turn about an axis beside the origin; millimetres.
HALF_TURN = [-1, 0, 0, 20, 0, -1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1]
ENTRY = {
    "symmetries_discrete": [HALF_TURN],
    "symmetries_continuous": [{"axis": [0, 2, 1], "offset": [3, 0, 5]}, {"axis": [0, 0, 1], "offset": [10, 0, 0]}],
}


def bop_symmetries(entry: dict, step: float) -> list[tuple[np.ndarray, np.ndarray]]:
    """misc.get_symmetry_transformations, in words of scipy; millimetres."""
    discrete = [(np.eye(3), np.zeros(3))]
    for numbers in entry.get("symmetries_discrete", []):
        matrix = np.reshape(numbers, (4, 4))
        discrete.append((matrix[:3, :3], matrix[:3, 3]))
    continuous = []
    for each in entry.get("symmetries_continuous", []):
        axis, offset = np.array(each["axis"], dtype=float), np.array(each["offset"], dtype=float)
        count = int(np.ceil(np.pi / step))
        for number in range(count):
            turn = Rotation.from_rotvec(axis / np.linalg.norm(axis) * number * 2 * np.pi / count).as_matrix()
            continuous.append((turn, -turn @ offset + offset))
    if not continuous:
        return discrete
    return [(C @ D, C @ d + c) for D, d in discrete for C, c in continuous]


@pytest.mark.parametrize("keys", [(), ("symmetries_discrete",), ("symmetries_continuous",), tuple(ENTRY)])
def test_symmetries_are_those_of_the_toolkit(keys: tuple[str, ...]):
    entry = {key: ENTRY[key] for key in keys}
    turns, shifts = symmetry_transforms(entry, step=0.2)
    expected = bop_symmetries(entry, 0.2)
    assert len(turns) == len(expected)
    for turn, shift, (R, t) in zip(turns, shifts, expected, strict=True):
        # Rounding of sines in float64; metres.
        assert np.abs(turn.numpy() - R).max() < 1e-14 and np.abs(shift.numpy() - t / 1000).max() < 1e-14


def poses(count: int, generator: torch.Generator) -> list[torch.Tensor]:
    """Answers near true poses, float64."""
    true = random_rotations(count, generator=generator, dtype=torch.float64)
    near = random_rotations(count, generator=generator, dtype=torch.float64)
    place = torch.randn(count, 3, generator=generator, dtype=torch.float64) * 0.1 + torch.tensor([0.0, 0, 2])
    shift = torch.randn(count, 3, generator=generator, dtype=torch.float64) * 0.05
    return [near, place + shift, true, place]


@pytest.mark.parametrize("entry", [{}, ENTRY], ids=["plain", "symmetric"])
def test_mssd_and_mspd_are_those_of_the_definition(entry: dict, generator: torch.Generator):
    mesh = make_shape("satellite", 1).mesh.centred().scaled(0.3)
    model = ObjectModel(mesh, 0.6, *symmetry_transforms(entry, step=0.5))
    turn, place, true_turn, true_place = poses(6, generator)
    K = torch.tensor([[500.0, 0, 320], [0, 480, 240], [0, 0, 1]], dtype=torch.float64).expand(6, 3, 3)
    in_space = mssd(turn, place, true_turn, true_place, model)
    in_picture = mspd(turn, place, true_turn, true_place, K, model)
    points = mesh.vertices.double().numpy()
    for index in range(6):
        R, t, Rg, tg, k = (x[index].numpy() for x in (turn, place, true_turn, true_place, K))

        def flat(x: np.ndarray, k: np.ndarray = k) -> np.ndarray:
            return (x @ k.T)[:, :2] / (x @ k.T)[:, 2:]

        seen, metres, pixels = points @ R.T + t, [], []
        for S, s in bop_symmetries(entry, 0.5):
            other = points @ (Rg @ S).T + Rg @ (s / 1000) + tg
            metres.append(np.linalg.norm(seen - other, axis=1).max())
            pixels.append(np.linalg.norm(flat(seen) - flat(other), axis=1).max())
        assert in_space[index].item() == pytest.approx(min(metres), abs=1e-12)
        assert in_picture[index].item() == pytest.approx(min(pixels), abs=1e-9)


def test_equivalent_poses_have_no_error():
    cube = ObjectModel.of_shape(make_solid("cube"))
    true, place = torch.eye(3)[None].double(), torch.tensor([[0.1, 0.2, 6.0]]).double()
    quarter = torch.from_numpy(Rotation.from_euler("z", 90, degrees=True).as_matrix())[None]
    K = torch.diag(torch.tensor([300.0, 300, 1]))[None]
    assert mssd(quarter, place, true, place, cube).item() < 1e-7
    assert mspd(quarter, place, true, place, K, cube).item() < 1e-4
    eighth = torch.from_numpy(Rotation.from_euler("z", 45, degrees=True).as_matrix())[None]
    # A corner at distance r of the axis moves by 2 r sin(45 / 2 degrees).
    radius = cube.mesh.vertices[:, :2].norm(dim=1).max().item()
    expected = 2 * radius * math.sin(math.pi / 8)
    assert mssd(eighth, place, true, place, cube).item() == pytest.approx(expected, rel=1e-6)


def test_steps_of_a_continuous_symmetry_are_fine_enough():
    bottle = make_solid("cyl")
    model = ObjectModel.of_shape(bottle)
    generator = torch.Generator().manual_seed(1)
    angle = torch.rand(50, generator=generator, dtype=torch.float64) * 2 * math.pi
    turn = torch.from_numpy(Rotation.from_rotvec(angle[:, None].numpy() * [0, 0, 1]).as_matrix())
    place = torch.zeros(50, 3, dtype=torch.float64)
    error = mssd(turn, place, torch.eye(3).double().expand(50, 3, 3), place, model)
    # Half a step of at most a hundredth of the diameter.
    assert error.max().item() < 0.01 * model.diameter / 2 + 1e-9


def test_an_answer_that_reaches_behind_the_camera_is_infinitely_far_in_the_picture():
    cube, eye = ObjectModel.of_shape(make_solid("cube")), torch.eye(3)[None]
    place = torch.tensor([[0.0, 0, 5]])
    assert mspd(eye, place * 0, eye, place, eye, cube).item() == math.inf


F, CENTRE, SIDE = 100.0, 49.5, 20


def plate(depth: float, side: int = SIDE) -> Mesh:
    """A square of `side` pixels' breadth, seen from `depth`."""
    half = side / 2 * depth / F
    corners = torch.tensor([[-half, -half, 0], [half, -half, 0], [half, half, 0], [-half, half, 0]])
    return Mesh(corners, torch.tensor([[0, 1, 2], [0, 2, 3]]))


def plate_vsd(place: list, true_place: list, depth=None, taus=(0.05,), delta=0.015) -> list[float]:
    """Of the plate whose diameter is taken for 1 m."""
    model = ObjectModel(plate(2.0), 1.0, *symmetry_transforms({}))
    K = torch.tensor([[[F, 0, CENTRE], [0, F, CENTRE], [0, 0, 1]]])
    eye, there, true = torch.eye(3)[None], torch.tensor([place]).float(), torch.tensor([true_place]).float()
    depth = None if depth is None else depth[None]
    return vsd(eye, there, eye, true, K, (100, 100), model, depth, delta, taus)[0].tolist()


def test_a_plate_moved_sideways_has_the_error_of_its_overlap():
    # 20 columns each, 5 apart: 15 in both, 25 in either.
    assert plate_vsd([5 * 2 / F, 0, 2], [0, 0, 2]) == pytest.approx([1 - 15 / 25])
    # Half out of the frame, 10 columns of 20 are left; the other is 3 columns further in.
    assert plate_vsd([-49 * 2 / F, 0, 2], [-46 * 2 / F, 0, 2]) == pytest.approx([1 - 11 / 14], abs=0.01)
    assert plate_vsd([1, 0, 2], [-1, 0, 2]) == [1.0]


def test_a_plate_moved_away_is_wrong_beyond_the_misalignment():
    # From 2.2 m: 9.09 pixels to each side of the middle instead of 10, that is 18 columns of centres instead of 20.
    assert plate_vsd([0, 0, 2.2], [0, 0, 2], taus=(0.05, 0.19, 0.21)) == pytest.approx([1.0, 1.0, 1 - 18**2 / 20**2])


def test_what_stands_in_front_is_left_out_and_no_depth_hides_nothing():
    true, moved = [0.0, 0, 2], [5 * 2 / F, 0, 2]
    scene = torch.full((100, 100), 2.0)
    assert plate_vsd(moved, true, scene) == pytest.approx([1 - 15 / 25])
    # The left half of the true plate is hidden: 10 columns remain, all of them in the other's 20.
    scene[:, :50] = 1.0
    assert plate_vsd(moved, true, scene) == pytest.approx([1 - 10 / 15])
    # Where the depth camera saw nothing the model counts as visible.
    scene[:, :50] = 0.0
    assert plate_vsd(moved, true, scene) == pytest.approx([1 - 15 / 25])
    # Hidden by less than delta: visible. Distances along rays are a little longer than depths.
    scene[:, :50] = 1.99
    assert plate_vsd(moved, true, scene) == pytest.approx([1 - 15 / 25])
    assert plate_vsd(moved, true, scene, delta=0.005) == pytest.approx([1 - 10 / 15])
    # Nothing visible at all.
    assert plate_vsd(moved, true, torch.ones(100, 100)) == [1.0]


def test_where_the_true_model_is_visible_the_answered_one_is_too():
    # Answered 0.3 m behind the wall that shows the true plate: not visible by itself, but where the true one is.
    wall = torch.full((100, 100), 2.0)
    error = plate_vsd([0, 0, 2.3], [0, 0, 2], wall, taus=(0.5,))
    assert error == pytest.approx([1 - 18**2 / 20**2])


def brute_vsd(model: ObjectModel, answer: list, K: torch.Tensor, scene: torch.Tensor, tau: float) -> float:
    """On whole pictures, written with numpy after bop_toolkit's pose_error.vsd."""
    renderer = Renderer((60, 80), backend="torch", antialias=False)
    rows, columns = np.mgrid[:60, :80]
    x, y = (columns - K[0, 2].item()) / K[0, 0].item(), (rows - K[1, 2].item()) / K[1, 1].item()
    reach = np.sqrt(x**2 + y**2 + 1)
    R, t, Rg, tg = (each[None].float() for each in answer)
    est = renderer.render(model.mesh, R, t, K.float()).depth[0].numpy() * reach
    gt = renderer.render(model.mesh, Rg, tg, K.float()).depth[0].numpy() * reach
    test = scene.numpy() * reach
    seen_gt = ((gt - test <= 0.015) | (test == 0)) & (gt > 0)
    seen = ((est - test <= 0.015) | (test == 0)) & (est > 0)
    seen |= seen_gt & (est > 0)
    both, either = seen & seen_gt, seen | seen_gt
    if either.sum() == 0:
        return 1.0
    wrong = np.abs(gt[both] - est[both]) / model.diameter >= tau
    return float((wrong.sum() + either.sum() - both.sum()) / either.sum())


def test_drawing_only_a_window_changes_nothing(generator: torch.Generator):
    model = ObjectModel.of_shape(Shape("satellite", make_shape("satellite", 2).mesh.centred().scaled(0.3)))
    answers = poses(8, generator)
    answers[0][:4] = answers[2][:4] @ torch.from_numpy(Rotation.from_rotvec([0.1, 0.05, 0]).as_matrix())
    K = torch.tensor([[90.0, 0, 41], [0, 95, 28], [0, 0, 1]], dtype=torch.float64)
    scene = torch.rand(8, 60, 80, generator=generator) + 1.6
    scene[:, ::3] = 0
    found = vsd(*answers, K.expand(8, 3, 3), (60, 80), model, scene)
    assert found.shape == (8, 10)
    for index in range(8):
        for number in (0, 4, 9):
            expected = brute_vsd(model, [each[index] for each in answers], K, scene[index], TAUS[number])
            # A pixel whose depth is within rounding of a limit may fall either way.
            assert found[index, number].item() == pytest.approx(expected, abs=0.02)


def test_distances_are_compared_by_the_definition():
    # Two pixels: one seen in both, 0.2 apart; one in the answered alone. One view without anything.
    answered, true = torch.tensor([[[1.2, 1.0]], [[0.0, 0.0]]]), torch.tensor([[[1.0, 0.0]], [[0.0, 0.0]]])
    assert discrepancy(answered, true, None, 0.01, [0.1, 0.3]).tolist() == [[1.0, 0.5], [1.0, 1.0]]


def test_the_group_of_a_shape_becomes_its_motions():
    shape = Shape("nut", make_solid("cube").mesh, SymmetryGroup.dihedral_axial())
    model = ObjectModel.of_shape(shape, step=0.1)
    assert len(model.turns) == 2 * math.ceil(math.pi / 0.1) and not model.shifts.any()
