"""``armillary turn``: what it leaves behind, what its page holds, and what it says of mistakes."""

import io
import json
import re
from dataclasses import replace

import numpy as np
import pytest
import torch
from PIL import Image

from armillary.apps.cli import main
from armillary.apps.embedding.animation import gif, sheet_png
from armillary.apps.embedding.picture import model_picture
from armillary.apps.embedding.turntable import load_turntable, turns
from armillary.harmonics import rotate_s2
from armillary.models.spherical_embedding import SphericalEmbeddingConfig
from armillary.models.view_synthesis import ViewSynthesisConfig

STUDENT = SphericalEmbeddingConfig(
    encoder="small", image_size=32, channels=3, lmax=3, latent=16, decoder="spectral", side=8, width=8
)
SYNTHESISER = ViewSynthesisConfig(channels=3, lmax=3, image_size=32, latent=16, widths=(16, 8, 8))


@pytest.fixture
def chain(tmp_path):
    """An untrained chain."""
    torch.manual_seed(0)
    STUDENT.build().save_pretrained(tmp_path / "chain" / "student" / "model")
    SYNTHESISER.build().save_pretrained(tmp_path / "chain" / "synthesiser" / "model")
    return tmp_path / "chain"


def cup(background: int = 0, height: int = 60, width: int = 90) -> np.ndarray:
    """A red block before one colour."""
    pixels = np.full((height, width, 3), background, dtype=np.uint8)
    pixels[20:40, 10:40] = (200, 60, 30)
    return pixels


@pytest.fixture
def photo(tmp_path):
    Image.fromarray(cup()).save(tmp_path / "cup.png")
    return tmp_path / "cup.png"


def words(photo, chain, tmp_path, *more):
    return ["turn", str(photo), "--model", str(chain), "--out", str(tmp_path / "out"), *more]


def said(given, capsys):
    """The one line that a failing command says."""
    assert main(given) == 2
    (line,) = [line for line in capsys.readouterr().err.splitlines() if line.startswith("armillary: error: ")]
    return line


def test_it_leaves_an_animation_a_sheet_and_a_page(photo, chain, tmp_path, capsys):
    assert main(words(photo, chain, tmp_path, "--frames", "5", "--axis", "horizontal")) == 0
    assert {path.name for path in (tmp_path / "out").iterdir()} == {"turn.gif", "turn.png", "report.html"}
    with Image.open(tmp_path / "out" / "turn.gif") as animation:
        assert animation.n_frames == 5 and animation.size == (256, 256) and animation.info["loop"] == 0
    assert re.search(r"5 frames, -?\d\.\d\d like the input before any turn", capsys.readouterr().out)


def test_the_page_is_one_file_with_a_slider_over_all_frames(photo, chain, tmp_path):
    assert main(words(photo, chain, tmp_path, "--frames", "4")) == 0
    page = (tmp_path / "out" / "report.html").read_text()
    assert "://" not in page and page.count("<script>") == 1 and "type='range'" in page and "max='3'" in page
    assert json.dumps(["0°", "90°", "180°", "270°"]) in page
    # Input, four frames, the first of them shown before any script runs, and the sheet.
    assert page.count("data:image/png;base64,") == 7


@pytest.mark.parametrize("palette", [0, 3])
def test_frames_are_the_decoded_turned_embedding(chain, palette):
    replace(SYNTHESISER, palette=palette).build().save_pretrained(chain / "synthesiser" / "model")
    table = load_turntable(chain, torch.device("cpu"))
    picture, rotations = model_picture(cup(), 32), turns("vertical", 70)
    views = table.views(picture, rotations)
    with torch.no_grad():
        turned = rotate_s2(table.embed(picture[None]), rotations[[69], None])
        expected = table.synthesiser(turned, table.synthesiser.colours(picture[None]))
    assert views.shape == (70, 3, 32, 32)
    # Sums in another order.
    assert (views[69] - expected[0]).abs().max() < 1e-5


@pytest.mark.parametrize(("axis", "kept"), [("horizontal", 0), ("vertical", 1), ("optical", 2)])
def test_a_turn_goes_once_round_its_axis(axis, kept):
    rotations = turns(axis, 8)
    unit = torch.eye(3)[kept]
    assert (rotations @ unit - unit).abs().max() < 1e-6
    assert (rotations[0] - torch.eye(3)).abs().max() == 0
    assert (rotations[1] @ rotations[7] - torch.eye(3)).abs().max() < 1e-6


