"""``armillary track``: the frames of a film to smoothed poses, a plot over time, and a strip of pictures."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
import tyro
from jaxtyping import Float
from torch import Tensor
from tqdm import tqdm

from armillary.apps.film import timed_frames
from armillary.apps.machine import check_output, checked_device
from armillary.apps.observer import Observer, RotationObserver
from armillary.apps.parse import parse
from armillary.apps.plots.drawing import Drawing, drawings_png
from armillary.apps.plots.frame_axes import FrameAxes
from armillary.apps.plots.timeline import Timeline
from armillary.apps.predictor import Predictor, load
from armillary.apps.render import parse_symmetry
from armillary.data.atomic import write_atomically
from armillary.data.evenly import evenly_chosen
from armillary.data.record import write_json
from armillary.data.spacecraft.label import read_poses_of
from armillary.evaluation.film import score_film
from armillary.so3 import SymmetryGroup, geodesic_distance
from armillary.tracking import ConstantVelocity, Observation, RotationFilter, Track, track

DESCRIPTION = """Follow the object through the frames of a film.

A filter over rotation and angular velocity takes in what the model says of each frame. DIR gets track.json (for each
frame the smoothed rotation, the angular velocity, uncertainty, confidence, and what became of the frame), track.png
(all of it over time beside the answers to single frames) and strip.png (frames with the object's axes).

FRAMES is a folder, its pictures in order of their names (2.png before 10.png), or a CSV file with columns `file` and
`time` (seconds; an empty file is a frame that is missing). A frame of one colour holds no object.

examples:
  armillary track frames/ --model run --fps 10 --out track
  armillary track frames.csv --model run --symmetry D4 --out track
  armillary track film/frames.csv --truth film/test.json --model run --out track
"""

STRIP = 12  # frames of the strip, at most
COLUMNS = 6


@dataclass(frozen=True)
class TrackCommand:
    """Options of the filter."""

    # A folder of pictures, or a CSV file of their names and times.
    frames: tyro.conf.Positional[Path]

    # A run folder of `armillary train` or of `armillary spacecraft train`, or a model folder.
    model: Path

    # The folder for the results.
    out: Path

    # Frames per second of a folder's pictures.
    fps: float = 10.0

    # Symmetry of the object, as C2, D4, Cinf, O; by default what the model's data set said of its category.
    symmetry: str | None = None

    # True poses of the frames in SPEED+'s form, as film/test.json of `armillary spacecraft render`: errors and flips of
    # single frames and of the track are printed and kept in track.json.
    truth: Path | None = None

    # How much the angular velocity wanders, in degrees/s per square root of a second.
    acceleration: float = 6.0

    # Category of the object, for a model that wants to be told.
    category: str | None = None

    # Where to compute: cpu, cuda, cuda:1, ...
    device: str = "cuda" if torch.cuda.is_available() else "cpu"


def main(arguments: Sequence[str], started: float) -> None:
    """Run the command."""
    command = parse(TrackCommand, arguments, "armillary track", description=DESCRIPTION)
    motion = ConstantVelocity(acceleration=math.radians(command.acceleration))
    frames = timed_frames(command.frames, command.fps)
    check_output(command.out)
    names = [frame.file.name if frame.file else "" for frame in frames]
    truth = None if command.truth is None else _true_rotations(command.truth, names)
    group = parse_symmetry(command.symmetry) if command.symmetry else None
    observer, known = _observer(command)
    follow = RotationFilter(motion, group or known)
    strip = {*evenly_chosen(len(frames), STRIP).tolist()}
    answers: list[Float[Tensor, "3 3"]] = []
    images: dict[int, Float[Tensor, "3 height width"] | None] = {}

    def observations() -> Iterator[Observation]:
        for index, frame in enumerate(tqdm(frames, desc="following", unit="frame", delay=1)):
            seen = observer(frame)
            answers.append(seen.rotation.double())
            if index in strip:
                images[index] = seen.image
            yield seen.observation

    result = track(observations(), follow)
    record = {"frames_from": str(command.frames), "model": str(command.model), **result.to_json(names)}
    scores = {}
    if truth is not None:
        answered = {"single": torch.stack(answers), "filtered": result.filtered, "smoothed": result.rotation}
        scores = score_film(answered, truth, result.time, follow.group)
        record["scores"] = {name: score.to_json() for name, score in scores.items()}
    timeline, pictures = _timeline(result, torch.stack(answers)), _strip(result, images, names)
    command.out.mkdir(parents=True, exist_ok=True)
    write_atomically(command.out / "track.png", drawings_png(timeline))
    write_atomically(command.out / "strip.png", drawings_png(pictures))
    write_json(command.out / "track.json", record)
    print(_summary(result, command.out))
    for name, score in scores.items():
        print(f"{name}: mean error {score.mean_deg:.2f}°, median {score.median_deg:.2f}°, flips {score.flips}")


def _observer(command: TrackCommand) -> tuple[Observer, SymmetryGroup | None]:
    """What looks at the frames, and the symmetry its model knows of."""
    device = checked_device(command.device)
    if (command.model / "detector").is_dir():
        from armillary.apps.spacecraft.observer import known_symmetry, load_observer

        return load_observer(command.model, device), known_symmetry(command.model)
    predictor = load(command.model, device)
    return RotationObserver(predictor, command.category), _known_symmetry(predictor, command.category)


def _true_rotations(file: Path, names: Sequence[str]) -> Float[Tensor, "frames 3 3"]:
    """Of the frames, in their order; NaN where a frame is missing."""
    labels = read_poses_of(file, {*names})
    places = labels.places
    unknown = next((name for name in names if name and name not in places), None)
    if unknown is not None:
        raise ValueError(
            f"{file}: expected the pose of each frame, got no sound one of {unknown}; give the film's own labels"
        )
    rotations = torch.cat([labels.rotations.double(), torch.full((1, 3, 3), math.nan, dtype=torch.float64)])
    return rotations[[places.get(name, -1) for name in names]]


def _known_symmetry(predictor: Predictor, category: str | None) -> SymmetryGroup | None:
    """What the model's data set said: of the category named, or of the only one."""
    info = predictor.info
    if category is None and len(info.categories) > 1:
        return None
    group = info.symmetries[info.categories.index(category) if category in info.categories else 0]
    return group if group.order > 1 else None


def _summary(result: Track, out: Path) -> str:
    count = {event: result.event.count(event) for event in dict.fromkeys(result.event)}
    said = ", ".join(f"{number} {event}" for event, number in count.items())
    return f"{len(result)} frames ({said}): see {out / 'track.png'}, strip.png and track.json"


def _timeline(result: Track, alone: Float[Tensor, "frames 3 3"]) -> list[list[Drawing]]:
    """Angle to the first pose, turn from frame to frame, uncertainty, confidence."""
    known = result.rotation.isfinite().all(-1).all(-1)
    start = result.rotation[known][0] if bool(known.any()) else torch.eye(3, dtype=torch.float64)

    def angle(rotation: Float[Tensor, "frames 3 3"]) -> Float[Tensor, " frames"]:
        return geodesic_distance(start, rotation).rad2deg()

    def turn(rotation: Float[Tensor, "frames 3 3"]) -> Float[Tensor, " frames"]:
        step = geodesic_distance(rotation[:-1], rotation[1:]).rad2deg()
        return torch.cat([torch.full((1,), math.nan, dtype=step.dtype), step])

    dots, line, dark = "single frames", "track", _unseen(result)
    speed = torch.linalg.vector_norm(result.rate, dim=-1).rad2deg()
    both = {"speed, °/s": speed, "uncertainty, °": result.deviation_deg}
    sure = {"confidence (within 15°)": result.confidence}
    when, single, followed = result.time, alone, result.rotation
    rows = [
        Timeline(when, {dots: angle(single)}, {line: angle(followed)}, "° from the first pose", (-4.0, 215.0), dark),
        Timeline(when, {dots: turn(single)}, {line: turn(followed)}, "° from frame to frame", (-4.0, 215.0), dark),
        Timeline(when, {}, both, "speed and uncertainty", None, dark),
        Timeline(when, {"support of the frame": result.support}, sure, "probability", (-0.03, 1.28), dark),
    ]
    return [[row] for row in rows]


def _unseen(result: Track) -> tuple[tuple[float, float], ...]:
    """From when to when nothing was seen: half of the way to the frames beside."""
    middle = (result.time[1:] + result.time[:-1]) / 2
    edge = torch.cat([result.time[:1], middle, result.time[-1:]]).tolist()
    return tuple(
        (edge[index], edge[index + 1]) for index, event in enumerate(result.event) if event in ("unseen", "predicted")
    )


def _strip(
    result: Track, images: dict[int, Float[Tensor, "3 height width"] | None], names: Sequence[str]
) -> list[list[Drawing]]:
    """Frames with the axes of the smoothed pose; a missing one is grey."""
    drawings: list[Drawing] = []
    for index, image in images.items():
        shown = torch.full((3, 32, 32), 0.85) if image is None else image
        caption = (
            f"{result.time[index]:.1f} s {names[index]}\n{result.event[index]}, ±{result.deviation_deg[index]:.0f}°"
        )
        drawings.append(FrameAxes(shown, result.rotation[index], caption=caption))
    return [drawings[start : start + COLUMNS] for start in range(0, len(drawings), COLUMNS)]
