"""`armillary spacecraft`: from rendered frames to a run, scores, a report, poses and pictures of single frames."""

import json
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from PIL import Image

from armillary.apps.cli import main
from armillary.apps.film import TimedFrame
from armillary.apps.plots.outline import FrameView, silhouette, zoomed
from armillary.apps.spacecraft.domain import answer_domain
from armillary.apps.spacecraft.observer import known_symmetry, load_observer
from armillary.apps.spacecraft.predictor import Detection, load_spacecraft
from armillary.apps.spacecraft.source import load_surface, open_split
from armillary.data.spacecraft.contour import mask_box
from armillary.data.spacecraft.scene import SatelliteSettings
from armillary.data.spacecraft.writer import write_satellite
from armillary.evaluation.pose import read_submission
from armillary.models import read_metadata
from armillary.so3 import SymmetryGroup

TINY = ["--detector.height", "32", "--detector.width", "48", "--detector.channels", "8", "--pose.image-size", "32"]
TINY += ["--pose.lmax", "2", "--pose-training.batch-size", "4", "--detector-training.batch-size", "4"]


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    counts = {"train": 6, "validation": 2, "lightbox": 2}
    folder = tmp_path_factory.mktemp("craft") / "data"
    return write_satellite(folder, counts, SatelliteSettings(width=96, height=60), "torch", progress=False)


@pytest.fixture(scope="module")
def run(data: Path) -> Path:
    folder = data.parent / "run"
    words = ["spacecraft", "train", "--data", str(data), "--out", str(folder), "--steps", "2", *TINY]
    assert main([*words, "--stop-after", "1"]) == 0
    assert main(words) == 0 and main(words) == 0
    assert (folder / "camera.json").is_file() and (folder / "model.ply").is_file()
    return folder


def test_scores_of_each_domain_and_a_report(data: Path, run: Path, tmp_path: Path, capsys) -> None:
    out = tmp_path / "scores"
    words = ["spacecraft", "evaluate", str(run), "--data", str(data), "--out", str(out), "--shown", "2"]
    assert main(words) == 0
    record = json.loads((out / "metrics.json").read_text())
    assert {*record["kelvins"]} == {"speedplus", "spnv2"}
    domains = record["kelvins"]["speedplus"]["domains"]
    assert {*domains} == {"validation", "lightbox"}
    # The run has the spacecraft's surface, so there are recalls; once, beside the challenge's scores.
    assert 0 <= domains["lightbox"]["average_recall"] <= 1
    assert record["kelvins"]["spnv2"]["domains"]["lightbox"]["average_recall"] is None
    submission = read_submission(out / "submission.csv")
    assert submission.names[0].startswith("synthetic/") and submission.names[2].startswith("lightbox/")
    poses = json.loads((out / "poses.json").read_text())
    stated = torch.tensor([row["translation"] for row in poses["lightbox"]])
    assert torch.allclose(stated.double(), submission.translation[2:], atol=1e-5)
    report = (out / "report.html").read_text()
    assert "data:image/png" in report and "BOP&#x27;s recalls" in report
    assert "| lightbox |" in capsys.readouterr().out


def test_a_symmetric_satellite_is_scored_to_the_nearest_that_looks_alike(data: Path, run: Path) -> None:
    predictor, reader = load_spacecraft(run), open_split(data, "lightbox")
    (answer,) = answer_domain(predictor, "lightbox", reader)
    group = SymmetryGroup.dihedral(2)
    turned = replace(
        answer,
        rotation=answer.true_rotation @ group.elements()[1].to(answer.true_rotation),
        translation=answer.true_translation,
    )
    assert turned.errors(0)[0] == pytest.approx(180, abs=0.1) and turned.scores().min() > 3
    alike = replace(turned, symmetry=group)
    assert alike.errors(0)[0] == pytest.approx(0, abs=0.1) and alike.scores().max() == 0


def test_adaptation_is_measured_beside(data: Path, run: Path, tmp_path: Path) -> None:
    words = ["spacecraft", "evaluate", str(run), "--data", str(data), "--out", str(tmp_path), "--adapt"]
    assert main([*words, "--splits", "lightbox"]) == 0
    record = json.loads((tmp_path / "metrics.json").read_text())
    assert {*record["kelvins"]["spnv2"]["domains"]} == {"lightbox", "lightbox, adapted"}
    assert (tmp_path / "submission-adapted.csv").is_file()