@pytest.mark.parametrize("background", [0, 90, 255])
def test_the_object_fills_the_picture_before_black(background):
    picture = model_picture(cup(background), 64)
    coloured = (picture[0] > 0.5) & (picture[2] < 0.3)
    rows, columns = coloured.any(1).nonzero()[:, 0], coloured.any(0).nonzero()[:, 0]
    # The diagonal of 30 x 20 pixels takes 0.95 of the width: 51 x 34 pixels; a pixel of blur at each end.
    assert abs(int(columns[-1] - columns[0]) + 1 - 51) <= 2 and abs(int(rows[-1] - rows[0]) + 1 - 34) <= 2
    assert abs(int(columns[0] + columns[-1]) - 63) <= 2 and abs(int(rows[0] + rows[-1]) - 63) <= 2
    assert picture[:, :4].amax() < 0.02 and picture[:, :, :4].amax() < 0.02


def test_an_alpha_channel_cuts_out_and_whole_pictures_stay():
    opaque = np.zeros((60, 90, 1), dtype=np.uint8)
    opaque[20:40, 10:40] = 255
    noise = np.random.default_rng(0).integers(0, 255, (60, 90, 3), dtype=np.uint8)
    noise[20:40, 10:40] = (200, 60, 30)
    cut = model_picture(np.concatenate([noise, opaque], -1), 64)
    assert cut[:, :4].amax() < 0.02 and (cut[0] > 0.5).float().mean() > 0.35
    square = np.random.default_rng(0).integers(0, 255, (32, 32, 3), dtype=np.uint8)
    whole = model_picture(square, 32, whole=True)
    assert (whole - torch.from_numpy(square).permute(2, 0, 1) / 255).abs().max() < 0.01


def test_grey_pictures_and_long_ones_are_taken(chain, tmp_path):
    Image.fromarray(cup()[..., 0]).save(tmp_path / "grey.png")
    assert main(words(tmp_path / "grey.png", chain, tmp_path, "--frames", "1")) == 0
    assert model_picture(np.random.default_rng(0).integers(0, 255, (9, 200, 3), dtype=np.uint8), 32).shape[1] == 32


def test_equal_frames_take_their_time_and_the_sheet_has_room_for_all():
    frames = torch.full((3, 3, 20, 20), 0.5)
    with Image.open(io.BytesIO(gif(frames))) as animation:
        assert animation.info["duration"] * animation.n_frames == 240
    with Image.open(io.BytesIO(sheet_png(frames[0], frames.repeat(4, 1, 1, 1), [str(k) for k in range(12)]))) as sheet:
        assert sheet.size == (10 * 102 + 6, 2 * 117 + 6)


def test_mistakes_are_one_line_and_leave_nothing(photo, chain, tmp_path, capsys):
    Image.fromarray(np.full((30, 30, 3), 70, dtype=np.uint8)).save(tmp_path / "plain.png")
    (tmp_path / "torn.png").write_bytes(photo.read_bytes()[:60])
    assert "plain.png: expected a picture of an object, got one colour" in said(
        words(tmp_path / "plain.png", chain, tmp_path), capsys
    )
    assert "torn.png: expected a readable picture" in said(words(tmp_path / "torn.png", chain, tmp_path), capsys)
    assert "gone.png: no such picture" in said(words(tmp_path / "gone.png", chain, tmp_path), capsys)
    assert "gone: no such folder" in said(words(photo, tmp_path / "gone", tmp_path), capsys)
    assert "--frames from 1 to 360, got 0" in said(words(photo, chain, tmp_path, "--frames", "0"), capsys)
    assert "axis" in said(words(photo, chain, tmp_path, "--axis", "vertcal"), capsys)
    assert "missing --model" in said(["turn", str(photo), "--out", str(tmp_path / "out")], capsys)
    assert not (tmp_path / "out").exists()


def test_missing_and_unlike_stages_are_named(photo, chain, tmp_path, capsys):
    ViewSynthesisConfig(channels=5, lmax=3, image_size=32, widths=(8,)).build().save_pretrained(
        chain / "synthesiser" / "model"
    )
    assert "got one of 5 channels, lmax 3" in said(words(photo, chain, tmp_path), capsys)
    (chain / "synthesiser" / "model" / "model.safetensors").unlink()
    line = said(words(photo, chain, tmp_path), capsys)
    assert "expected the stage synthesiser" in line and "got student;" in line
    (chain / "student").rename(chain / "pupil")
    assert "expected the stage student" in said(words(photo, chain, tmp_path), capsys)
    assert not (tmp_path / "out").exists()
