"""Poses of rendered views: uniform ones stay what they were, those of the view sphere stand upright."""

import math

import pytest
import torch

from armillary.data import SceneSettings, project
from armillary.data.rendering.scene import draw_block
from armillary.so3 import matrix_to_viewpoint

CENTRE, RADIUS = torch.tensor([0.1, -0.2, 0.4]), 0.7


def test_a_camera_on_the_view_sphere_has_angles_in_range_all_round():
    settings = SceneSettings(size=16, poses="viewsphere", elevation_deg=(-20.0, 50.0), tilt_deg=5.0)
    views = torch.cat([draw_block(CENTRE, RADIUS, settings, 3, block).rotations for block in range(40)])
    azimuth, elevation, tilt = matrix_to_viewpoint(views.double())
    rounding = 1e-5  # float32 matrices
    assert math.radians(-20) - rounding <= elevation.min() < math.radians(-19)
    assert math.radians(49) < elevation.max() <= math.radians(50) + rounding
    assert math.radians(4.9) < tilt.abs().max() <= math.radians(5) + rounding
    # 1,280 azimuths leave no eighth of the circle with fewer than half its share.
    counts = torch.histc(azimuth, 8, min=-math.pi, max=math.pi)
    assert counts.min() > 80


def test_the_up_axis_projects_upwards_and_the_object_stays_framed():
    settings = SceneSettings(size=64, poses="viewsphere")
    block = draw_block(CENTRE, RADIUS, settings, 0, 0)
    ends = torch.stack([CENTRE, CENTRE + torch.tensor([0.0, 0.0, 0.5 * RADIUS])])
    for rotation, translation in zip(block.rotations, block.translations, strict=True):
        foot, top = project(ends, rotation, translation, settings.intrinsics())
        # y points down.
        assert top[1] < foot[1]
        assert (foot - 31.5).abs().max() < 0.05 * 32 + 1e-3


def test_uniform_poses_do_not_depend_on_the_angles_of_the_view_sphere():
    plain, other = SceneSettings(size=16), SceneSettings(size=16, elevation_deg=(0.0, 1.0), tilt_deg=0.0)
    blocks = [draw_block(CENTRE, RADIUS, settings, 0, 0) for settings in (plain, other)]
    assert torch.equal(blocks[0].rotations, blocks[1].rotations)


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        # The type of a Literal is checked in tests before the value is; both refuse.
        ({"poses": "upright"}, "expected poses among uniform, viewsphere, got 'upright'|type"),
        ({"elevation_deg": (20.0, 10.0)}, "expected elevation_deg from -90 to 90, lowest first, got 20 and 10"),
        ({"elevation_deg": (0.0, 100.0)}, "expected elevation_deg from -90 to 90, lowest first, got 0 and 100"),
        ({"tilt_deg": -1.0}, "expected tilt_deg from 0 to 180, got -1"),
    ],
)
def test_impossible_angles_are_refused(setting, message):
    with pytest.raises(Exception, match=message):
        SceneSettings(**setting)
