"""A change of intrinsics alone is the virtual camera's picture, by a cheaper way."""

import pytest
import torch

from armillary.data import VirtualCamera
from armillary.data.axis_aligned import is_straight, rescale
from armillary.so3 import exp


def pinhole(focal: tuple[float, float], centre: tuple[float, float]) -> torch.Tensor:
    return torch.tensor([[focal[0], 0, centre[0]], [0, focal[1], centre[1]], [0, 0, 1]])


@pytest.mark.parametrize("supersample", [1, 2, 4])
@pytest.mark.parametrize("size", [16, 33, 40])
@pytest.mark.parametrize("centre", [(19.5, 15.5), (3.0, 30.2)])
def test_it_is_what_the_homography_gives(supersample: int, size: int, centre: tuple[float, float]):
    image = torch.rand(3, 32, 40, generator=torch.Generator().manual_seed(0))
    given = pinhole((100.0, 120.0), centre)
    focal = 100 * size / 60
    camera = VirtualCamera(torch.eye(3)[None], pinhole((focal, focal), ((size - 1) / 2, (size - 1) / 2))[None], size)
    expected = camera.look(image[None], given[None], supersample)[0]
    found = rescale(image, given, camera.intrinsics[0], size, supersample)
    # Positions in float32 pixels, times the largest step between neighbours.
    assert (found - expected).abs().max() < 1e-4


def test_equal_channels_are_computed_once_and_equal():
    grey = torch.rand(1, 24, 24).expand(3, -1, -1)
    given, wanted = pinhole((50.0, 50.0), (11.5, 11.5)), pinhole((30.0, 30.0), (7.5, 7.5))
    found = rescale(grey, given, wanted, 16, 2)
    assert found.stride(0) == 0
    torch.testing.assert_close(found, rescale(grey.contiguous(), given, wanted, 16, 2))


def test_the_same_camera_gives_the_same_picture():
    image, given = torch.rand(3, 9, 9), pinhole((50.0, 50.0), (4.0, 4.0))
    assert torch.equal(rescale(image, given, given, 9), image)


def test_a_turned_camera_is_not_straight():
    assert is_straight(torch.eye(3)) and not is_straight(exp(torch.tensor([0.0, 1e-4, 0.0])))
