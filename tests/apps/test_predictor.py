"""The door for programs: any kind of picture, an answer in the picture's own camera."""

import numpy as np
import pytest
import torch
from PIL import Image

import armillary
from armillary.apps.predictor import read_image
from armillary.data import open_dataset
from armillary.so3 import rotation_defect


def test_every_kind_of_picture_gives_the_same_answer(run, photo):
    predictor = armillary.load(run)
    picture = Image.open(photo)
    array = np.asarray(picture)
    tensor = torch.from_numpy(array.copy()).permute(2, 0, 1) / 255
    expected = predictor(photo)
    for image in (str(photo), picture, array, array / 255.0, tensor):
        # 8-bit colours divided in another order differ in the last place.
        torch.testing.assert_close(predictor(image).rotation, expected.rotation, atol=1e-3, rtol=0.0)


def test_a_prediction_is_a_rotation_with_its_distribution(run, photo):
    prediction = armillary.load(run)(photo)
    assert isinstance(prediction, armillary.Prediction)
    # Newton steps end at float32 rounding.
    assert rotation_defect(prediction.rotation) < 1e-4
    assert prediction.density.event_shape == (3, 3) and 0.0 <= prediction.confidence <= 1.0
    assert torch.isfinite(prediction.density.log_prob(prediction.rotation[None]))


def test_the_answer_is_in_the_camera_of_the_picture(run, rendered):
    sample = open_dataset(rendered, "test")[0]
    assert sample.mask is not None and sample.intrinsics is not None
    predictor = armillary.load(run)
    straight = predictor(sample.image, mask=sample.mask, intrinsics=sample.intrinsics)
    # The same picture as a part of a wider one: the ray to the object, and with it the answer, turns.
    wide = torch.zeros(3, 48, 200)
    wide[:, :, :48] = sample.image
    mask = torch.zeros(48, 200, dtype=torch.bool)
    mask[:, :48] = sample.mask
    aside = predictor(wide, mask=mask, intrinsics=sample.intrinsics)
    # Same pixels, same camera, same answer.
    torch.testing.assert_close(aside.rotation, straight.rotation, atol=1e-3, rtol=0.0)


def test_an_alpha_channel_is_a_mask():
    array = np.zeros((10, 12, 4), dtype=np.uint8)
    array[2:5, 3:6] = 255
    pixels, mask = read_image(array)
    assert mask is not None and int(mask.sum()) == 9 and pixels.shape == (3, 10, 12)
    assert read_image(np.full((10, 12, 4), 255, dtype=np.uint8))[1] is None


@pytest.mark.parametrize(
    "wrong", [np.zeros((4, 4, 2)), np.zeros((1, 5, 3)), torch.zeros(4, 4), torch.full((3, 4, 4), 9.0)]
)
def test_what_is_no_picture_is_refused(wrong):
    with pytest.raises(ValueError, match="expected"):
        read_image(wrong)


def test_an_unknown_category_is_refused(run, photo):
    with pytest.raises(ValueError, match="expected one of tetX, cone"):
        armillary.load(run)(photo, category="sphere")
