"""BOP's result files in and out, their score on a rendered data set, and the record of all scores."""

import json
from pathlib import Path

import pytest
import torch

from armillary.data import BopReader, make_solid, write_bop
from armillary.data.rendering import SceneSettings
from armillary.evaluation.pose import (
    ERRORS,
    RECALLS,
    BopResults,
    ObjectModel,
    Pictures,
    best_results,
    read_bop_results,
    score_poses,
    score_results,
    write_bop_results,
)
from armillary.so3 import SymmetryGroup, random_rotations, rotation_z


@pytest.fixture(scope="module")
def rendered(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three views of each of two solids."""
    folder = tmp_path_factory.mktemp("rendered")
    solids = [make_solid("tet"), make_solid("cyl")]
    write_bop(folder, solids, 3, SceneSettings(size=48), backend="torch", threads=1, progress=False)
    return folder


def random_results(count: int, generator: torch.Generator) -> BopResults:
    place = torch.stack([torch.arange(count) // 2 + 1, torch.arange(count), torch.full((count,), 4)], 1)
    rotation, translation = random_rotations(count, generator=generator), torch.randn(count, 3, generator=generator)
    return BopResults(place, torch.rand(count, generator=generator), rotation, translation, torch.full((count,), 0.25))


def test_results_come_back(tmp_path: Path, generator: torch.Generator):
    results = random_results(5, generator)
    write_bop_results(tmp_path / "r.csv", results)
    header, first = (tmp_path / "r.csv").read_text().splitlines()[:2]
    assert header == "scene_id,im_id,obj_id,score,R,t,time" and len(first.split(",")) == 7
    # Millimetres in the file.
    assert float(first.split(",")[5].split()[0]) == pytest.approx(1000 * results.translation[0, 0].item(), rel=1e-6)
    back = read_bop_results(tmp_path / "r.csv")
    assert torch.equal(back.place, results.place)
    for name in ("score", "rotation", "translation", "time"):
        torch.testing.assert_close(getattr(back, name).float(), getattr(results, name), atol=1e-6, rtol=1e-6)
    (tmp_path / "bare.csv").write_text(first + "\n")
    assert len(read_bop_results(tmp_path / "bare.csv")) == 1


GOOD = "1,2,3,0.5,1 0 0 0 1 0 0 0 1,0 0 500,-1"


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("1,2,3,0.5,1 0 0 0 1 0 0 0 1,0 0 500", "line 2: expected scene_id,im_id,obj_id,score,R,t,time with 9 numbers"),
        (GOOD.replace("1 0 0 0 1", "1 0 0 1"), "line 2: expected"),
        (GOOD.replace("500", "far"), "line 2: expected"),
        (GOOD.replace("1,2,3", "1.5,2,3"), "line 2: expected"),
        (GOOD.replace("500", "nan"), "line 2: expected"),
        (GOOD.replace("1 0 0 0 1", "2 0 0 0 1"), "answer 1: expected a rotation R"),
    ],
)
def test_a_broken_file_is_one_line(line: str, message: str, tmp_path: Path):
    (tmp_path / "r.csv").write_text(f"scene_id,im_id,obj_id,score,R,t,time\n{line}\n")
    with pytest.raises(ValueError, match=message) as told:
        read_bop_results(tmp_path / "r.csv")
    assert "r.csv" in str(told.value) and "\n" not in str(told.value)
    with pytest.raises(FileNotFoundError, match="expected BOP results"):
        read_bop_results(tmp_path / "none.csv")


def test_the_best_answer_counts_the_first_among_equals(generator: torch.Generator):
    results = random_results(4, generator)
    place = torch.tensor([[1, 0, 4]] * 4)
    tied = BopResults(place, torch.tensor([0.2, 0.9, 0.9, 0.1]), results.rotation, results.translation, results.time)
    assert best_results(tied, place[:1]).tolist() == [1]
    with pytest.raises(ValueError, match=r"object \(1, 0, 4\) twice; score it with bop_toolkit"):
        best_results(tied, place)


def test_labels_score_one_and_what_is_missing_counts_as_wrong(rendered: Path, tmp_path: Path):
    reader = BopReader(rendered / "train")
    samples = [reader[index] for index in range(len(reader))]
    turn = torch.stack([sample.rotation for sample in samples])
    place = torch.stack([sample.translation for sample in samples])
    camera = torch.stack([sample.intrinsics for sample in samples])
    assert reader.places.tolist()[:4] == [[1, 0, 1], [1, 1, 1], [1, 2, 1], [2, 0, 2]]
    models = {number: ObjectModel.of_bop(rendered / "models", number) for number in (1, 2)}
    pictures = Pictures(camera, tuple(samples[0].image.shape[-2:]))
    # The cylinder, turned about its axis, looks as before; one answer is left out.
    turned = turn @ rotation_z(torch.tensor([0.0, 0, 0, 1.0, 2.0, 3.0]))
    results = BopResults(reader.places[1:], torch.ones(5), turned[1:], place[1:], torch.full((5,), 0.5))
    write_bop_results(tmp_path / "r.csv", results)
    score = score_results(read_bop_results(tmp_path / "r.csv"), reader.places, turn, place, models, pictures)
    assert (score.targets, score.answered, score.seconds) == (6, 5, 0.5)
    for recall in (score.recall_mssd, score.recall_mspd):
        assert recall == pytest.approx(5 / 6)
    # A facetted cylinder, turned, differs at its rim by a pixel or two.
    assert score.recall_vsd == pytest.approx(5 / 6, abs=0.1)
    assert json.loads(json.dumps(score.to_json()))["average_recall"] == score.average_recall
    with pytest.raises(ValueError, match="expected a model of each object, got none of object 2"):
        score_results(results, reader.places, turn, place, {1: models[1]}, pictures)
    with pytest.raises(ValueError, match="expected at least one target"):
        score_results(results, reader.places[:0], turn[:0], place[:0], models, pictures)


def test_a_model_that_bop_does_not_list_is_named(rendered: Path, tmp_path: Path):
    with pytest.raises(ValueError, match="expected object 9 with its diameter, got none; restore"):
        ObjectModel.of_bop(rendered / "models", 9)
    entry = {"diameter": 100.0, "symmetries_continuous": [{"axis": [0, 0, 1]}]}
    (tmp_path / "models_info.json").write_text(json.dumps({"1": entry}))
    (tmp_path / "obj_000001.ply").write_bytes((rendered / "models" / "obj_000001.ply").read_bytes())
    with pytest.raises(ValueError, match="object 1: expected symmetries as BOP has them, got ''offset''"):
        ObjectModel.of_bop(tmp_path, 1)


def test_all_scores_are_in_one_record(generator: torch.Generator):
    solids = [make_solid("cube"), make_solid("cone")]
    turn = random_rotations(6, generator=generator)
    place = torch.tensor([0.0, 0, 6]).expand(6, 3)
    answer = place + torch.tensor([0.0, 0, 0.6]) * torch.tensor([0, 0, 1, 0, 0, 1.0])[:, None]
    kinds = torch.tensor([0, 1] * 3)
    K = torch.tensor([[60.0, 0, 31.5], [0, 60, 31.5], [0, 0, 1]]).expand(6, 3, 3)
    scores = score_poses(
        turn @ rotation_z(torch.tensor(torch.pi / 2)),
        answer,
        turn,
        place,
        ["clean", "dark", "dark"] * 2,
        symmetries=[solid.symmetry for solid in solids],
        models=[ObjectModel.of_shape(solid) for solid in solids],
        pictures=Pictures(K, (64, 64)),
        category=kinds,
    )
    clean, dark = scores.domains["clean"], scores.domains["dark"]
    assert (clean.views, dark.views) == (2, 4) and [*scores.domains] == ["clean", "dark"]
    # Quarter-turns of a cube and turns of a cone look the same: matrices are float32.
    assert clean.rotation_mean_deg < 1e-3 and clean.kelvins_mean == 0 and clean.average_recall > 0.95
    assert dark.kelvins_mean == dark.kelvins_position == pytest.approx(0.05, abs=1e-6)
    assert dark.translation_median == pytest.approx(0.3, abs=1e-6) and dark.kelvins_median == pytest.approx(0.05)
    assert dark.average_recall is not None and dark.average_recall < 0.95
    record = json.loads(json.dumps(scores.to_json()))
    assert record["kelvins_thresholds"] == {"position": 2.173e-3, "rotation_deg": 0.169}
    assert record["domains"]["dark"]["views"] == 4
    lines = scores.markdown().splitlines()
    assert scores.markdown(RECALLS).splitlines()[0] == "| domain | views | AR MSSD | AR MSPD | AR VSD | AR |"
    assert "AR" not in scores.markdown(ERRORS)
    assert len(lines) == 4 and "AR VSD" in lines[0] and lines[3].startswith("| dark | 4 | ")


def test_without_models_there_are_no_recalls_and_without_views_no_score():
    eye, place = torch.eye(3)[None], torch.ones(1, 3)
    scores = score_poses(eye, place, eye, place)
    assert scores.domains["all"].average_recall is None and "AR" not in scores.markdown()
    with pytest.raises(ValueError, match="expected at least one view"):
        score_poses(eye[:0], place[:0], eye[:0], place[:0])
    with pytest.raises(ValueError, match="expected a domain for each of 1 views, got 2"):
        score_poses(eye, place, eye, place, ["a", "b"])
    with pytest.raises(ValueError, match="expected one model for each of"):
        score_poses(eye, place, eye, place, models=[], pictures=Pictures(eye, (8, 8)))
    with pytest.raises(ValueError, match="expected finite poses"):
        score_poses(eye, place * torch.nan, eye, place)
    assert SymmetryGroup.trivial().order == 1
