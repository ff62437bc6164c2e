"""Viewpoints: the published values, both published conventions, inverse, poles and gradients."""

import math

import pytest
import torch
from torch import Tensor

from armillary.data.published.pascal3d_camera import viewpoint_rotation
from armillary.so3 import (
    geodesic_distance,
    matrix_to_viewpoint,
    random_rotations,
    rotation_x,
    rotation_z,
    viewpoint_to_matrix,
)

ATOL = 50 * torch.finfo(torch.float64).eps  # a few chained 3x3 products


def degrees(*values: float) -> list[Tensor]:
    return [torch.tensor(math.radians(value), dtype=torch.float64) for value in values]


def random_viewpoints(generator: torch.Generator, count: int = 200) -> Tensor:
    span = torch.tensor([2 * math.pi, math.pi, 2 * math.pi], dtype=torch.float64)[:, None]
    return span * (torch.rand(3, count, generator=generator, dtype=torch.float64) - 0.5)


def test_the_published_values() -> None:
    # Spherical Regression's evaluation, six printed decimals.
    expected = [[0.855163, 0.511204, 0.085832], [0.161973, -0.106234, -0.98106], [-0.492404, 0.852869, -0.173648]]
    rotation, origin = viewpoint_to_matrix(*degrees(30, 10, -5)), viewpoint_to_matrix(*degrees(0, 0, 0))
    assert (rotation - torch.tensor(expected)).abs().max() < 1e-6
    assert (origin - torch.tensor([[1, 0, 0], [0, 0, -1], [0, 1, 0]])).abs().max() < ATOL
    assert geodesic_distance(rotation, origin).rad2deg().item() == pytest.approx(32.376701, abs=1e-6)


def test_both_published_conventions_differ_by_a_half_turn_about_x_and_have_the_same_distances(
    generator: torch.Generator,
) -> None:
    azimuth, elevation, tilt = random_viewpoints(generator)
    ours = viewpoint_to_matrix(azimuth, elevation, tilt)
    first = rotation_z(-tilt) @ rotation_x(math.pi / 2 + elevation) @ rotation_z(-azimuth)
    second = rotation_z(tilt) @ rotation_x(elevation - math.pi / 2) @ rotation_z(-azimuth)
    torch.testing.assert_close(ours, first, rtol=0, atol=ATOL)
    half_turn = torch.diag(torch.tensor([1.0, -1.0, -1.0], dtype=torch.float64))
    torch.testing.assert_close(first, half_turn @ second, rtol=0, atol=ATOL)
    distances = [geodesic_distance(each, each.roll(1, 0)) for each in (first, second)]
    torch.testing.assert_close(*distances, rtol=0, atol=ATOL)
    in_degrees = viewpoint_rotation(*(angle.rad2deg() for angle in (azimuth, elevation, tilt)))
    torch.testing.assert_close(ours, in_degrees, rtol=0, atol=ATOL)


def test_angles_come_back_and_every_rotation_is_a_viewpoint(
    generator: torch.Generator, special_rotations: Tensor
) -> None:
    given = random_viewpoints(generator)
    # Within a ten-thousandth of a pole azimuth and tilt lose as many digits.
    given[1] *= 1 - 1e-4
    torch.testing.assert_close(
        torch.stack(matrix_to_viewpoint(viewpoint_to_matrix(*given))), given, rtol=0, atol=1e4 * ATOL
    )
    rotations = torch.cat([random_rotations(500, generator=generator, dtype=torch.float64), special_rotations])
    azimuth, elevation, tilt = matrix_to_viewpoint(rotations)
    torch.testing.assert_close(viewpoint_to_matrix(azimuth, elevation, tilt), rotations, rtol=0, atol=ATOL)
    assert elevation.abs().max() <= math.pi / 2 + ATOL
    assert torch.cat([azimuth, tilt]).abs().max() <= math.pi + ATOL


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("sign", [1, -1])
def test_at_the_poles_the_azimuth_takes_the_whole_turn(dtype: torch.dtype, sign: int) -> None:
    azimuth, tilt = torch.tensor([0.3, 2.0, -3.0], dtype=dtype), torch.tensor([1.0, -1.5, 0.0], dtype=dtype)
    pole = torch.full_like(azimuth, sign * math.pi / 2)
    rotation = viewpoint_to_matrix(azimuth, pole, tilt)
    found = matrix_to_viewpoint(rotation)
    assert found[2].abs().max() == 0
    expected = azimuth - sign * tilt
    # Angles of which only a half turn is told apart by the quaternion: a few roundings.
    assert (found[0] - expected).sin().abs().max() < 20 * torch.finfo(dtype).eps
    # The threshold of the poles, 8 roundings of the matrix, bounds what setting the tilt to 0 moves.
    assert geodesic_distance(viewpoint_to_matrix(*found), rotation).max() < 40 * torch.finfo(dtype).eps


def test_beyond_the_pole_is_the_same_viewpoint_from_the_other_side(generator: torch.Generator) -> None:
    azimuth, elevation, tilt = random_viewpoints(generator)
    other = viewpoint_to_matrix(azimuth + math.pi, math.pi - elevation, tilt + math.pi)
    torch.testing.assert_close(viewpoint_to_matrix(azimuth, elevation, tilt), other, rtol=0, atol=ATOL)


def test_gradients_flow_both_ways_and_stay_finite_at_the_poles(generator: torch.Generator) -> None:
    given = random_viewpoints(generator, 4).requires_grad_()
    assert torch.autograd.gradcheck(lambda angles: viewpoint_to_matrix(*angles), given)
    assert torch.autograd.gradcheck(
        lambda angles: torch.stack(matrix_to_viewpoint(viewpoint_to_matrix(*angles))), given * 0.9
    )
    rotation = viewpoint_to_matrix(*degrees(20, 90, 30)).requires_grad_()
    torch.stack(matrix_to_viewpoint(rotation)).sum().backward()
    assert rotation.grad is not None and rotation.grad.isfinite().all()
