"""The Kelvins score by hand and against the authors' formulas, and the challenges' CSV in and out."""

import math
from pathlib import Path

import pytest
import torch

from armillary.evaluation.pose import (
    SPEED_2019,
    SPNV2,
    KelvinsThresholds,
    kelvins_score,
    read_submission,
    write_submission,
)
from armillary.so3 import SymmetryGroup, matrix_to_quat_wxyz, random_rotations, rotation_x, rotation_z


def test_scores_by_hand():
    true = torch.tensor([[0.0, 0, 4]] * 3)
    answer = torch.tensor([[0.0, 0.3, 4.4], [0, 0, 4.008], [0, 0, 4.009]])
    turn = rotation_z(torch.tensor([0.2, math.radians(0.168), math.radians(0.17)], dtype=torch.float64))
    score = kelvins_score(turn, answer, torch.eye(3).expand(3, 3, 3), true)
    # 0.5 / 4; 2 mm/m is forgiven and 2.25 mm/m is not.
    assert score.position.tolist() == pytest.approx([0.125, 0, 0.00225], abs=1e-6)
    assert score.rotation.tolist() == pytest.approx([0.2, 0, math.radians(0.17)], abs=1e-7)
    assert score.pose.mean().item() == pytest.approx((0.325 + 0.00225 + math.radians(0.17)) / 3, abs=1e-6)


def test_each_challenge_has_its_thresholds():
    true, eye = torch.tensor([[0.0, 0, 1]]), torch.eye(3)[None]
    answer, turn = torch.tensor([[0.0, 0.004, 1]]), rotation_x(torch.tensor([math.radians(0.4)]))
    scores = [kelvins_score(turn, answer, eye, true, t).pose.item() for t in (SPEED_2019, SPNV2)]
    assert scores == pytest.approx([0.004 + math.radians(0.4), 0], abs=1e-6)
    # At the threshold an error counts.
    exact = kelvins_score(eye, torch.tensor([[0.0, 0.5, 1]]), eye, true, KelvinsThresholds(0.5, 1.0))
    assert exact.pose.item() == 0.5


def test_the_angle_is_that_of_the_quaternions(generator: torch.Generator):
    one, other = random_rotations(64, generator=generator), random_rotations(64, generator=generator)
    dot = (matrix_to_quat_wxyz(one.double()) * matrix_to_quat_wxyz(other.double())).sum(-1).abs().clamp(max=1)
    place = torch.ones(64, 3)
    # float32 matrices; arccos near 1 magnifies that to a root.
    torch.testing.assert_close(
        kelvins_score(one, place, other, place, SPEED_2019).rotation, 2 * dot.acos(), atol=2e-3, rtol=0
    )


def test_symmetric_objects_may_be_forgiven_and_distance_zero_is_refused():
    turn, eye, place = rotation_z(torch.tensor([math.pi])), torch.eye(3)[None], torch.ones(1, 3)
    assert kelvins_score(turn, place, eye, place).pose.item() == pytest.approx(math.pi)
    assert kelvins_score(turn, place, eye, place, symmetry=SymmetryGroup.cyclic(2)).pose.item() == 0
    with pytest.raises(ValueError, match="away from the camera, got one at distance zero"):
        kelvins_score(turn, place, eye, torch.zeros(1, 3))


@pytest.mark.parametrize("domain", ["", "lightbox/"])
def test_a_submission_comes_back(domain: str, tmp_path: Path, generator: torch.Generator):
    names = [f"{domain}img{index:06d}.jpg" for index in range(5)]
    rotation, translation = random_rotations(5, generator=generator), torch.randn(5, 3, generator=generator)
    write_submission(tmp_path / "s.csv", names, rotation, translation)
    first = (tmp_path / "s.csv").read_text().splitlines()[0].split(",")
    assert first[:-7] == names[0].split("/") and len(first) == 8 + bool(domain)
    back = read_submission(tmp_path / "s.csv").matched(names[::-1])
    assert back.names == tuple(names[::-1])
    # Nine digits.
    torch.testing.assert_close(back.rotation.flip(0).float(), rotation, atol=1e-6, rtol=0)
    torch.testing.assert_close(back.translation.flip(0).float(), translation, atol=1e-7, rtol=0)


LINE = "sunlamp,a.jpg,1,0,0,0,0,0,5"


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", "expected poses, got an empty file"),
        ("sunlamp,a.jpg,1,0,0,0", "line 1: expected .*got 6 columns"),
        (LINE + "\nsunlamp,b.jpg,1,0,x,0,0,0,5", "line 2: expected seven numbers"),
        ("sunlamp,a.jpg,1,0,0,0,0,0,nan", "line 1: expected seven numbers"),
        ("sunlamp,a.jpg,2,0,0,0,0,0,5", "line 1: expected a unit quaternion, got length 2; divide"),
        (LINE + "\n" + LINE, "expected one pose for each picture, got two for sunlamp/a.jpg"),
    ],
)
def test_a_broken_submission_is_one_line(content: str, message: str, tmp_path: Path):
    (tmp_path / "s.csv").write_text(content)
    with pytest.raises(ValueError, match=message) as told:
        read_submission(tmp_path / "s.csv")
    assert "s.csv" in str(told.value) and "\n" not in str(told.value)


def test_a_submission_covers_the_pictures_one_to_one(tmp_path: Path):
    with pytest.raises(FileNotFoundError, match="expected a table of poses"):
        read_submission(tmp_path / "none.csv")
    (tmp_path / "s.csv").write_text(LINE)
    submission = read_submission(tmp_path / "s.csv")
    with pytest.raises(ValueError, match="got none for sunlamp/b.jpg and 1 more"):
        submission.matched(["sunlamp/a.jpg", "sunlamp/b.jpg", "sunlamp/c.jpg"])
    with pytest.raises(ValueError, match="got one for sunlamp/a.jpg; drop the lines"):
        submission.matched([])
    eye, place = torch.eye(3).expand(2, 3, 3), torch.ones(2, 3)
    with pytest.raises(ValueError, match="all with a domain or all without"):
        write_submission(tmp_path / "t.csv", ["a.jpg", "sunlamp/b.jpg"], eye, place)
    with pytest.raises(ValueError, match="got more for a.jpg"):
        write_submission(tmp_path / "t.csv", ["a.jpg", "a.jpg"], eye, place)
    assert not (tmp_path / "t.csv").exists()
