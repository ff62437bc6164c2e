"""``armillary data``: what it lists, checks, converts and draws."""

import io
import re
from pathlib import Path

import lmdb
import numpy as np
import pytest
import torch
from PIL import Image, ImageDraw
from scipy.spatial.transform import Rotation

from armillary.apps.cli import main
from armillary.apps.contact_sheet import AXES, axis_points, make_tile
from armillary.data import Sample, open_dataset

VIEWS = [f"{category}_0001.v{view:03d}" for category in ("bed", "night_stand", "toilet") for view in range(3)]


def said(words: list[str], capsys: pytest.CaptureFixture) -> str:
    """The one line that a failing command says."""
    assert main(words) == 2
    lines = [line for line in capsys.readouterr().err.splitlines() if line.startswith("armillary: error: ")]
    assert len(lines) == 1
    return lines[0]


@pytest.fixture
def modelnet(tmp_path: Path) -> Path:
    """A folder with the 20-view training part alone; one view has lost its picture."""
    import pickle

    folder = tmp_path / "ModelNet10-SO3" / "train_20V.Rawjpg.lmdb"
    folder.mkdir(parents=True)
    with lmdb.open(str(folder), map_size=1 << 22) as environment, environment.begin(write=True) as transaction:
        for name in VIEWS[1:]:
            picture = Image.new("L", (224, 224), 255)
            ImageDraw.Draw(picture).polygon([(30, 40), (190, 90), (80, 180)], fill=90)
            buffer = io.BytesIO()
            picture.save(buffer, "JPEG")
            transaction.put(name.encode(), buffer.getvalue())
    poses = dict(zip(VIEWS, Rotation.random(len(VIEWS), random_state=0).as_quat()[:, [3, 0, 1, 2]], strict=True))
    (folder / "viewID2quat.pkl").write_bytes(pickle.dumps(poses, 2))
    return folder.parent


def test_the_list_names_every_data_set_with_address_size_and_checksum(capsys):
    assert main(["data"]) == 0
    told = capsys.readouterr().out
    assert main(["data", "list"]) == 0 and capsys.readouterr().out == told
    for name in ("ModelNet10-SO(3)", "SYMSOL", "PASCAL3D+", "RenderForCNN"):
        assert name in told
    assert "symsol_dataset.zip" in told and "2.4 GB" in told
    # What nobody states is said to be unknown.
    assert told.count("sha256    unknown") == 6 and told.count("md5 ") == 1


def test_check_counts_what_is_there_and_what_is_missing(modelnet: Path, capsys):
    assert main(["data", "check", str(modelnet)]) == 0
    told = capsys.readouterr().out
    assert "train: 0 of 399,100 samples, 399,100 missing\n  no train_100V.Rawjpg.lmdb" in told
    assert "limited_train: 8 of 79,820 samples, 79,812 missing\n  1 without a picture (bed_0001.v000)" in told
    assert "0 of 3 parts complete" in told
    assert "train, limited_train, test incomplete" in said(["data", "check", str(modelnet), "--strict"], capsys)


def test_check_says_what_it_knows_where_it_knows_nothing(tmp_path: Path, capsys):
    (tmp_path / "notes.txt").write_text("hello")
    assert "expected ModelNet10-SO(3), SYMSOL, PASCAL3D+" in said(["data", "check", str(tmp_path)], capsys)
    assert "no such file" in said(["data", "check", str(tmp_path / "gone")], capsys)


@pytest.mark.filterwarnings("default:.*samples left out")
def test_convert_goes_both_ways_and_takes_whole_folders(modelnet: Path, tmp_path: Path, capsys):
    assert main(["data", "convert", str(modelnet), str(tmp_path / "npz")]) == 0
    out, err = capsys.readouterr()
    assert "8 views" in out and "1 of 9 samples left out: 1 without a picture" in err
    npz = tmp_path / "npz" / "modelnet10_limited_train.npz"
    assert main(["data", "convert", str(npz), str(tmp_path / "back.lmdb")]) == 0
    assert open_dataset(tmp_path / "back.lmdb").names == open_dataset(npz).names == tuple(VIEWS[1:])
    assert "exists" in said(["data", "convert", str(npz), str(tmp_path / "back.lmdb")], capsys)
    folder = modelnet / "train_20V.Rawjpg.lmdb"
    words = ["data", "convert", str(folder), str(tmp_path / "b.npz")]
    assert "expected 9 sound samples" in said([*words, "--on-fault", "fail"], capsys)
    assert not (tmp_path / "b.npz").exists()


