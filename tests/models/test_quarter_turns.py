"""Four looks at a picture: exact views, answers that turn with the camera."""

import math

import pytest
import torch

from armillary.models.quarter_turns import pose_over_turns
from armillary.models.spacecraft_pose import SpacecraftPose, SpacecraftPoseConfig
from armillary.so3 import rotation_z

K = torch.tensor([[90.0, 0, 15.5], [0, 90, 15.5], [0, 0, 1]]).expand(3, 3, 3)


@pytest.fixture(scope="module")
def model() -> SpacecraftPose:
    torch.manual_seed(0)
    return SpacecraftPoseConfig(image_size=32, lmax=3, place_hidden=32).build().eval()


def test_a_turned_picture_is_the_view_of_a_camera_turned_about_its_axis() -> None:
    """A point of light is where the turned camera has it."""
    point = torch.tensor([0.63, -0.27, 5.4])
    seen = K[0] @ point
    column, row = (seen[:2] / seen[2]).round().long().tolist()
    picture = torch.zeros(32, 32)
    picture[row, column] = 1.0
    turned = K[0] @ (rotation_z(torch.tensor(-math.pi / 2)) @ point)
    column, row = (turned[:2] / turned[2]).round().long().tolist()
    assert torch.rot90(picture)[row, column] == 1


def test_a_turned_camera_gets_the_turned_answer(model: SpacecraftPose) -> None:
    images = torch.rand(3, 3, 32, 32, generator=torch.Generator().manual_seed(1))
    turn = rotation_z(torch.tensor(-math.pi / 2)).expand(3, 3, 3)
    with torch.no_grad():
        here = pose_over_turns(model, images, K).turned(turn)
        there = pose_over_turns(model, torch.rot90(images, 1, (-2, -1)), K)
    assert (here.rotation.coeffs - there.rotation.coeffs).abs().max() < 1e-4
    assert (here.translation - there.translation).abs().max() < 1e-4
    assert (here.covariance - there.covariance).abs().max() < 1e-4 * here.covariance.abs().max()


def test_four_equal_looks_are_one(model: SpacecraftPose) -> None:
    """A picture that looks the same from its quarters: the mean has the symmetry that one look need not have."""
    quarter = torch.rand(3, 3, 32, 32, generator=torch.Generator().manual_seed(2))
    images = sum(torch.rot90(quarter, k, (-2, -1)) for k in range(4)) / 4
    with torch.no_grad():
        pose, look = pose_over_turns(model, images, K), model.pose(images, K)
    turned = pose.turned(rotation_z(torch.tensor(math.pi / 2)).expand(3, 3, 3))
    assert (turned.rotation.coeffs - pose.rotation.coeffs).abs().max() < 1e-4
    assert pose.translation[:, :2].abs().max() < 1e-4
    # Depth is the same from all four; the spread across is added to the covariance.
    assert (pose.translation[:, 2] - look.translation[:, 2]).abs().max() < 1e-4
    spread = look.translation[:, :2].square().sum(-1)
    added = pose.covariance.diagonal(dim1=-2, dim2=-1).sum(-1) - look.covariance.diagonal(dim1=-2, dim2=-1).sum(-1)
    assert torch.allclose(added, spread, atol=1e-4)
