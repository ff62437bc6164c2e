"""Novel views in figures: each pair in its range, the table's words, the nearest view against plain search."""

import json
import math

import pytest
import torch

from armillary.evaluation.novel_views import EDGES_DEG, nearest_known_view, novel_view_figures
from armillary.so3 import exp, geodesic_distance, random_rotations, rotation_x


def pairs() -> tuple[torch.Tensor, torch.Tensor, dict[str, torch.Tensor]]:
    """Six pairs at known angles; "good" is off by 0.1, "bad" by 0.2."""
    relative = rotation_x(torch.deg2rad(torch.tensor([0.0, 10.0, 60.0, 80.0, 100.0, 180.0])))
    truth = torch.rand(6, 3, 16, 16, generator=torch.Generator().manual_seed(0)) * 0.5
    return relative, truth, {"good": truth + 0.1, "bad": truth + 0.2}


def test_each_pair_counts_in_its_range():
    figures = novel_view_figures(*pairs())
    assert [each.pairs for each in figures.ranges] == [2, 2, 1, 1]
    assert (figures.beyond.pairs, figures.whole.pairs) == (4, 6)
    assert [(each.low_deg, each.high_deg) for each in figures.ranges] == [*zip(EDGES_DEG, EDGES_DEG[1:], strict=False)]
    for each in (*figures.ranges, figures.beyond, figures.whole):
        good, bad = each.figures["good"], each.figures["bad"]
        assert good is not None and bad is not None
        assert good.l1 == pytest.approx(0.1, abs=1e-6) and bad.psnr == pytest.approx(20 * math.log10(5), abs=1e-4)
        assert good.ssim > bad.ssim


def test_the_table_has_a_row_for_each_range_and_the_best_is_bold():
    figures = novel_view_figures(*pairs())
    lines = figures.table().splitlines()
    assert [line.split(" | ")[0] for line in lines[2:]] == [
        "| 0-45°",
        "| 45-90°",
        "| 90-135°",
        "| 135-180°",
        "| above 45°",
        "| all",
    ]
    good, bad = lines[-1].strip("| ").split(" | ")[2:]
    assert good.startswith("**20.00**") and good.endswith("**0.100**") and "**" not in bad
    assert json.loads(json.dumps(figures.to_json()))["all"]["figures"]["bad"]["l1"] == pytest.approx(0.2, abs=1e-6)


def test_a_range_without_pairs_is_a_dash():
    relative, truth, answers = pairs()
    some = novel_view_figures(relative[:2], truth[:2], {name: each[:2] for name, each in answers.items()})
    assert some.beyond.pairs == 0 and some.beyond.figures == {"good": None, "bad": None}
    assert some.table().splitlines()[3] == "| 45-90° | 0 | - | - |"
    json.dumps(some.to_json())


@pytest.mark.parametrize("rounds", [1, 1000])
def test_the_nearest_view_is_that_of_plain_search(rounds, monkeypatch):
    # The search in blocks of one target, and all at once.
    monkeypatch.setattr("armillary.evaluation.novel_views._AT_ONCE", rounds)
    generator = torch.Generator().manual_seed(0)
    known, target = (random_rotations(count, generator=generator) for count in (40, 15))
    apart = geodesic_distance(target[:, None], known[None])
    assert torch.equal(nearest_known_view(target, known), apart.argmin(1))
    category, of_known = torch.arange(15) % 3, torch.arange(40) % 4
    apart[category[:, None] != of_known] = torch.inf
    assert torch.equal(nearest_known_view(target, known, category, of_known), apart.argmin(1))


def test_a_known_view_finds_itself_however_near_the_others_are():
    near = exp(1e-2 * torch.randn(30, 3, generator=torch.Generator().manual_seed(0)))
    assert torch.equal(nearest_known_view(near, near), torch.arange(30))


def test_impossible_questions_are_refused():
    relative, truth, answers = pairs()
    with pytest.raises(ValueError, match=r"expected 6 pictures of one shape, got .* of 'small'; resize them"):
        novel_view_figures(relative, truth, {"small": truth[..., :12]})
    with pytest.raises(ValueError, match="expected pairs and answers, got 6 and 0"):
        novel_view_figures(relative, truth, {})
    with pytest.raises(ValueError, match="expected pairs and answers, got 0 and 1"):
        novel_view_figures(relative[:0], truth[:0], {"none": truth[:0]})
    with pytest.raises(ValueError):
        novel_view_figures(2 * relative, truth, answers)
    one = torch.eye(3)[None]
    with pytest.raises(ValueError, match="expected known views"):
        nearest_known_view(one, one[:0])
    with pytest.raises(ValueError, match="categories of both or of neither"):
        nearest_known_view(one, one, torch.tensor([0]))
    with pytest.raises(ValueError, match="expected known views of category 1, got none"):
        nearest_known_view(one, one, torch.tensor([1]), torch.tensor([0]))