@pytest.mark.filterwarnings("ignore:.*samples left out")
def test_the_last_page_is_drawn_though_it_is_not_full(modelnet: Path, tmp_path: Path, capsys):
    out = tmp_path / "sheet" / "sheet.png"
    words = ["data", "sheet", str(modelnet), "--out", str(out), "--rows", "1", "--columns", "5", "--side", "60"]
    assert main(words) == 0
    assert "5 of 8 samples, page 1 of 2" in capsys.readouterr().out
    with Image.open(out) as page:
        full = np.array(page)
    assert main([*words, "--page", "-1"]) == 0
    assert "3 of 8 samples, page 2 of 2" in capsys.readouterr().out
    with Image.open(out) as page:
        last = np.array(page)
    assert full.shape == last.shape

    def grey_tiles(page: np.ndarray) -> int:
        middle = page[32 + 8 + 30]
        return sum(bool((middle[8 + 68 * column : 68 * (column + 1)] != 255).any()) for column in range(5))

    assert (grey_tiles(full), grey_tiles(last)) == (5, 3)
    assert "expected 1 to 2" in said([*words, "--page", "3"], capsys)


@pytest.mark.filterwarnings("ignore:.*samples left out")
def test_filters_choose_by_category_and_name(modelnet: Path, tmp_path: Path, capsys):
    out = tmp_path / "sheet.html"
    words = ["data", "sheet", str(modelnet), "--out", str(out)]
    assert main([*words, "--category", "night_stand", "toilet", "--name", "v00"]) == 0
    page = out.read_text()
    names = re.findall(r'<img alt="([^"]+)"', page)
    assert names == VIEWS[3:]
    assert page.count("data:image/png;base64,") == 6 and "://" not in page
    assert main([*words, "--page", "0", "--rows", "1", "--columns", "3", "--shuffle", "4"]) == 0
    assert "8 of 8 samples, page 1 to 3 of 3" in capsys.readouterr().out
    page = out.read_text()
    assert page.count("<h2>") == 3
    shuffled = re.findall(r'<img alt="([^"]+)"', page)
    assert sorted(shuffled) == VIEWS[1:] and shuffled != VIEWS[1:]
    assert "did you mean toilet?" in said([*words, "--category", "toillet"], capsys)
    assert "got none; widen them" in said([*words, "--name", "v999"], capsys)
    assert "ends in .png or .html" in said([*words[:-1], str(tmp_path / "sheet.pdf")], capsys)


@pytest.mark.filterwarnings("ignore:.*samples left out")
def test_the_label_may_be_drawn_as_others_do(modelnet: Path, rendered: Path, tmp_path: Path, capsys):
    pages = []
    for label in ("stored", "seen"):
        words = ["--out", str(tmp_path / "a.png"), "--label", label]
        assert main(["data", "sheet", str(modelnet), *words]) == 0
        pages.append((tmp_path / "a.png").read_bytes())
    assert pages[0] != pages[1]
    assert "expected ModelNet10" in said(["data", "sheet", str(rendered), *words], capsys)


def test_any_data_set_has_a_sheet(rendered: Path, tmp_path: Path):
    words = ["data", "sheet", str(rendered), "--out", str(tmp_path / "a.png"), "--category", "cone"]
    assert main(words) == 0
    with Image.open(tmp_path / "a.png") as page:
        assert page.size[0] == 6 * 158 + 8


def test_axes_are_drawn_through_the_camera_of_the_sample():
    intrinsics = torch.tensor([[100.0, 0, 30], [0, 100, 20], [0, 0, 1]])
    rotation = torch.from_numpy(Rotation.from_euler("y", 90, degrees=True).as_matrix()).float()
    sample = Sample(torch.ones(3, 60, 80), rotation, torch.tensor([0.1, 0.0, 2.0]), intrinsics, name="a")
    points = axis_points(sample)
    # The origin lies at 100 * 0.1 / 2 from the principal point.
    torch.testing.assert_close(points[0], torch.tensor([35.0, 20.0]))
    # x points away, z to the right, y down; 0.75 of half the shorter side.
    torch.testing.assert_close(points[3], torch.tensor([35.0 + 22.5, 20.0]))
    torch.testing.assert_close(points[2], torch.tensor([35.0, 20.0 + 22.5]))
    picture = np.array(make_tile(sample, "mug", 160).picture).astype(int)
    # In the tile, twice as large, the blue axis passes here on white.
    red, _, blue = picture[41, 100]
    assert blue - red > 0.5 * (AXES["z"][2] - AXES["z"][0])
    assert (np.array(make_tile(sample, "mug", 160, axes=False).picture) == 255).all()


def test_axes_of_an_origin_outside_the_picture_start_in_its_middle():
    intrinsics = torch.tensor([[100.0, 0, 30], [0, 100, 20], [0, 0, 1]])
    sample = Sample(torch.ones(3, 61, 81), torch.eye(3), torch.tensor([9.0, 0.0, 2.0]), intrinsics)
    torch.testing.assert_close(axis_points(sample)[:2], torch.tensor([[40.0, 30.0], [40.0 + 22.5, 30.0]]))


def test_unknown_words_get_the_closest(capsys):
    assert "did you mean sheet?" in said(["data", "sheets"], capsys)
    assert main(["data", "--help"]) == 0
    assert "armillary data convert" in capsys.readouterr().out
