"""``armillary train embedding`` and ``evaluate embedding``: one small chain, stopped, taken up, measured."""

import json
from pathlib import Path

import pytest

from armillary.apps.cli import main
from armillary.data.shapes import FAMILIES
from armillary.models import read_metadata

SEEN = ("car", "mug")
UNSEEN = [name for name in FAMILIES if name not in SEEN]
STAGES = ("teacher", "student", "synthesiser")
SMALL = [
    *("--material.members", "1", "--material.test-members", "2", "--material.views", "2", "--material.test-views", "2"),
    *(
        "--material.size",
        "32",
        "--teacher.side",
        "16",
        "--teacher.channels",
        "4",
        "4",
        "8",
        "8",
        "--teacher.halve",
        "2",
    ),
    *("--teacher.embedding", "1", "--student.width", "8", "--student.latent", "32", "--student.image-size", "32"),
    *("--synthesiser.image-size", "32", "--synthesiser.widths", "16", "16", "8", "--pairs", "100", "--threads", "1"),
    *("--material.unseen", *UNSEEN),
]


def steps(count: int) -> list[str]:
    each = ("--{}-training.steps", str(count), "--{}-training.minutes", "None", "--{}-training.batch-size", "4")
    return [word.format(stage) for stage in STAGES for word in each]


@pytest.fixture(scope="module")
def chain(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished chain with rivals."""
    folder = tmp_path_factory.mktemp("chain") / "run"
    assert main(["train", "embedding", "--out", str(folder), "--rivals", *SMALL, *steps(4)]) == 0
    return folder


def test_all_stages_leave_models_and_the_tables_are_written(chain: Path) -> None:
    for stage in (*STAGES, "siamese", "absolute"):
        assert (chain / stage / "model" / "model.safetensors").is_file()
    metrics = json.loads((chain / "evaluation" / "metrics.json").read_text())
    methods = {one["method"] for one in metrics["relative"]}
    assert methods == {"student", "siamese 6-D", "two absolute answers", "teacher's own maps"}
    assert (chain / "evaluation" / "report.html").read_text().count("<h2>") >= 5
    target = next(one for one in metrics["relative"] if one["method"] == "teacher's own maps")
    # Rays cast anew on turned shapes: the teacher's maps turn with them even untrained, so correlation finds the turn.
    assert target["mean"]["median_deg"] < 3


def test_the_student_knows_its_temperature_and_what_scores_mean(chain: Path) -> None:
    metadata = read_metadata(chain / "student" / "model")
    assert metadata["temperature"] >= 0
    assert {*metadata["pair_scores"]} == {"same", "different"}


def test_a_finished_chain_is_taken_up_without_training(chain: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = {stage: (chain / stage / "model" / "model.safetensors").stat().st_mtime_ns for stage in STAGES}
    assert main(["train", "embedding", "--out", str(chain), *SMALL, *steps(4)]) == 0
    after = {stage: (chain / stage / "model" / "model.safetensors").stat().st_mtime_ns for stage in STAGES}
    # The student's is written again only when it is calibrated, and that is done.
    assert before == after
    assert "already trained" in capsys.readouterr().err


def test_a_chain_stopped_in_its_first_stage_goes_on_where_it_stopped(chain: Path, tmp_path: Path) -> None:
    folder = tmp_path / "run"
    assert main(["train", "embedding", "--out", str(folder), "--stop-after", "2", *SMALL, *steps(4)]) == 0
    assert not (folder / "student").exists()
    assert main(["train", "embedding", "--out", str(folder), *SMALL, *steps(4)]) == 0
    found, whole = ((one / "teacher" / "model" / "model.safetensors").read_bytes() for one in (folder, chain))
    assert found == whole


def test_the_evaluation_alone_says_the_same(chain: Path, tmp_path: Path) -> None:
    assert main(["evaluate", "embedding", str(chain), "--out", str(tmp_path / "e"), "--pairs", "100"]) == 0
    assert (tmp_path / "e" / "tables.md").read_text() == (chain / "evaluation" / "tables.md").read_text()


@pytest.mark.parametrize(
    ("options", "culprit"),
    [
        (["train", "embedding", "--out", "{run}", "--material.unseen", "unicorn"], "unicorn"),
        (["train", "embedding", "--out", "{run}", "--material.views", "3"], "another material"),
        (["train", "embedding", "--out", "{new}", "--material.source", "{new}"], "CATEGORY"),
        (["train", "embedding", "--out", "{new}", "--stop-after", "0"], "--stop-after"),
        (["evaluate", "embedding", "{new}", "--out", "{new}"], "armillary train embedding"),
        (["evaluate", "embedding", "{run}", "--out", "{new}", "--pairs", "3"], "--pairs"),
    ],
)
def test_mistakes_are_one_line(
    options: list[str], culprit: str, chain: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = [word.format(run=chain, new=tmp_path / "new") for word in options]
    assert main(words) == 2
    said = capsys.readouterr().err.strip().splitlines()
    assert culprit in said[-1] and said[-1].startswith("armillary: error:")
    assert not (tmp_path / "new" / "config.json").exists()
