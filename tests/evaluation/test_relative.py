"""Laws of relative rotation: planted ones come back, right answers have no error, the temperature is the likeliest."""

import math

import pytest
import torch

from armillary.data import DatasetInfo, ImageStore
from armillary.data.shapes import make_shape
from armillary.data.spherical import spherical_maps
from armillary.distributions import MatrixFisher
from armillary.evaluation.map_symmetry import detected_group
from armillary.evaluation.relative import (
    Weighting,
    combine_absolute,
    fit_temperature,
    joint_group,
    relative_density,
    relative_error,
    relative_rotation,
    relative_score,
)
from armillary.evaluation.relative_figures import ErrorFigures, category_table, relative_figures, relative_table
from armillary.evaluation.relative_pairs import RelativeAnswers, answer_by_correlation, sample_pairs, shape_numbers
from armillary.harmonics import S2Transform, evaluate_so3, rotate_s2
from armillary.so3 import SymmetryGroup, exp, geodesic_distance, random_rotations, rotation_x, rotation_z

EVERY_WEIGHTING = [Weighting(), Weighting(False), Weighting(equal="channels"), Weighting(equal="degrees")]


def embeddings(count: int, generator: torch.Generator, dtype: torch.dtype = torch.float64) -> torch.Tensor:
    return torch.randn(count, 64, 64, generator=generator, dtype=torch.float64).to(dtype)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("weighting", EVERY_WEIGHTING)
def test_planted_rotations_come_back(dtype, weighting, generator):
    second, planted = embeddings(6, generator, dtype), random_rotations(6, generator=generator, dtype=dtype)
    rotation, score = relative_rotation(rotate_s2(second, planted[:, None]), second, 1, weighting)
    error = torch.rad2deg(geodesic_distance(rotation[:, 0], planted))
    assert error.max() < (1e-3 if dtype == torch.float32 else 1e-7)
    assert (score - 1).abs().max() < 1e-5


def test_every_special_rotation_comes_back(special_rotations, generator):
    second = embeddings(1, generator)[:, :8, :25]
    found = relative_rotation(rotate_s2(second, special_rotations[:, None]), second).rotation[:, 0]
    assert torch.rad2deg(geodesic_distance(found, special_rotations)).max() < 1e-5  # as exact as they are


def test_noise_moves_the_answer_a_little_and_lowers_the_score(generator):
    second, planted = embeddings(6, generator), random_rotations(6, generator=generator, dtype=torch.float64)
    first = rotate_s2(second, planted[:, None]) + embeddings(6, generator)
    rotation, score = relative_rotation(first, second)
    assert geodesic_distance(rotation[:, 0], planted).max() < 0.05
    # The cosine of signal and signal plus as much noise.
    assert (score - math.sqrt(0.5)).abs().max() < 0.05


def test_exchanging_the_views_transposes_the_answer(generator):
    first, second = embeddings(5, generator), embeddings(5, generator)
    forward, backward = relative_rotation(first, second), relative_rotation(second, first)
    torch.testing.assert_close(forward.rotation, backward.rotation.mT, atol=1e-7, rtol=0.0)
    torch.testing.assert_close(forward.score, backward.score)


def test_turning_a_picture_in_its_plane_turns_the_answer(generator):
    first, second = embeddings(4, generator), embeddings(4, generator)
    turn = rotation_z(torch.tensor(0.8, dtype=torch.float64))
    plain = relative_rotation(first, second).rotation
    torch.testing.assert_close(
        relative_rotation(rotate_s2(first, turn), second).rotation, turn @ plain, atol=1e-7, rtol=0
    )
    turned = relative_rotation(first, rotate_s2(second, turn)).rotation
    torch.testing.assert_close(turned, plain @ turn.mT, atol=1e-7, rtol=0)


def symmetric(group: SymmetryGroup, generator: torch.Generator, lmax: int = 7) -> torch.Tensor:
    """A random map that the group leaves as it is: the mean over its elements."""
    plain = torch.randn(6, (lmax + 1) ** 2, generator=generator, dtype=torch.float64)
    return rotate_s2(plain, group.elements(64)[:, None]).mean(0)


GROUPS = (
    SymmetryGroup.trivial(),
    SymmetryGroup.cyclic(2),
    SymmetryGroup.cyclic(3),
    SymmetryGroup.dihedral(2),
    SymmetryGroup.dihedral(4),
    SymmetryGroup.tetrahedral(),
    SymmetryGroup.octahedral(),
    SymmetryGroup.axial(),
    SymmetryGroup.dihedral_axial(),
)


