"""Laws of symmetry groups: closure, order, orientation, distance against brute force, BOP round trip."""

import math

import pytest
import torch
from torch import Tensor

from armillary.so3 import SymmetryGroup, exp, geodesic_distance, random_rotations, rotation_x, rotation_z

GOLDEN_RATIO = (1 + math.sqrt(5)) / 2
FINITE = {
    1: SymmetryGroup.trivial(),
    2: SymmetryGroup.cyclic(2),
    7: SymmetryGroup.cyclic(7, axis=(1, 2, -1)),
    4: SymmetryGroup.dihedral(2),
    10: SymmetryGroup.dihedral(5),
    12: SymmetryGroup.tetrahedral(),
    24: SymmetryGroup.octahedral(),
    60: SymmetryGroup.icosahedral(),
}
TILTED = exp(torch.tensor([0.3, -1.0, 0.4], dtype=torch.float64))
CONTINUOUS = {
    "cone": SymmetryGroup.axial(),
    "cylinder": SymmetryGroup.dihedral_axial(),
    "cone about another axis": SymmetryGroup.axial((1, -2, 3)),
    "tilted cylinder": SymmetryGroup.dihedral_axial().conjugate(TILTED),
}
EVERY = [*FINITE.values(), *CONTINUOUS.values()]
ANGLE_ERROR = 1e-13  # a few hundred eps: sums of nine products of entries with rounding of their own


def holds(elements: Tensor, rotation: Tensor) -> bool:
    return bool((elements - rotation).abs().amax((-2, -1)).min() < 1e-13)


@pytest.mark.parametrize("order", FINITE)
def test_finite_groups_have_their_order_and_distinct_elements(order: int) -> None:
    group = FINITE[order]
    assert group.order == order == len(group.elements())
    apart = geodesic_distance(group.discrete[:, None], group.discrete) + 10 * torch.eye(order)
    assert apart.min() >= 2 * math.pi / 60


@pytest.mark.parametrize("order", FINITE)
def test_finite_groups_are_closed_with_identity_first_and_inverses(order: int) -> None:
    elements = FINITE[order].elements()
    assert torch.equal(elements[0], torch.eye(3, dtype=torch.float64))
    for product in (elements[:, None] @ elements).flatten(0, 1):
        assert holds(elements, product)
    for inverse in elements.mT:
        assert holds(elements, inverse)


def test_polyhedral_groups_permute_their_polyhedra() -> None:
    signs = torch.tensor([[1, 1, 1], [1, -1, -1], [-1, 1, -1], [-1, -1, 1]], dtype=torch.float64)
    axes = torch.cat([torch.eye(3), -torch.eye(3)]).double()
    rectangle = torch.tensor([[0, a, b * GOLDEN_RATIO] for a in (1, -1) for b in (1, -1)], dtype=torch.float64)
    icosahedron = torch.cat([rectangle, rectangle.roll(1, -1), rectangle.roll(2, -1)])
    for order, vertices in ((12, signs), (24, axes), (60, icosahedron)):
        images = vertices @ FINITE[order].elements().mT
        for image in images:
            assert (image[:, None] - vertices).abs().amax(-1).amin(-1).max() < 1e-13


def test_the_standard_orientation_is_as_documented() -> None:
    half_x = rotation_x(torch.tensor(math.pi, dtype=torch.float64))
    fifth = torch.tensor([0, 1, GOLDEN_RATIO], dtype=torch.float64)
    assert holds(SymmetryGroup.cyclic(5).discrete, rotation_z(torch.tensor(2 * math.pi / 5, dtype=torch.float64)))
    for group in (SymmetryGroup.dihedral(3), SymmetryGroup.dihedral_axial(), SymmetryGroup.tetrahedral()):
        assert holds(group.discrete, half_x)
    assert holds(SymmetryGroup.icosahedral().discrete, exp(fifth / fifth.norm() * (2 * math.pi / 5)))
    for element in SymmetryGroup.tetrahedral().discrete:
        assert holds(SymmetryGroup.octahedral().discrete, element)
        assert holds(SymmetryGroup.icosahedral().discrete, element)


@pytest.mark.parametrize("group", EVERY, ids=lambda g: g.name)
def test_distance_is_no_more_than_brute_force_and_equal_for_finite_groups(
    group: SymmetryGroup, generator: torch.Generator, special_rotations: Tensor
) -> None:
    first = torch.cat([random_rotations(40, generator=generator, dtype=torch.float64), special_rotations])
    second = first.flip(0) @ TILTED
    brute = geodesic_distance(first[:, None], group.equivalents(second, steps=720)).amin(-1)
    distance = group.distance(first, second)
    if group.axis is None:
        torch.testing.assert_close(distance, brute, rtol=0, atol=ANGLE_ERROR)
    else:
        # Sampling every half degree misses the best angle by at most a quarter of a degree.
        assert (distance <= brute + ANGLE_ERROR).all()
        assert (brute - distance).max() <= math.radians(0.25) + ANGLE_ERROR


