"""Scores of films: errors to the nearest equivalent, flips after the first second, missing frames."""

import math

import pytest
import torch

from armillary.evaluation.film import score_film
from armillary.so3 import SymmetryGroup, random_rotations, rotation_z

TIME = torch.arange(40) / 10


def spinning() -> torch.Tensor:
    """Two degrees a frame about the object's own axis."""
    start = random_rotations(1, generator=torch.Generator().manual_seed(0)).double()
    return start @ rotation_z(torch.arange(40).double() * math.radians(2))


def test_the_truth_has_no_error_and_no_flip_however_fast_it_turns() -> None:
    truth = rotation_z(torch.arange(40).double() * math.radians(100))
    score = score_film({"it": truth}, truth, TIME)["it"]
    assert score.mean_deg < 1e-5 and score.flips == 0


def test_equivalents_are_no_errors_but_flips() -> None:
    truth, group = spinning(), SymmetryGroup.cyclic(2)
    answer = truth.clone()
    answer[20::2] = answer[20::2] @ group.elements()[1].double()
    score = score_film({"it": answer}, truth, TIME, group)["it"]
    assert score.mean_deg < 1e-4 and score.flips == 20
    assert score_film({"it": answer}, truth, TIME)["it"].mean_deg == pytest.approx(45, abs=0.1)


def test_flips_of_the_first_second_and_missing_frames_do_not_count() -> None:
    truth = spinning()
    answer = truth.clone()
    answer[5] = answer[5] @ torch.diag(torch.tensor([1.0, -1, -1], dtype=torch.float64))
    answer[30] = torch.nan
    score = score_film({"it": answer}, truth, TIME)["it"]
    assert score.flips == 0 and score.mean_deg == pytest.approx(180 / 39, abs=1e-3)
    assert score.to_json()["median_deg"] == pytest.approx(0, abs=1e-4)