@pytest.mark.parametrize("group", GROUPS[1:7], ids=lambda group: group.name)
def test_a_symmetric_map_has_a_peak_for_each_element_of_its_group(group, generator):
    second, planted = symmetric(group, generator)[None], random_rotations(1, generator=generator, dtype=torch.float64)
    first = rotate_s2(second, planted[:, None])
    rotation, score = relative_rotation(first, second, int(group.order) + 1)
    assert (score[0, : int(group.order)] - 1).abs().max() < 1e-9 and score[0, -1] < 0.999
    right = planted @ group.elements()
    distance = geodesic_distance(rotation[0, : int(group.order), None], right)
    assert distance.amin(0).max() < 1e-6 and distance.amin(1).max() < 1e-6


@pytest.mark.parametrize("group", GROUPS, ids=lambda group: group.name)
def test_the_group_of_a_map_is_detected(group, generator):
    turn = random_rotations(1, generator=generator, dtype=torch.float64)[0]
    found = detected_group(rotate_s2(symmetric(group, generator), turn))
    expected = group.conjugate(turn)
    assert found.group.order == group.order and found.group.name == group.name
    # Each of its elements is one of the planted group.
    assert expected.distance(found.group.elements(8), torch.eye(3, dtype=torch.float64)).max() < 1e-3


def test_a_constant_map_has_no_group():
    with pytest.raises(ValueError, match="changes over the sphere"):
        detected_group(torch.eye(64)[:2, :1].expand(2, 64) * torch.eye(64)[0])