def whole_frame(data: Path) -> tuple[torch.Tensor, torch.Tensor]:
    sample = open_split(data, "lightbox")[0]
    assert sample.intrinsics is not None
    return sample.image, sample.intrinsics


def test_a_pose_that_says_little_is_of_no_object(data: Path, run: Path) -> None:
    predictor = load_spacecraft(run)
    information = -float(predictor(*whole_frame(data)).pose.rotation.entropy()[0])
    certain = Detection(torch.zeros(4), 1.0)
    for usual, found in ((1.9 * information, True), (2.1 * information, False)):
        answer = replace(replace(predictor, usual=usual)(*whole_frame(data)), detection=certain)
        assert answer.found is found
        assert ("as unsure as that of none" in answer.to_json()["note"]) is not found
    assert predictor.usual == -read_metadata(run / "pose" / "model")["figures"]["val_rotation_loss"]


def test_a_frame_gets_a_pose_and_a_picture(data: Path, run: Path, tmp_path: Path) -> None:
    frame = data / "lightbox" / "images" / "img000001.jpg"
    assert main(["spacecraft", "predict", str(run), str(frame), "--out", str(tmp_path)]) == 0
    record = json.loads((tmp_path / "img000001.json").read_text())
    answer = load_spacecraft(run)(*whole_frame(data))
    assert record["found"] is answer.found and answer.detection.found is (record["confidence"] >= 0.5)
    rotation = torch.tensor(record["rotation"])
    assert (rotation @ rotation.T - torch.eye(3)).abs().max() < 1e-5
    assert torch.linalg.eigvalsh(torch.tensor(record["translation_covariance"])).min() > 0
    with Image.open(tmp_path / "img000001.png") as picture:
        assert picture.width > 500


def test_a_dark_frame_says_that_there_is_nothing(run: Path, tmp_path: Path) -> None:
    Image.new("L", (96, 60)).save(tmp_path / "dark.png")
    words = ["spacecraft", "predict", str(run), str(tmp_path / "dark.png"), "--out", str(tmp_path / "out"), "--contour"]
    assert main(words) == 0
    record = json.loads((tmp_path / "out" / "dark.json").read_text())
    assert not record["found"] and record["confidence"] == 0 and "no object" in record["note"]


def test_whole_frames_and_their_crops_agree(data: Path, run: Path) -> None:
    """One frame at a time and a reader of them: the same boxes, crops and poses, in the frame's camera."""
    predictor, reader = load_spacecraft(run), open_split(data, "lightbox")
    crops, found = predictor.crops(reader, progress=False)
    poses = predictor.poses(crops)
    sample = reader[1]
    answer = predictor(sample.image, sample.intrinsics)
    assert torch.equal(answer.detection.box, found[1].box)
    # Without the search it is the detector's first box.
    plain = load_spacecraft(run, search=False, turns=False)
    first = plain.detect(sample)
    assert first.confidence == answer.detection.confidence and plain.points is None
    assert predictor.poses(predictor.crops(reader, progress=False)[0]).rotation.entropy()[1] <= 1e-3
    assert torch.allclose(answer.pose.translation[0], poses.translation[1], atol=1e-4)
    # The crop's camera turned back is the frame's: labels are as they were.
    assert torch.allclose(crops.turns[1].T @ crops.rotations[1], sample.rotation, atol=1e-5)


def test_a_film_is_observed_with_positions(data: Path, run: Path) -> None:
    observer = load_observer(run, torch.device("cpu"))
    seen = observer(TimedFrame(data / "lightbox" / "images" / "img000001.jpg", 0.1))
    assert seen.observation.translation.shape == (3,) and 0 <= seen.observation.weight <= 1
    assert observer(TimedFrame(None, 0.2)).observation.density is None


