"""Whole films: order, gaps, smoothing, positions, and the record that is left."""

import json
import math

import pytest
import torch

from armillary.distributions import MatrixFisher
from armillary.so3 import exp, geodesic_distance
from armillary.tracking import ConstantVelocity, MeasuredVelocity, Observation, RotationFilter, TranslationFilter, track

EYE = torch.eye(3, dtype=torch.float64)
SPIN = torch.tensor([0.3, 0.1, -0.2], dtype=torch.float64)


def film(times, generator, sigma=0.1, **more):
    """Noisy frames of a steady turn."""
    for time in times:
        shown = exp(sigma * torch.randn(3, generator=generator, dtype=torch.float64)) @ exp(time * SPIN)
        yield Observation(time, MatrixFisher.isotropic(shown.float(), sigma=sigma), **more)


def test_times_may_be_uneven_and_smoothing_helps(generator):
    times = (torch.rand(60, generator=generator).cumsum(0) / 10).tolist()
    found = track(film(times, generator), RotationFilter(ConstantVelocity(0.02)))
    truth = exp(found.time[:, None] * SPIN)
    filtered, smoothed = (geodesic_distance(one, truth) for one in (found.filtered, found.rotation))
    assert smoothed.mean() < 0.7 * filtered.mean() and smoothed.max() < 0.15
    torch.testing.assert_close(found.rotation[-1], found.filtered[-1])
    assert (found.rate[5:-5] - SPIN).abs().max() < 0.1
    # The smoother knows more: its deviation is smallest inside.
    assert found.deviation_deg[30] < found.deviation_deg[-1]


def test_a_known_motion_is_smoothed_to_one_rotation(generator):
    times = [0.1 * index for index in range(20)]
    found = track(film(times, generator, reading=SPIN), RotationFilter(MeasuredVelocity()))
    start = exp(found.time[:, None] * SPIN).mT @ found.rotation
    # Nothing is uncertain but the beginning: all frames say the same of it.
    assert geodesic_distance(exp(-found.time[:, None] * SPIN) @ found.rotation, found.rotation[:1]).max() < 1e-4
    assert start.isfinite().all()


def test_a_jump_is_not_smoothed_over():
    here, there = (MatrixFisher.isotropic(exp(a * EYE[0]).float(), sigma=0.05) for a in (0.0, 2.0))
    found = track([Observation(0.1 * i, here if i < 15 else there) for i in range(30)])
    assert "found again" in found.event and found.event.count("outlier") == 3
    assert geodesic_distance(found.rotation[:15], EYE).max() < 0.1
    assert geodesic_distance(found.rotation[20:], exp(2.0 * EYE[0])).max() < 0.1


def test_the_record_is_plain_and_null_before_anything_was_seen():
    seen = MatrixFisher.isotropic(torch.eye(3), sigma=0.1)
    frames = [Observation(0.0, None), Observation(0.1, seen), Observation(0.2, seen, weight=0.0)]
    found = track(frames)
    assert found.event == ("unseen", "found", "predicted") and len(found) == 3
    record = json.loads(json.dumps(found.to_json(["a", "b", "c"])))
    first, second, third = record["frames"]
    assert first["rotation"] is None and first["confidence_15_deg"] == 0 and first["name"] == "a"
    assert second["quat_wxyz"] == pytest.approx([1, 0, 0, 0], abs=1e-3) or second["quat_wxyz"][0] < -0.99
    assert 0.5 < third["confidence_15_deg"] <= second["confidence_15_deg"] and third["support"] == 0
    assert "translation" not in first
    with pytest.raises(ValueError, match="expected a name for each of 3 frames, got 1"):
        found.to_json(["a"])


def test_positions_are_followed_through_gaps_and_jumps(generator):
    seen = MatrixFisher.isotropic(torch.eye(3), sigma=0.1)
    velocity = torch.tensor([0.1, 0.0, -0.5], dtype=torch.float64)
    noise = 0.02 * torch.randn(60, 3, generator=generator, dtype=torch.float64)
    frames = []
    for index in range(60):
        truth = torch.tensor([0.0, 0.0, 5.0], dtype=torch.float64) + 0.1 * index * velocity
        measured = None if 30 <= index < 40 else truth + noise[index] + (1.0 if index == 20 else 0.0)
        frames.append(
            Observation(0.1 * index, seen, translation=measured, translation_covariance=4e-4 * EYE if index else EYE)
        )
    found = track(frames, translation_filter=TranslationFilter(acceleration=0.01))
    truth = torch.tensor([0.0, 0.0, 5.0], dtype=torch.float64) + found.time[:, None] * velocity
    assert (found.translation[:, :3] - truth).norm(dim=-1).max() < 0.03
    assert (found.translation[:, 3:] - velocity).norm(dim=-1).mean() < 0.03
    assert found.to_json()["frames"][7]["translation"] == pytest.approx(truth[7].tolist(), abs=0.03)


def test_a_position_filter_begins_anew_after_several_strange_measurements():
    follow, tight = TranslationFilter(patience=3), 1e-4 * EYE
    accepted = []
    for index in range(9):
        follow.predict(0.1)
        accepted.append(follow.update(torch.tensor([0.0, 0.0, 5.0 if index < 4 else 9.0]), tight))
    assert accepted == [True] * 4 + [False] * 3 + [True] * 2
    assert follow.position.mean[2] == pytest.approx(9, abs=0.05) and follow.position.origin == 1


def test_wrong_films_are_refused():
    seen = MatrixFisher.isotropic(torch.eye(3), sigma=0.1)
    with pytest.raises(ValueError, match="frame 1: expected a time of 1.0 s or later, got 0.5 s"):
        track([Observation(1.0, seen), Observation(0.5, seen)])
    with pytest.raises(ValueError, match="frame 1: expected a time"):
        track([Observation(1.0, seen), Observation(math.nan, seen)])
    with pytest.raises(ValueError, match="expected observations, got none"):
        track([])
    with pytest.raises(ValueError, match="frame 0: expected a covariance"):
        track([Observation(0.0, seen, translation=torch.zeros(3))])
    with pytest.raises(ValueError, match="positive definite"):
        TranslationFilter().update(torch.zeros(3), torch.zeros(3, 3))
    with pytest.raises(ValueError, match="finite position"):
        TranslationFilter().update(torch.full((3,), math.nan), torch.eye(3))
    with pytest.raises(ValueError, match="sort by time"):
        TranslationFilter().predict(-1.0)
    with pytest.raises(ValueError, match="spread > 0"):
        TranslationFilter(spread=0.0)