@pytest.mark.parametrize("group", GROUPS, ids=lambda group: group.name)
def test_the_error_is_to_the_nearest_right_answer(group, generator):
    answer, first, second = random_rotations(3 * 20, generator=generator, dtype=torch.float64).reshape(3, 20, 3, 3)
    steps = 20_000
    right = first[:, None] @ group.elements(steps) @ second[:, None].mT
    brute = geodesic_distance(answer[:, None], right).amin(1)
    found = relative_error(answer, first, second, group)
    # Turns about a continuous axis are a step apart, and an error is at most half of it smaller.
    assert (brute - found).min() > -1e-9 and (brute - found).max() < math.pi / steps
    assert relative_error(right[:, len(right[0]) // 2], first, second, group).max() < 1e-7


def test_the_error_at_no_turn_and_at_half_a_turn():
    eye = torch.eye(3)
    half = rotation_x(torch.tensor(math.pi))
    assert relative_error(eye, eye, eye) == 0
    assert relative_error(half, eye, eye) == pytest.approx(math.pi)
    # Half-turns about z are forgiven, nearly half-turns about x are not: unlike min(error, pi - error).
    assert relative_error(half, eye, eye, SymmetryGroup.cyclic(2)) == pytest.approx(math.pi)


def test_instances_of_different_symmetry_leave_open_what_either_does(generator):
    square, hexagon = SymmetryGroup.cyclic(4), SymmetryGroup.cyclic(6)
    first, second = random_rotations(2, generator=generator, dtype=torch.float64)
    both = joint_group(square, hexagon)
    answer = first @ square.elements()[1] @ hexagon.elements()[1] @ second.mT
    assert relative_error(answer, first, second, both) < 1e-7
    round_table = joint_group(square, SymmetryGroup.axial())
    assert relative_error(first @ rotation_z(torch.tensor(0.3)).double() @ second.mT, first, second, round_table) < 1e-7
    assert joint_group(square, square) is square


def test_scores_are_cosines(generator):
    first, second = embeddings(2, generator), embeddings(2, generator)
    score = relative_score(first, second, Weighting(False))
    turns = random_rotations(2, generator=generator, dtype=torch.float64)
    direct = torch.nn.functional.cosine_similarity(first.flatten(1), rotate_s2(second, turns[:, None]).flatten(1))
    torch.testing.assert_close(evaluate_so3(score, turns), direct)
    assert (relative_score(torch.zeros(1, 2, 9), torch.ones(1, 2, 9)) == 0).all()


def test_the_temperature_is_the_likeliest(generator):
    second, planted = embeddings(10, generator), random_rotations(10, generator=generator, dtype=torch.float64)
    first = rotate_s2(second, planted[:, None])
    truth = planted @ exp(0.08 * torch.randn(10, 3, generator=generator, dtype=torch.float64))
    fitted = fit_temperature(first, second, truth)
    likelihood = {
        factor: relative_density(first, second, factor * fitted).log_prob(truth).sum().item()
        for factor in (0.97, 1.0, 1.03)
    }
    assert likelihood[1.0] > max(likelihood[0.97], likelihood[1.03])
    # Peaks of sigma 0.08 in each direction: a log density falls by half a unit over it, give or take a third.
    off = exp(torch.tensor([0.08, 0.0, 0.0], dtype=torch.float64))
    density = relative_density(first[:1], second[:1], fitted)
    drop = density.log_prob(planted[:1]) - density.log_prob(planted[:1] @ off)
    assert 0.3 < drop.item() < 0.9


def test_scores_that_say_nothing_or_the_wrong_have_no_temperature(generator):
    second = embeddings(3, generator)
    worst = random_rotations(3, generator=generator, dtype=torch.float64)
    low = relative_rotation(-second, second).rotation[:, 0]
    assert fit_temperature(second, second, low) == 0.0
    assert relative_density(second, second, 0.0).log_prob(worst).abs().max() < 1e-4
    with pytest.raises(ValueError, match="temperature of at least 0"):
        relative_density(second, second, -1.0)
    with pytest.raises(ValueError, match="expected pairs"):
        fit_temperature(second[:0], second[:0], worst[:0])


def test_two_absolute_answers_make_a_relative_one(generator):
    poses = random_rotations(2, generator=generator, dtype=torch.float64)
    densities = [MatrixFisher(20 * pose[None]) for pose in poses]
    torch.testing.assert_close(combine_absolute(*densities)[0], poses[0] @ poses[1].mT)


def store(views: int = 4, shapes: int = 3) -> ImageStore:
    """Views of shapes of two categories, as many of each: a mug and a round bottle."""
    count, generator = 2 * shapes * views, torch.Generator().manual_seed(0)
    eye = torch.eye(3).repeat(count, 1, 1)
    info = DatasetInfo("made", ("mug", "bottle"), (SymmetryGroup.trivial(), SymmetryGroup.axial()))
    names = tuple(f"{shape:06d}/{view:06d}" for shape in range(2 * shapes) for view in range(views))
    category = torch.arange(2).repeat_interleave(shapes * views)
    images = torch.zeros(count, 3, 16, 16, dtype=torch.uint8)
    return ImageStore(images, random_rotations(count, generator=generator), eye, category, eye, names, info)


@pytest.mark.parametrize("kind", ["same", "different"])
def test_pairs_are_of_the_kind_asked_for_and_of_all_categories(kind):
    views = store()
    shape = shape_numbers(views.names)[1]
    pairs = sample_pairs(views, 41, kind, generator=torch.Generator().manual_seed(0))
    assert (pairs.first != pairs.second).all()
    assert ((shape[pairs.first] == shape[pairs.second]) == (kind == "same")).all()
    assert (views.category[pairs.first] == views.category[pairs.second]).all()
    assert torch.equal(pairs.category, views.category[pairs.first])
    assert pairs.category.bincount().tolist() == [21, 20]
    assert len({*pairs.first.tolist()}) > 15  # not always the same views
    torch.testing.assert_close(pairs.truth @ views.rotations[pairs.second], views.rotations[pairs.first])
    again = sample_pairs(views, 41, kind, generator=torch.Generator().manual_seed(0))
    assert torch.equal(again.second, pairs.second)


def test_pairs_know_their_symmetry():
    views = store()
    pairs = sample_pairs(views, 20, generator=torch.Generator().manual_seed(0))
    turned = pairs.first_rotation @ rotation_z(torch.tensor(1.0)) @ pairs.second_rotation.mT
    error = pairs.errors(turned)
    bottle = pairs.category == 1
    assert error[bottle].max() < 1e-6 and (error[~bottle] - 1).abs().max() < 1e-6
    # By shape: the first mug has two handles.
    groups = [SymmetryGroup.cyclic(2), *[SymmetryGroup.trivial()] * 5]
    pairs = sample_pairs(views, 60, "different", groups=groups, generator=torch.Generator().manual_seed(0))
    error = pairs.errors(pairs.first_rotation @ rotation_z(torch.tensor(math.pi)) @ pairs.second_rotation.mT)
    with_two = ((pairs.first < 4) | (pairs.second < 4)) & (pairs.category == 0)
    assert with_two.any() and error[with_two].max() < 1e-6 and error[~with_two].min() > 3.1


def test_mistakes_about_pairs_are_named():
    views = store(views=1)
    with pytest.raises(ValueError, match="mug: expected two views of one shape"):
        sample_pairs(views, 4)
    with pytest.raises(ValueError, match="mug: expected two shapes"):
        sample_pairs(store(shapes=1), 4, "different")
    with pytest.raises(ValueError, match="group for each of 6 shapes, got 1"):
        sample_pairs(store(), 4, groups=[SymmetryGroup.trivial()])
    with pytest.raises(ValueError, match="each of 2 categories, got 1"):
        sample_pairs(store(), 1)
    with pytest.raises(ValueError, match="SHAPE/VIEW, got 'photo'"):
        shape_numbers(("a/0", "photo"))


def test_a_teachers_turned_maps_are_the_upper_bound(generator):
    """Mode "target": a map for each shape, turned by the pose of each view."""
    views = store()
    shape = shape_numbers(views.names)[1]
    maps = embeddings(6, generator, torch.float32)[:, :8]
    maps[3:] = rotate_s2(maps[3:], SymmetryGroup.axial().elements(16)[:, None, None].float()).mean(0)
    turned = rotate_s2(maps[shape], views.rotations[:, None])
    pairs = sample_pairs(views, 20, generator=generator)
    answers = answer_by_correlation(turned, pairs, temperature=50.0)
    assert answers.score is not None and answers.log_prob is not None
    figures = relative_figures("target", "same instance, 3-DoF", pairs, answers)
    assert figures.mean.median_deg < 1e-2 and figures.mean.acc10 == 1.0
    assert figures.mean.score == pytest.approx(1.0, abs=1e-4)
    assert (answers.log_prob > 1.0).all()
    # Without the symmetry the answers about bottles are wrong.
    plain = pairs.groups
    object.__setattr__(pairs, "groups", tuple(SymmetryGroup.trivial() for _ in plain))
    assert relative_figures("", "", pairs, answers).per_category["bottle"].median_deg > 5


def test_figures_on_hand_computed_errors():
    error = torch.deg2rad(torch.tensor([0.0, 9.0, 14.0, 29.0, 90.0], dtype=torch.float64))
    figures = ErrorFigures.of(error, torch.full((5,), 2.0), torch.ones(5))
    assert figures.median_deg == pytest.approx(14) and figures.mean_deg == pytest.approx(28.4)
    assert (figures.acc10, figures.acc15, figures.acc30) == pytest.approx((0.4, 0.6, 0.8))
    assert figures.auc30 == pytest.approx((1 + 21 / 30 + 16 / 30 + 1 / 30) / 5)
    assert (figures.log_likelihood, figures.score, figures.pairs) == (2.0, 1.0, 5)


def test_tables_name_methods_and_categories(generator):
    pairs = sample_pairs(store(), 8, generator=generator)
    right = relative_figures("correlation", "same", pairs, RelativeAnswers(pairs.truth))
    chance = relative_figures("chance", "same", pairs, RelativeAnswers(random_rotations(8, generator=generator)))
    table = relative_table([right, chance]).splitlines()
    assert len(table) == 4 and all(line.count("|") == 12 for line in table)
    assert category_table([right, chance]).splitlines()[2].startswith("| bottle | 0.0 |")
    record = right.to_json()
    assert record["per_category"]["mug"]["pairs"] == 4 and record["mean"]["log_likelihood"] is None
    with pytest.raises(ValueError, match="each of 8 pairs, got 3"):
        relative_figures("", "", pairs, RelativeAnswers(pairs.truth[:3]))


def test_unknown_weightings_are_refused():
    with pytest.raises(Exception, match="nothing"):
        Weighting(equal="everything")  # type: ignore[arg-type]


@pytest.mark.parametrize(("family", "order"), [("bottle", math.inf), ("chair", 1), ("spanner", 4)])
def test_the_group_of_a_member_of_the_zoo_is_read_off_its_map(family, order):
    shape = make_shape(family, seed=100_000)
    maps = spherical_maps([shape.mesh], 32)
    values = torch.stack([maps.channel("distance"), maps.channel("sine")], 1)[0]
    coeffs = S2Transform(7, 32, 32, "equiangular").analysis(values)
    found = detected_group(coeffs, weighting=Weighting(equal="channels")).group
    assert found.order == shape.symmetry.order == order
    if order > 1:
        # The same axes, to the rays' spacing.
        assert shape.symmetry.distance(found.elements(8), torch.eye(3, dtype=torch.float64)).max() < 0.1
