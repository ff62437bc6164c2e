"""Laws of motion: what is predicted is what happens, with the right covariance, whatever the symmetry."""

import math

import pytest
import torch

from armillary.so3 import SymmetryGroup, exp, log, random_rotations, rotation_z
from armillary.tracking import ConstantVelocity, MeasuredVelocity, tumble
from armillary.tracking.motion import left_jacobian

# Differences of exact maps in float64, by steps of 1e-6: half of the digits are left.
NUMERIC = 1e-6


@pytest.mark.parametrize("angle", [0.0, 1e-8, 1e-3, 1e-2, 1.0, 3.0])
def test_the_left_jacobian_is_the_derivative_of_the_exponential(angle, generator):
    axis = torch.nn.functional.normalize(torch.randn(3, generator=generator, dtype=torch.float64), dim=0)
    step = 1e-6 * torch.eye(3, dtype=torch.float64)
    found = torch.stack([log(exp(angle * axis + one) @ exp(angle * axis).mT) / 1e-6 for one in step], -1)
    torch.testing.assert_close(left_jacobian(angle * axis), found, atol=NUMERIC * 3, rtol=0)


@pytest.mark.parametrize(
    "motion",
    [ConstantVelocity(), MeasuredVelocity(spread=0.1), MeasuredVelocity("object", spread=0.1)],
    ids=["estimated", "camera", "object"],
)
def test_the_transition_is_the_derivative_of_the_step(motion, generator):
    rotation = random_rotations(1, generator=generator, dtype=torch.float64)
    rate, reading = 0.4 * torch.randn(2, 1, 3, generator=generator, dtype=torch.float64)
    told = None if isinstance(motion, ConstantVelocity) else reading[0]
    base = motion.step(rotation, rate, 0.3, told)
    columns = []
    for one in 1e-6 * torch.eye(6, dtype=torch.float64):
        moved = motion.step(exp(one[:3]) @ rotation, rate + one[3:], 0.3, told)
        columns.append(torch.cat([log(moved.rotation[0] @ base.rotation[0].mT), one[3:]]) / 1e-6)
    torch.testing.assert_close(base.transition[0], torch.stack(columns, -1), atol=NUMERIC * 3, rtol=0)


def test_equivalents_move_alike(generator):
    group = SymmetryGroup.octahedral()
    rotation = random_rotations(generator=generator, dtype=torch.float64)
    each = group.equivalents(rotation)
    rate = torch.tensor([0.3, -0.2, 0.5], dtype=torch.float64).expand(24, 3)
    step = ConstantVelocity().step(each, rate, 0.5, None)
    torch.testing.assert_close(step.rotation, group.equivalents(step.rotation[0]))
    torch.testing.assert_close(step.transition, step.transition[:1].expand(24, 6, 6))


def test_noise_of_two_steps_is_noise_of_one(generator):
    motion = ConstantVelocity(acceleration=0.2, diffusion=0.1)
    rotation, rate = torch.eye(3, dtype=torch.float64)[None], torch.zeros(1, 3, dtype=torch.float64)
    first, second, both = (motion.step(rotation, rate, seconds, None) for seconds in (0.3, 0.4, 0.7))
    joined = second.transition[0] @ first.noise @ second.transition[0].mT + second.noise
    torch.testing.assert_close(joined, both.noise)


def test_a_tumbling_body_keeps_momentum_and_energy_and_turns_about_an_axis_exactly():
    spin = torch.tensor([0.2, 0.4, 0.1], dtype=torch.float64)
    moment = torch.tensor([1.0, 1.5, 2.2], dtype=torch.float64)
    film = tumble(torch.eye(3, dtype=torch.float64), spin, frames=20)
    body = (film.rotation.mT @ film.velocity[..., None])[..., 0]
    energy = (moment * body.square()).sum(-1)
    # The midpoint rule with steps of 2 ms and 0.5 radians/s: third-order errors of 1e-9 a step.
    torch.testing.assert_close(energy, energy[:1].expand_as(energy), atol=1e-6, rtol=0)
    about_z = tumble(torch.eye(3, dtype=torch.float64), torch.tensor([0.0, 0.0, 0.5], dtype=torch.float64), frames=5)
    torch.testing.assert_close(about_z.rotation, rotation_z(0.5 * about_z.time))


def test_wrong_motions_are_refused():
    with pytest.raises(ValueError, match="expected acceleration of zero or more, got -1"):
        ConstantVelocity(acceleration=-1.0)
    with pytest.raises(ValueError, match="spread"):
        MeasuredVelocity(spread=math.nan)
    with pytest.raises((ValueError, TypeError), match="camera"):
        MeasuredVelocity("world")  # type: ignore[arg-type]
    rotation, rate = torch.eye(3, dtype=torch.float64)[None], torch.zeros(1, 3, dtype=torch.float64)
    with pytest.raises(ValueError, match="use MeasuredVelocity"):
        ConstantVelocity().step(rotation, rate, 0.1, rate[0])
    with pytest.raises(ValueError, match="see ConstantVelocity"):
        MeasuredVelocity().step(rotation, rate, 0.1, None)
