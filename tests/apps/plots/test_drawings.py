"""Drawings show what they are given, where it is, and fit on their page."""

import io
import math

import numpy as np
import pytest
import torch
from PIL import Image

from armillary.apps.plots.density_map import DensityMap
from armillary.apps.plots.drawing import drawings_png
from armillary.apps.plots.globe import FROM_ABOVE, Globe
from armillary.apps.plots.lines import Lines
from armillary.apps.plots.picture import Picture
from armillary.distributions import MatrixFisher
from armillary.harmonics import evaluate_s2, rotate_s2
from armillary.so3 import random_rotations, rotation_defect

# Where 8-bit colours of one palette may differ from another's.
PALETTE = 0.01


def pixels(*rows, dpi: int = 110) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(drawings_png(rows, dpi))).convert("RGB")) / 255


def redness(picture: np.ndarray) -> np.ndarray:
    """Positive where red, negative where blue."""
    return picture[..., 0] - picture[..., 2]


@pytest.mark.parametrize(("harmonic", "half"), [(3, "right"), (1, "lower")])
def test_a_globe_is_seen_in_the_cameras_axes(harmonic, half):
    red = redness(pixels([Globe(torch.eye(4)[harmonic])]))
    height, width = red.shape
    parts = {"right": red[:, width // 2 :], "left": red[:, : width // 2]}
    parts |= {"lower": red[height // 2 :], "upper": red[: height // 2]}
    # x points right and y down: the harmonics in proportion to them are red there.
    opposite = {"right": "left", "lower": "upper"}[half]
    assert parts[half].mean() > 0.1 > -0.1 > parts[opposite].mean()


def test_the_side_of_a_globe_that_faces_the_camera_is_shown():
    towards = Globe(lambda points: -points[..., 2])
    assert redness(pixels([towards])).min() > -0.05


def test_from_above_the_pole_is_up():
    assert rotation_defect(FROM_ABOVE) < 1e-6 and FROM_ABOVE[1, 2] < -0.8
    red = redness(pixels([Globe(torch.eye(4)[2], view=FROM_ABOVE)]))
    assert red[: len(red) // 2].mean() > 0.1 > red[len(red) // 2 :].mean()


def test_turning_the_function_is_turning_the_view(generator):
    f, R = torch.randn(25, generator=generator), random_rotations(generator=generator)
    # The net of meridians turns with the view and not with the function: thin lines, a hundredth of the picture.
    turned, viewed = pixels([Globe(rotate_s2(f, R))]), pixels([Globe(f, view=R)])
    assert np.abs(turned - viewed).mean() < 0.03 < np.abs(turned - pixels([Globe(f)])).mean()


def test_coefficients_and_their_function_look_the_same(generator):
    f = torch.randn(16, generator=generator).double()
    function = Globe(lambda points: evaluate_s2(f, points.double()))
    assert np.abs(pixels([Globe(f)]) - pixels([function])).max() < PALETTE


def test_points_lie_where_they_are_seen_and_those_behind_are_faint():
    front, behind = torch.tensor([[0.5, 0.0, -(0.75**0.5)]]), torch.tensor([[0.5, 0.0, 0.75**0.5]])
    empty = pixels([Globe()])
    drawn = [np.abs(pixels([Globe(points=points, point_size=8.0)]) - empty).sum(-1) for points in (front, behind)]
    rows, columns = (drawn[0] > 1.0).nonzero()
    height, width = empty.shape[:2]
    # Half a pixel, and the room of 3 % around a ball.
    assert abs(rows.mean() / height - 0.5) < 0.01
    assert math.isclose((columns.mean() + 0.5) / width - 0.5, 0.25 * 1.7 / 1.03 / (width / 110), abs_tol=0.01)
    assert 0 < drawn[1].sum() < 0.4 * drawn[0].sum()


def test_captions_fit_on_the_page():
    plain, long = pixels([Globe()]), pixels([Globe(caption="a caption that is much wider than the ball below")])
    assert long.shape[1] > plain.shape[1] + 50 and long.shape[0] > plain.shape[0]
    assert (long[:, :3] == 1).all() and (long[:, -3:] == 1).all()
    assert pixels([Globe(caption="two\nlines")]).shape[0] > long.shape[0]


def test_rows_stand_below_each_other_in_the_middle(generator):
    density = MatrixFisher.isotropic(torch.eye(3), sigma=0.1)
    picture = Picture(torch.rand(3, 8, 8, generator=generator), points=torch.zeros(1, 2))
    wide = [picture, DensityMap(density, torch.eye(3)[None])]
    lines = Lines(torch.arange(1.0, 5.0), {"a": torch.rand(4), "b": torch.rand(4)}, "x", "y", True, True)
    page = pixels(wide, [lines])
    height, width, _ = page.shape
    assert width == pytest.approx(110 * (1.7 + 3.4 + 0.16 + 0.16), abs=1)
    assert height == pytest.approx(110 * (2 * 1.7 + 0.16 + 0.16), abs=1)
    assert page[: height // 2].std() > 0.1 < page[height // 2 :].std()


def test_a_picture_keeps_its_pixels():
    image = torch.zeros(3, 2, 2)
    image[0, 0, 1] = 1.0
    page = pixels([Picture(image)])
    height, width, _ = page.shape
    assert page[height // 4, 3 * width // 4].tolist() == [1, 0, 0] and page[height // 4, width // 4].max() == 0
    assert pixels([Picture(torch.tensor([[0.0, 1.0]]))]).std() > 0.1


def test_empty_rows_are_refused():
    with pytest.raises(ValueError, match="leave out empty rows"):
        drawings_png([[Globe()], []])
    with pytest.raises(ValueError, match="expected rows"):
        drawings_png([])


def test_a_page_is_light(generator):
    row = [Globe(torch.randn(25, generator=generator)) for _ in range(4)]
    assert len(drawings_png([row])) < 80_000
