"""``armillary spacecraft evaluate``: whole frames to poses, scored by domain as Kelvins does, with a report."""

import html
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
import tyro
from jaxtyping import Float
from torch import Tensor

from armillary.apps.machine import check_output, checked_device, use_threads
from armillary.apps.parse import parse
from armillary.apps.plots.drawing import Drawing, drawings_png
from armillary.apps.plots.outline import PREDICTED, TRUE, DrawnPose, FrameView, SquareOverlay, zoomed
from armillary.apps.report import Picture, page, picture_section, table_section
from armillary.apps.spacecraft.domain import DomainAnswer, answer_domain
from armillary.apps.spacecraft.predictor import load_spacecraft
from armillary.apps.spacecraft.source import load_surface, open_split, split_names, surface_file
from armillary.data.atomic import write_atomically
from armillary.data.evenly import evenly_chosen
from armillary.data.record import write_json
from armillary.data.shapes import Mesh, Shape
from armillary.data.spacecraft import SpacecraftPhotos
from armillary.data.spacecraft.frame_store import projected_box
from armillary.evaluation.pose import (
    ERRORS,
    RECALLS,
    SPEEDPLUS_2021,
    SPNV2,
    KelvinsThresholds,
    ObjectModel,
    Pictures,
    PoseScores,
    score_poses,
    write_submission,
)

SPLITS = ("validation", "lightbox", "sunlamp")

DESCRIPTION = """Measure a run on whole frames: detector, virtual camera, pose.

DIR gets metrics.json (errors and Kelvins scores of each domain, with the thresholds of the challenge and of SPNv2, and
BOP's recalls where the run has the spacecraft's surface), submission.csv (the challenge's form), poses.json and
report.html with pictures. Rotations that look alike are one answer. --adapt also measures the model after it was
adapted to each domain's pictures, without their labels.

examples:
  armillary spacecraft evaluate run --data satellite --out scores
  armillary spacecraft evaluate run --data speedplus --splits lightbox sunlamp --adapt --out scores
"""


@dataclass(frozen=True)
class EvaluateCommand:
    """Options of the evaluation."""

    # A run folder of `armillary spacecraft train`.
    run: tyro.conf.Positional[Path]

    # Frames with poses.
    data: Path

    # The folder for the results.
    out: Path

    # Which splits; by default those there are of validation, lightbox and sunlamp.
    splits: tuple[str, ...] = ()

    # Measure on so many frames of each split, evenly chosen; by default on all.
    pictures: int | None = None

    # Adapt the model to each domain, without labels, and measure it again.
    adapt: bool = False

    # Find the object by its contour instead of the detector, as the SPEED+ fork.
    contour: bool = False

    # Answer with the mean over the four quarter turns of each crop: more exact, for four passes of the pose model.
    turns: bool = True

    # Ask the pose model about several boxes of the detector and follow its surest answer; else take the first box.
    search: bool = True

    # Pictures of each domain in the report, from the best to the worst.
    shown: int = 5

    # Processor threads; by default one for each core.
    threads: int | None = None

    # Where to compute: cpu, cuda, cuda:1, ...
    device: str = "cuda" if torch.cuda.is_available() else "cpu"


def main(arguments: Sequence[str], started: float) -> None:
    """Run the command."""
    command = parse(EvaluateCommand, arguments, "armillary spacecraft evaluate", description=DESCRIPTION)
    if (command.pictures is not None and command.pictures < 1) or command.shown < 1:
        raise ValueError(
            f"expected --pictures and --shown of 1 or more, got {command.pictures} and {command.shown}; correct them"
        )
    check_output(command.out)
    use_threads(command.threads)
    names = command.splits or tuple(name for name in split_names(command.data) if name in SPLITS)
    if not names:
        raise ValueError(f"{command.data}: expected splits among {', '.join(SPLITS)}, got none of them; give --splits")
    readers = {name: open_split(command.data, name) for name in names}
    predictor = load_spacecraft(
        command.run, checked_device(command.device), command.contour, command.turns, command.search
    )
    answers = [
        answer_domain(predictor, name, reader, command.pictures, command.adapt) for name, reader in readers.items()
    ]
    answers = [answer for several in answers for answer in several]
    surface, views = load_surface(command.run), readers[names[0]]
    # Recalls need a surface; they are the same whatever Kelvins' thresholds are, and stand in the first table.
    shape = Shape(views.spacecraft.name, surface, views.spacecraft.symmetry)
    model = None if surface_file(command.run) is None else ObjectModel.of_shape(shape)
    tables = {
        "speedplus": _scores(answers, SPEEDPLUS_2021, views, model),
        "spnv2": _scores(answers, SPNV2, views),
    }
    command.out.mkdir(parents=True, exist_ok=True)
    record = {key: scores.to_json() for key, scores in tables.items()}
    found = {answer.name: answer.detection_figures() for answer in answers}
    write_json(command.out / "metrics.json", {"run": str(command.run), "kelvins": record, "detection": found})
    for kind, chosen in {"submission": False, "submission-adapted": True}.items():
        part = [answer for answer in answers if answer.adapted is chosen]
        if part:
            _write_submission(command.out / f"{kind}.csv", part)
    write_json(command.out / "poses.json", {answer.name: answer.to_json() for answer in answers})
    rows = [_pictures(answer, readers[answer.split], surface, command.shown) for answer in answers]
    pictures = drawings_png(rows)
    write_atomically(command.out / "pictures.png", pictures)
    table = tables["speedplus"].markdown()
    body = [
        table_section("Scores with the challenge's thresholds", tables["speedplus"].markdown(ERRORS)),
        table_section("Scores with SPNv2's thresholds", tables["spnv2"].markdown(ERRORS)),
        *([] if model is None else [table_section("BOP's recalls", tables["speedplus"].markdown(RECALLS))]),
        table_section("Detection", _detection_table(answers)),
        picture_section(Picture("Poses", pictures, NOTE)),
        f"<h2>How to reproduce</h2><pre>{html.escape(_reproduce(command))}</pre>",
    ]
    lead = f"{command.run} on {command.data}: whole frames, box, virtual camera, pose."
    write_atomically(command.out / "report.html", page("Spacecraft poses", lead, body).encode("utf-8"))
    print(table)
    print(f"see {command.out / 'report.html'}, metrics.json and submission.csv")