def test_a_film_of_whole_frames_is_followed(data: Path, run: Path, tmp_path: Path) -> None:
    words = ["track", str(data / "lightbox" / "images"), "--model", str(run), "--out", str(tmp_path / "track")]
    assert main(words) == 0
    frames = json.loads((tmp_path / "track" / "track.json").read_text())["frames"]
    assert frames and all("rotation" in frame for frame in frames)


def test_a_film_with_labels_gets_scores(data: Path, run: Path, tmp_path: Path, capsys) -> None:
    frames, labels = data / "lightbox" / "images", data / "lightbox" / "test.json"
    words = ["track", str(frames), "--model", str(run), "--out", str(tmp_path / "track")]
    assert main([*words, "--truth", str(labels)]) == 0
    scores = json.loads((tmp_path / "track" / "track.json").read_text())["scores"]
    assert {*scores} == {"single", "filtered", "smoothed"} and 0 <= scores["single"]["mean_deg"] <= 180
    assert "smoothed: mean error" in capsys.readouterr().out
    listed, few = json.loads(labels.read_text()), tmp_path / "few.json"
    unsound = {**listed[1], "q_vbs2tango_true": [0.0, 0.0, 0.0, 0.0]}
    for entries in (listed[:1], [listed[0], unsound]):
        few.write_text(json.dumps(entries))
        words = ["track", str(frames), "--model", str(run), "--truth", str(few), "--out", str(tmp_path / "none")]
        assert main(words) == 2 and not (tmp_path / "none").exists()
        assert "expected the pose of each frame, got no sound one of img" in capsys.readouterr().err


def test_the_symmetry_of_a_run_is_what_its_data_said(run: Path, tmp_path: Path) -> None:
    assert known_symmetry(run) is None
    shutil.copytree(run / "pose" / "model", tmp_path / "pose" / "model")
    file = tmp_path / "pose" / "model" / "config.json"
    record = json.loads(file.read_text())
    record["metadata"]["info"]["symmetries"][0] |= SymmetryGroup.dihedral(2).to_bop()
    file.write_text(json.dumps(record))
    group = known_symmetry(tmp_path)
    assert group is not None and group.order == 4


def test_the_true_outline_is_the_mask(data: Path) -> None:
    reader, surface = open_split(data, "lightbox"), load_surface(data)
    sample = reader[0]
    drawn = silhouette(surface, sample.rotation, sample.translation, sample.intrinsics, 60, 96)
    assert sample.mask is not None
    assert (drawn & sample.mask).sum() / (drawn | sample.mask).sum() > 0.9
    # And in a part of the frame, where the box is in the middle.
    view = zoomed(FrameView(sample.image, sample.intrinsics, surface), mask_box(sample.mask), side=80, margin=1.25)
    box = mask_box(silhouette(surface, sample.rotation, sample.translation, view.intrinsics, 80, 80))
    assert (box[:2] + box[2:]).sub(79).abs().max() < 5 and abs((box[2:] - box[:2]).max() - 64) < 5


BAD = [
    (["spacecraft", "trian"], "did you mean train?"),
    (["spacecraft", "train", "--data", "no/such", "--out", "OUT"], "no/such: expected spacecraft laid out as SPEED+"),
    (
        ["spacecraft", "train", "--data", "DATA", "--out", "OUT", "--split", "tarin"],
        "no split tarin; did you mean train?",
    ),
    (["spacecraft", "train", "--data", "DATA", "--out", "OUT", "--steps", "2", "--minutes", "3"], "got both; give one"),
    (["spacecraft", "evaluate", "no/run", "--data", "DATA", "--out", "OUT"], "no/run: expected a finished run"),
    (["spacecraft", "evaluate", "RUN", "--data", "DATA", "--out", "OUT", "--shown", "0"], "expected --pictures and"),
    (["spacecraft", "predict", "DATA", "no.png", "--out", "OUT"], "no.png: no such picture"),
]


@pytest.mark.parametrize(("words", "said"), BAD)
def test_mistakes_are_one_line(words: list[str], said: str, data: Path, run: Path, tmp_path: Path, capsys) -> None:
    places = {"DATA": str(data), "RUN": str(run), "OUT": str(tmp_path / "out")}
    assert main([places.get(word, word) for word in words]) == 2
    error = capsys.readouterr().err
    assert said in error and error.count("\n") == 1
