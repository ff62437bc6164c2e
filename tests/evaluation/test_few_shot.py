"""Laws of retrieval and few-shot classification: perfect and useless descriptors, hand-computed precision, seeds."""

import pytest
import torch

from armillary.evaluation.few_shot import (
    degree_descriptor,
    draw_episodes,
    few_shot,
    pixel_descriptor,
    retrieval,
    shape_figures,
    shape_table,
)
from armillary.harmonics import rotate_s2
from armillary.so3 import random_rotations

KINDS, SHAPES, VIEWS = 6, 8, 3
CATEGORY = torch.arange(KINDS).repeat_interleave(SHAPES * VIEWS)
SHAPE = torch.arange(KINDS * SHAPES).repeat_interleave(VIEWS)


def test_average_precision_by_hand():
    # The query at angle 0 sees others at 10 (its category), 20 (not) and 30 degrees (its category).
    angle = torch.deg2rad(torch.tensor([0.0, 10, 20, 30]))
    vectors = torch.stack([angle.cos(), angle.sin()], 1)
    precision, nearest = retrieval(vectors, torch.tensor([0, 0, 1, 0]), torch.arange(4))
    # Of 0: (1 + 2/3) / 2; of 10: nearest are 0 and 20 at the same angle, then 30; of 30: 20, 10, 0.
    # The one of category 1 has no partner, so it does not count.
    of_30 = (1 / 2 + 2 / 3) / 2
    assert precision in [pytest.approx(((1 + 2 / 3) / 2 + of_10 + of_30) / 3) for of_10 in ((1 + 2 / 3) / 2, 7 / 12)]
    assert nearest in (pytest.approx(2 / 3), pytest.approx(1 / 3))


def test_other_views_of_the_query_do_not_count():
    # Two views of each shape are alike, shapes of a category are not.
    vectors = torch.eye(4).repeat_interleave(2, 0)
    vectors[[0, 1], 3] = 0.5  # shape 0 is a little like shape 3, of the other category
    category, shape = torch.tensor([0, 0, 1, 1]).repeat_interleave(2), torch.arange(4).repeat_interleave(2)
    assert retrieval(vectors[:, :4], category, shape)[1] < 0.8


def test_the_label_is_a_perfect_descriptor_and_noise_a_useless_one(generator):
    noise = torch.randn(len(CATEGORY), 16, generator=generator)
    perfect, useless = shape_figures({"label": torch.eye(KINDS)[CATEGORY], "noise": noise}, CATEGORY, SHAPE)
    assert perfect.mean_average_precision == perfect.nearest_neighbour == 1.0
    assert perfect.one_shot == perfect.five_shot_mean == perfect.five_shot_nearest == (1.0, 0.0)
    assert useless.mean_average_precision < 0.25
    for mean, half in (useless.one_shot, useless.five_shot_mean, useless.five_shot_nearest):
        # Chance, give or take three standard errors, of views that are asked for again and again.
        assert abs(mean - 0.2) < 0.05 and 0.001 < half < 0.02
    assert shape_table([perfect, useless]).splitlines()[2] == (
        "| label | 100.0 | 100.0 | 100.0 ± 0.0 | 100.0 ± 0.0 | 100.0 ± 0.0 |"
    )
    assert perfect.to_json()["one_shot"] == (1.0, 0.0)


def test_more_examples_help(generator):
    centres = torch.randn(KINDS, 12, generator=generator)
    vectors = centres[CATEGORY] + 1.5 * torch.randn(len(CATEGORY), 12, generator=generator)
    (found,) = shape_figures({"noisy": vectors}, CATEGORY, SHAPE, episodes=200)
    assert found.five_shot_mean[0] > found.one_shot[0] + 0.05 > 0.25
    assert found.five_shot_mean[0] > found.five_shot_nearest[0]


def test_episodes_keep_shapes_apart_and_follow_their_seed(generator):
    shown, asked = draw_episodes(CATEGORY, SHAPE, 5, 3, 40, generator)
    assert shown.shape == (40, 5, 3) and asked.shape == (40, 5, SHAPES - 3)
    both = torch.cat([shown, asked], -1)
    shapes = SHAPE[both].flatten(1).sort(1).values
    assert (shapes[:, 1:] != shapes[:, :-1]).all()
    kinds = CATEGORY[both]
    assert (kinds == kinds[..., :1]).all() and len(kinds[..., 0].unique()) == KINDS
    assert {*both.flatten().tolist()} == {*range(len(CATEGORY))}  # every view has its turn
    first, again = (few_shot(torch.eye(len(CATEGORY)), CATEGORY, SHAPE, episodes=9, generator=g) for g in seeds(2))
    assert first == again


def seeds(count: int) -> list[torch.Generator]:
    return [torch.Generator().manual_seed(7) for _ in range(count)]


def test_the_degree_descriptor_does_not_change_with_a_turn(generator):
    coeffs, turns = torch.randn(5, 4, 36, generator=generator), random_rotations(5, generator=generator)
    turned = degree_descriptor(rotate_s2(coeffs, turns[:, None]))
    torch.testing.assert_close(turned, degree_descriptor(coeffs))
    assert turned.shape == (5, 4 * 6)


def test_the_pixel_descriptor_is_the_small_picture():
    images = torch.arange(4, dtype=torch.uint8).reshape(1, 1, 2, 2).repeat_interleave(8, 2).repeat_interleave(8, 3)
    found = pixel_descriptor(images.expand(1, 3, 16, 16), 2)
    torch.testing.assert_close(found[0, :4], torch.arange(4.0) / 255)


def test_mistakes_are_named():
    vectors = torch.ones(len(CATEGORY), 2)
    with pytest.raises(ValueError, match="from 2 to 6 ways.*got 9"):
        few_shot(vectors, CATEGORY, SHAPE, ways=9)
    with pytest.raises(ValueError, match="more than 8 shapes of each category, got 8"):
        few_shot(vectors, CATEGORY, SHAPE, shots=8)
    with pytest.raises(ValueError, match="pixels: expected a finite vector for each of 144 views"):
        shape_figures({"pixels": vectors[:3]}, CATEGORY, SHAPE)
    with pytest.raises(ValueError, match="1 of them not finite"):
        shape_figures({"x": torch.where(torch.arange(144)[:, None] == 3, torch.nan, vectors)}, CATEGORY, SHAPE)
    with pytest.raises(ValueError, match="two shapes of a category"):
        retrieval(vectors[:2], torch.tensor([0, 1]), torch.tensor([0, 1]))