@pytest.mark.parametrize("group", EVERY, ids=lambda g: g.name)
def test_equivalents_are_at_distance_zero(group: SymmetryGroup, generator: torch.Generator) -> None:
    rotation = random_rotations(5, generator=generator, dtype=torch.float64)
    equivalents = group.equivalents(rotation, steps=50)
    assert torch.equal(equivalents[:, 0], rotation)
    assert group.distance(rotation[:, None], equivalents).max() < ANGLE_ERROR


@pytest.mark.parametrize("group", EVERY, ids=lambda g: g.name)
def test_distance_is_symmetric_and_blind_to_the_group(group: SymmetryGroup, generator: torch.Generator) -> None:
    a, b, turn = (random_rotations(30, generator=generator, dtype=torch.float64) for _ in range(3))
    element = group.elements(steps=11)[-1]
    distance = group.distance(a, b)
    for same in (group.distance(b, a), group.distance(a @ element, b), group.distance(turn @ a, turn @ b)):
        torch.testing.assert_close(same, distance, rtol=0, atol=ANGLE_ERROR)


@pytest.mark.parametrize("angle", [0.0, 1e-8, 0.3, math.pi / 2 - 1e-8])
def test_distance_to_a_tipped_cylinder_is_the_tip(angle: float) -> None:
    turn = rotation_x(torch.tensor(angle, dtype=torch.float64)) @ rotation_z(torch.tensor(2.0, dtype=torch.float64))
    identity = torch.eye(3, dtype=torch.float64)
    assert (SymmetryGroup.dihedral_axial().distance(identity, turn) - angle).abs() < 1e-15
    upside_down = turn @ rotation_x(torch.tensor(math.pi, dtype=torch.float64))
    assert (SymmetryGroup.dihedral_axial().distance(identity, upside_down) - angle).abs() < 1e-15
    assert (SymmetryGroup.axial().distance(identity, upside_down) - (math.pi - angle)).abs() < 1e-15


@pytest.mark.parametrize("group", EVERY, ids=lambda g: g.name)
def test_distance_has_finite_gradient_at_equivalents(group: SymmetryGroup) -> None:
    rotation = group.elements(steps=12).clone().requires_grad_()
    group.distance(torch.eye(3, dtype=torch.float64), rotation).sum().backward()
    assert rotation.grad is not None and rotation.grad.isfinite().all()


@pytest.mark.parametrize("group", EVERY, ids=lambda g: g.name)
def test_bop_round_trip_keeps_the_group(group: SymmetryGroup, generator: torch.Generator) -> None:
    a, b = (random_rotations(30, generator=generator, dtype=torch.float64) for _ in range(2))
    again = SymmetryGroup.from_bop(group.to_bop())
    assert again.order == group.order
    torch.testing.assert_close(again.distance(a, b), group.distance(a, b), rtol=0, atol=1e-12)


def test_bop_entries_have_the_files_layout() -> None:
    entries = SymmetryGroup.dihedral_axial().to_bop()
    assert entries["symmetries_continuous"] == [{"axis": [0, 0, 1], "offset": [0, 0, 0]}]
    assert entries["symmetries_discrete"] == [[1, 0, 0, 0, 0, -1, 0, 0, 0, 0, -1, 0, 0, 0, 0, 1]]
    assert SymmetryGroup.trivial().to_bop() == {}
    assert SymmetryGroup.from_bop({}).order == 1


def test_conjugating_turns_the_object(generator: torch.Generator) -> None:
    a, b = (random_rotations(30, generator=generator, dtype=torch.float64) for _ in range(2))
    for group in EVERY:
        # The same views, described in a turned object frame: x' = Q x, so R' = R Q^T.
        turned = group.conjugate(TILTED).distance(a @ TILTED.T, b @ TILTED.T)
        torch.testing.assert_close(turned, group.distance(a, b), rtol=0, atol=ANGLE_ERROR)


def test_float32_rotations_give_float32_distances(generator: torch.Generator) -> None:
    a = random_rotations(3, 1, 2, generator=generator)
    for group in EVERY:
        assert group.distance(a, a).shape == (3, 1, 2) and group.distance(a, a).dtype == torch.float32
        assert group.equivalents(a, steps=8).dtype == torch.float32
        assert group.distance(a, a).max() < 1e-5  # about 50 eps of float32


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: SymmetryGroup.cyclic(0), "expected a symmetry of at least one step"),
        (lambda: SymmetryGroup.axial((0, 0, 0)), "expected a symmetry axis"),
        (lambda: SymmetryGroup(-torch.eye(3)[None]), "expected rotations as symmetry elements"),
        (lambda: SymmetryGroup(torch.eye(3)[None], axis=torch.ones(3)), "expected a unit vector"),
        (lambda: SymmetryGroup.from_bop({"symmetries_discrete": [[2.0] + [0.0] * 15]}), "symmetries_discrete"),
        (
            lambda: SymmetryGroup.from_bop({"symmetries_continuous": [{"axis": [1, 0, 0]}, {"axis": [0, 0, 1]}]}),
            "expected one axis",
        ),
    ],
)
def test_mistakes_are_named(make, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        make()
