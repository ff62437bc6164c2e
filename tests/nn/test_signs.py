"""Laws of the sign tables: the three of Spherical Regression, encode and decode, atoms that sum to the answer."""

import math

import pytest
import torch

from armillary.nn.eighth_turn import angle_to_circle, circle_to_angle, turn_normal, turn_normal_back
from armillary.nn.signs import SignTable, atoms, decode, expected_decode, sign_vectors

TABLES = {"angles": SignTable.angles(), "normals": SignTable.normals(), "quaternions": SignTable.quaternions()}


def points(table: SignTable, count: int) -> torch.Tensor:
    """Random unit vectors whose fixed coordinates have their sign."""
    y = torch.randn(count, table.coordinates, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    for axis in {*range(table.coordinates)} - {*table.free}:
        y[:, axis] = table.rows[0][axis] * y[:, axis].abs()
    return torch.nn.functional.normalize(y, dim=-1)


@pytest.mark.parametrize(
    ("point", "label"),
    [((1, 1), 0), ((-1, 1), 1), ((-1, -1), 2), ((1, -1), 3), ((1, 0), 0), ((0, 1), 0), ((-1, 0), 1), ((0, -1), 3)],
)
def test_quadrants_of_an_angle(point, label):
    assert SignTable.angles().label(torch.tensor(point).float()) == label


def test_signs_of_a_normal_in_the_order_y_z_x():
    table = SignTable.normals()
    y_z_x = [(-1, -1, -1), (-1, -1, 1), (1, -1, -1), (1, -1, 1)]
    assert table.rows == tuple(y_z_x)
    for label, (y, z, x) in enumerate(y_z_x):
        assert table.label(torch.tensor([0.5 * y, 0.1 * z, 0.2 * x])) == label
    # Zero counts as -1, and z is not looked at.
    for y, x, label in ((0, 0, 0), (0, 1, 1), (1, 0, 2)):
        for z in (-1.0, 0.0, 1.0):
            assert table.label(torch.tensor([float(y), z, float(x)])) == label


def test_signs_of_a_quaternion():
    table = SignTable.quaternions()
    assert table.rows == sign_vectors(4, {0: 1})
    for label, (_, b, c, d) in enumerate(table.rows):
        assert label == 4 * (b > 0) + 2 * (c > 0) + (d > 0)
        assert table.label(torch.tensor([0.2, 0.3 * b, 0.4 * c, 0.5 * d])) == label
    # Zero counts as +1, either sign of zero, in the scalar too.
    for zero in (0.0, -0.0):
        assert table.label(torch.tensor([zero, zero, -1.0, zero])) == 5
    assert table.label(torch.tensor([0.5, -0.5, 0.1, -0.7])) == 2


@pytest.mark.parametrize("name", TABLES)
def test_magnitude_and_label_are_the_point(name):
    table, y = TABLES[name], points(TABLES[name], 100_000)
    label = table.label(y)
    logits = 5.0 * torch.nn.functional.one_hot(label, table.classes).double()
    assert (decode(y.abs(), logits, table) - y).abs().max() < 1e-15
    # Certain signs: the expectation is the point.
    assert (expected_decode(y.abs(), 10 * logits, table) - y).abs().max() < 1e-6
    assert torch.equal(label.bincount(minlength=table.classes) > 0, torch.ones(table.classes, dtype=torch.bool))


@pytest.mark.parametrize("name", TABLES)
def test_atoms_are_unit_vectors_whose_mean_is_the_expected_answer(name):
    table, magnitude = TABLES[name], points(TABLES[name], 50).abs()
    logits = torch.randn(50, table.classes, generator=torch.Generator().manual_seed(1)).double()
    point, probability = atoms(magnitude, logits, table)
    assert (point.norm(dim=-1) - 1).abs().max() < 1e-14 and (probability.sum(-1) - 1).abs().max() < 1e-14
    mean = (probability[..., None] * point).sum(-2)
    expected = expected_decode(magnitude, logits, table)
    assert (mean / mean.norm(dim=-1, keepdim=True) - expected).abs().max() < 1e-12
    best = point.take_along_dim(probability.argmax(-1)[:, None, None], 1)[:, 0]
    assert torch.equal(best, decode(magnitude, logits, table))


def test_the_expected_answer_has_gradients_to_the_logits_and_the_most_probable_one_has_none():
    table, magnitude = SignTable.quaternions(), points(SignTable.quaternions(), 5).abs()
    logits = torch.randn(5, 8, dtype=torch.float64, generator=torch.Generator().manual_seed(0)).requires_grad_()
    assert not decode(magnitude, logits, table).requires_grad
    expected_decode(magnitude, logits, table)[:, 1].sum().backward()
    assert logits.grad is not None and (logits.grad.abs().amax(-1) > 0).all()


@pytest.mark.parametrize("name", TABLES)
def test_channels_first_is_the_same(name):
    table, y = TABLES[name], points(TABLES[name], 12)
    logits = torch.randn(12, table.classes, dtype=torch.float64)
    y_map, logits_map = (t.reshape(2, 2, 3, -1).movedim(-1, 1) for t in (y, logits))
    assert torch.equal(table.label(y_map, dim=1).flatten(), table.label(y))
    for function in (decode, expected_decode):
        plain, of_map = function(y.abs(), logits, table), function(y_map.abs(), logits_map, table, 1)
        assert (of_map.movedim(1, -1).reshape(12, -1) - plain).abs().max() < 1e-15
    assert torch.equal(
        atoms(y_map.abs(), logits_map, table, 1)[0].reshape(12, table.classes, -1), atoms(y.abs(), logits, table)[0]
    )


@pytest.mark.parametrize("rows", [((1, 1), (-1,)), ((1, 2), (1, 1)), ((1, 1), (-1, -1)), ((1, 1), (1, 1)), ()])
def test_rows_that_are_no_table_are_refused(rows):
    with pytest.raises(ValueError, match="expected .*, got"):
        SignTable(rows)


def test_another_number_of_coordinates_is_refused():
    with pytest.raises(ValueError, match="expected 4 coordinates along axis -1, got"):
        SignTable.quaternions().label(torch.zeros(2, 3))


@pytest.mark.parametrize(
    ("degrees", "squares", "label"),
    [(200.0, (0.178606, 0.821394), 2), (0.0, (0.5, 0.5), 0), (350.0, (0.67101, 0.32899), 0)],
)
def test_the_turned_azimuth_has_the_originals_golden_values(degrees, squares, label):
    point = angle_to_circle(torch.tensor(math.radians(degrees), dtype=torch.float64), turned=True)
    assert (point.square() - torch.tensor(squares, dtype=torch.float64)).abs().max() < 5e-6
    assert SignTable.angles().label(point) == label


@pytest.mark.parametrize(
    ("normal_xyz", "turned_xyz", "label"),
    [
        ((0.0, 1.0, 0.0), (0.70711, 0.70711, 0.0), 3),
        ((-1.0, 0.0, 0.0), (-0.70711, 0.70711, 0.0), 2),
        ((0.6, -0.48, -0.64), (0.08485, -0.76368, -0.64), 1),
    ],
)
def test_the_turned_normal_has_the_originals_golden_values(normal_xyz, turned_xyz, label):
    x, y, z = normal_xyz
    turned = turn_normal(torch.tensor([y, z, x], dtype=torch.float64))
    x, y, z = turned_xyz
    assert (turned - torch.tensor([y, z, x], dtype=torch.float64)).abs().max() < 1e-5
    assert SignTable.normals().label(turned) == label


def test_the_eighth_turn_has_an_inverse():
    angle = torch.linspace(-math.pi + 1e-9, math.pi, 1000, dtype=torch.float64)
    for turned in (False, True):
        assert (circle_to_angle(angle_to_circle(angle, turned), turned) - angle).abs().max() < 1e-6
    normal = torch.randn(2, 3, 4, 5, dtype=torch.float64)
    assert (turn_normal_back(turn_normal(normal, 1), 1) - normal).abs().max() < 1e-14
