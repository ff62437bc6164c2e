"""``armillary relative`` by an untrained student: what it writes, what it says of low scores and of bad input."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from armillary.apps.cli import main
from armillary.apps.embedding.relation import ScoreStatistics, Student, load_student, turn_record
from armillary.apps.plots.triad import UPRIGHT
from armillary.harmonics import rotate_s2
from armillary.models.spherical_embedding import SphericalEmbeddingConfig
from armillary.so3 import geodesic_distance, random_rotations, rotation_defect

CONFIG = SphericalEmbeddingConfig(image_size=32, channels=4, lmax=4, latent=32, width=8, encoder="small")


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run with nothing but a student."""
    folder = tmp_path_factory.mktemp("chain") / "run"
    torch.manual_seed(0)
    CONFIG.build().save_pretrained(folder / "student" / "model", {"temperature": 12.0})
    return folder


@pytest.fixture
def pictures(tmp_path: Path) -> list[Path]:
    """A landscape of noise, a portrait with an object before white, one cut out by an alpha channel."""
    rng, files = np.random.default_rng(0), [tmp_path / f"{name}.png" for name in "abc"]
    Image.fromarray(rng.integers(0, 255, (40, 70, 3), dtype=np.uint8)).save(files[0])
    white = np.full((90, 50, 3), 255, np.uint8)
    white[20:60, 10:40] = rng.integers(0, 128, (40, 30, 3))
    Image.fromarray(white).save(files[1])
    cut = rng.integers(0, 255, (50, 50, 4), dtype=np.uint8)
    cut[..., 3] = 255 * (np.hypot(*np.mgrid[-25:25, -25:25]) < 20)
    Image.fromarray(cut).save(files[2])
    return files


def said(words: list[str], capsys: pytest.CaptureFixture) -> str:
    """The one line that a failing command says."""
    assert main(words) == 2
    lines = [line for line in capsys.readouterr().err.splitlines() if line.startswith("armillary: error: ")]
    assert len(lines) == 1
    return lines[0]


def test_pictures_of_different_sizes_are_each_compared_with_the_first(run, pictures, tmp_path, capsys):
    out = tmp_path / "out"
    assert main(["relative", *map(str, pictures), "--model", str(run), "--out", str(out), "--peaks", "3"]) == 0
    record = json.loads((out / "relative.json").read_text())
    assert [Path(pair["second"]).name for pair in record["pairs"]] == ["b.png", "c.png"]
    for pair in record["pairs"]:
        assert rotation_defect(torch.tensor(pair["rotation"])) < 1e-5
        assert 1 <= len(pair["peaks"]) <= 3 and pair["peaks"][0]["score"] == pytest.approx(pair["score"], abs=1e-4)
        assert pair["entropy"] <= 0 and 0 <= pair["confidence_15_deg"] <= 1
    with np.load(out / "relative.npz") as archive:
        assert archive["log_density_coeffs"].shape == (2, 165) and archive["temperature"] == 12.0
        assert np.allclose(archive["rotations"][0], record["pairs"][0]["rotation"])
    assert (out / "relative.png").read_bytes()[1:4] == b"PNG"
    assert capsys.readouterr().out.count("a.png:") == 2


def test_the_same_picture_twice_is_not_turned(run, pictures, tmp_path):
    out = tmp_path / "out"
    words = ["relative", str(pictures[1]), str(pictures[1]), "--model", str(run / "student" / "model")]
    assert main([*words, "--out", str(out)]) == 0
    (pair,) = json.loads((out / "relative.json").read_text())["pairs"]
    assert pair["angle_deg"] < 1e-2 and pair["score"] == pytest.approx(1.0, abs=1e-4) and not pair["low_score"]


def test_a_relation_finds_the_turn_and_its_reverse(generator):
    student = Student(CONFIG.build().eval(), temperature=60.0)
    second, planted = torch.randn(4, 25, generator=generator), random_rotations(1, generator=generator)[0]
    first = rotate_s2(second, planted)
    relation, back = student.relate(first, second), student.relate(second, first)
    assert geodesic_distance(relation.rotation, planted) < 1e-3
    assert geodesic_distance(back.rotation.mT, planted) < 1e-3
    assert relation.score == pytest.approx(1.0, abs=1e-4) and relation.confidence > 0.5
    # The triad of the second picture, turned by R, is that of the first.
    torch.testing.assert_close(relation.rotation @ (relation.rotation.mT @ UPRIGHT), UPRIGHT, atol=1e-5, rtol=0)


def test_a_low_score_is_said(run, pictures, tmp_path, capsys):
    folder = tmp_path / "other" / "student" / "model"
    statistics = {"same": [1.0, 1e-6], "different": [0.4, 0.3]}
    load_student(run).model.save_pretrained(folder, {"temperature": 12.0, "pair_scores": statistics})
    words = ["relative", *map(str, pictures[:2]), "--out", str(tmp_path / "out")]
    assert main([*words, "--model", str(tmp_path / "other")]) == 0
    (pair,) = json.loads((tmp_path / "out" / "relative.json").read_text())["pairs"]
    line = capsys.readouterr().out.splitlines()[0]
    assert pair["low_score"] and "LOW score" in line and "perhaps two objects" in line and "0.40 +- 0.30" in line


def test_scores_are_low_by_the_statistics_or_below_a_half(generator):
    statistics = ScoreStatistics.of({"pair_scores": {"same": [0.8, 0.0], "different": [0.4, 0.1]}})
    assert statistics is not None and statistics.is_low(0.5) and not statistics.is_low(0.9)
    assert ScoreStatistics.of({}) is None
    student = Student(CONFIG.build().eval())
    unlike = student.relate(*torch.randn(2, 4, 25, generator=generator).unbind())
    assert unlike.score < 0.5 and unlike.is_low and "LOW" in unlike.verdict
    assert turn_record(torch.eye(3))["angle_deg"] == 0.0


def test_bad_pictures_are_named_and_nothing_is_written(run, pictures, tmp_path, capsys):
    out = tmp_path / "out"
    plain, torn = tmp_path / "plain.png", tmp_path / "torn.png"
    Image.fromarray(np.full((30, 30, 3), 90, np.uint8)).save(plain)
    torn.write_bytes(b"no picture")
    words = ["--model", str(run), "--out", str(out)]
    line = said(["relative", str(pictures[0]), str(plain), *words], capsys)
    assert "plain.png: expected a picture of an object, got one colour" in line
    assert "torn.png: expected a readable picture" in said(["relative", str(pictures[0]), str(torn), *words], capsys)
    assert "at least two pictures, got one" in said(["relative", str(pictures[0]), *words], capsys)
    assert "none.png: no such picture" in said(["relative", str(pictures[0]), "none.png", *words], capsys)
    assert "at least one peak" in said(["relative", *map(str, pictures), *words, "--peaks", "0"], capsys)
    assert not out.exists()


def test_missing_models_are_named(run, pictures, tmp_path, capsys):
    words = ["relative", *map(str, pictures[:2]), "--out", str(tmp_path / "out"), "--model"]
    assert "nowhere: no such folder" in said([*words, str(tmp_path / "nowhere")], capsys)
    assert "expected the stage student" in said([*words, str(tmp_path)], capsys)
    assert "missing --model" in said(words[:-1], capsys)