NOTE = (
    "From the best to the worst of each domain. Green: outline of the true pose; magenta: of the predicted one, with "
    "its axes x red, y green, z blue."
)


def _scores(
    answers: Sequence[DomainAnswer],
    limits: KelvinsThresholds,
    views: SpacecraftPhotos,
    model: ObjectModel | None = None,
) -> PoseScores:
    """By domain; with a model, BOP's recalls too."""
    names = [answer.name for answer in answers for _ in answer.names]
    turn, place, true_turn, true_place = (torch.cat([getattr(answer, key) for answer in answers]) for key in POSES)
    camera, models = views.camera, None if model is None else [model]
    pictures = Pictures(camera.intrinsics.float().expand(len(names), 3, 3), (camera.height, camera.width))
    symmetries = [views.spacecraft.symmetry]
    return score_poses(turn, place, true_turn, true_place, names, limits, symmetries, models, pictures)


POSES = ("rotation", "translation", "true_rotation", "true_translation")


def _write_submission(path: Path, answers: Sequence[DomainAnswer]) -> None:
    names = [name for answer in answers for name in answer.names]
    poses = (torch.cat([getattr(answer, key) for answer in answers]) for key in POSES[:2])
    write_submission(path, names, *poses)


def _detection_table(answers: Sequence[DomainAnswer]) -> str:
    lines = ["| domain | found by the detector | pose sure | mean confidence |", "|---|---|---|---|"]
    for answer in answers:
        figures = answer.detection_figures()
        shares = f"{figures['found']:.1%} | {figures['sure']:.1%}"
        lines.append(f"| {answer.name} | {shares} | {figures['mean_confidence']:.3f} |")
    return "\n".join(lines)


def _pictures(answer: DomainAnswer, reader: SpacecraftPhotos, surface: Mesh, shown: int) -> list[Drawing]:
    """Views from the best to the worst."""
    order = answer.scores().argsort()
    chosen = order[evenly_chosen(len(order), shown)]
    return [_panel(answer, int(place), reader, surface) for place in chosen]


def _panel(answer: DomainAnswer, place: int, reader: SpacecraftPhotos, surface: Mesh) -> Drawing:
    sample = reader[answer.places[place]]
    assert sample.intrinsics is not None
    poses = (
        DrawnPose(answer.true_rotation[place], answer.true_translation[place], TRUE, axes=False),
        DrawnPose(answer.rotation[place], answer.translation[place], PREDICTED, style="dashed"),
    )
    view = FrameView(sample.image, sample.intrinsics, surface, poses)
    angle, metres = answer.errors(place)
    caption = f"{answer.name}: {angle:.1f}°, {metres:.3f} m\nof {_length(answer.true_translation[place]):.1f} m"
    found, true = answer.boxes[place], projected_box(sample, surface.vertices)
    around = torch.cat([torch.minimum(found, true)[:2], torch.maximum(found, true)[2:]])
    return SquareOverlay(zoomed(view, around if bool(around.isfinite().all()) else found), caption=caption, height=2.0)


def _length(vector: Float[Tensor, "3"]) -> float:
    return float(torch.linalg.vector_norm(vector))


def _reproduce(command: EvaluateCommand) -> str:
    words = f"armillary spacecraft evaluate {command.run} --data {command.data} --out {command.out}"
    chosen = {
        "--adapt": command.adapt,
        "--contour": command.contour,
        "--no-turns": not command.turns,
        "--no-search": not command.search,
    }
    return " ".join([words, *(word for word, given in chosen.items() if given)])
