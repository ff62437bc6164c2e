"""``armillary spacecraft predict``: frames to poses, as JSON and drawn over the frame."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
import tyro
from tqdm import tqdm

from armillary.apps.machine import check_output, checked_device
from armillary.apps.parse import parse
from armillary.apps.plots.drawing import drawings_png
from armillary.apps.plots.outline import (
    PREDICTED,
    TRUE,
    DrawnPose,
    FrameOverlay,
    FrameView,
    SquareOverlay,
    zoomed,
)
from armillary.apps.predict import find_pictures, result_names
from armillary.apps.spacecraft.predictor import SpacecraftAnswer, load_spacecraft
from armillary.apps.spacecraft.source import CAMERA, load_surface
from armillary.data.atomic import write_atomically
from armillary.data.picture import read_grey
from armillary.data.record import write_json
from armillary.data.shapes import Mesh
from armillary.data.spacecraft import LensCamera, read_lens_camera
from armillary.data.spacecraft.label import read_poses_of
from armillary.data.spacecraft.speedplus import LISTS
from armillary.so3 import geodesic_distance

DESCRIPTION = """Predict the pose of the spacecraft in whole frames.

For frame.jpg, DIR gets frame.json (found or not, the box, the most probable rotation, the position in metres with its
covariance, how sure both are) and frame.png: the frame and the part about the box, with the outline of the
spacecraft and its axes through the camera. Frames in DOMAIN/images whose labels are in DOMAIN/*.json are drawn
with the true outline too.

examples:
  armillary spacecraft predict run frame.jpg --out predictions
  armillary spacecraft predict run satellite/lightbox/images --camera satellite/camera.json --out predictions
"""
# Frames are drawn up to this width, pixels.
WIDEST = 640


@dataclass(frozen=True)
class PredictCommand:
    """Options of the prediction."""

    # A run folder of `armillary spacecraft train`.
    run: tyro.conf.Positional[Path]

    # Frames, or folders of them.
    images: tyro.conf.Positional[tuple[Path, ...]]

    # The folder for the results.
    out: Path

    # The camera of the frames, as SPEED+'s camera.json; by default that of the training frames.
    camera: Path | None = None

    # Find the object by its contour instead of the detector, as the SPEED+ fork.
    contour: bool = False

    # Answer with the mean over the four quarter turns of each crop: more exact, for four passes of the pose model.
    turns: bool = True

    # Ask the pose model about several boxes of the detector and follow its surest answer; else take the first box.
    search: bool = True

    # Where to compute: cpu, cuda, cuda:1, ...
    device: str = "cuda" if torch.cuda.is_available() else "cpu"


def main(arguments: Sequence[str], started: float) -> None:
    """Run the command."""
    command = parse(PredictCommand, arguments, "armillary spacecraft predict", description=DESCRIPTION)
    files = find_pictures(command.images)
    names = result_names(files)
    check_output(command.out)
    predictor = load_spacecraft(
        command.run, checked_device(command.device), command.contour, command.turns, command.search
    )
    camera = read_lens_camera(command.run / CAMERA if command.camera is None else command.camera)
    surface = load_surface(command.run)
    frames = [read_grey(file) for file in tqdm(files, desc="reading", unit="frame", delay=1)]
    truths = _truths(files)
    command.out.mkdir(parents=True, exist_ok=True)
    for file, name, frame in zip(tqdm(files, desc="predicting", unit="frame", delay=1), names, frames, strict=True):
        lens = camera.resized(frame.shape[2], frame.shape[1])
        straight = lens.straighten(frame).expand(3, -1, -1)
        answer = predictor(straight, lens.intrinsics.float())
        write_json(command.out / f"{name}.json", {"image": str(file), "run": str(command.run), **answer.to_json()})
        drawing = _drawing(straight, lens, surface, answer, truths.get(file))
        write_atomically(command.out / f"{name}.png", drawing)
    print(f"{len(files)} frames: see {command.out / (names[0] + '.png')} and {names[0]}.json")


def _drawing(frame: torch.Tensor, lens: LensCamera, surface: Mesh, answer: SpacecraftAnswer, truth: DrawnPose | None):  # noqa: ANN202
    """The whole frame, and the part about the box."""
    pose, found = answer.pose, answer.detection
    rotation, translation = pose.rotation.mode[0].cpu(), pose.translation[0].cpu()
    predicted = DrawnPose(rotation, translation, PREDICTED, style="solid" if truth is None else "dashed")
    poses = (predicted,) if truth is None else (truth, predicted)
    scale = min(1.0, WIDEST / frame.shape[-1])
    size = round(frame.shape[-2] * scale), round(frame.shape[-1] * scale)
    small = torch.nn.functional.interpolate(frame[None], size, mode="bilinear", antialias=True)[0]
    intrinsics = lens.resized(size[1], size[0]).intrinsics.float()
    whole = FrameView(small, intrinsics, surface, poses, (found.box + 0.5) * scale - 0.5)
    part = zoomed(FrameView(frame, lens.intrinsics.float(), surface, poses), found.box)
    said = f"object {found.confidence:.0%}" if answer.found else f"NO OBJECT ({found.confidence:.0%})"
    deviation = pose.covariance[0].diagonal().sum().sqrt()
    caption = f"{said}; at {', '.join(f'{v:.3f}' for v in translation.tolist())} m, ±{deviation:.3f} m"
    right = "predicted" if truth is None else _errors(predicted, truth)
    return drawings_png(
        [[FrameOverlay(whole, caption=caption, height=2.6), SquareOverlay(part, caption=right, height=2.6)]]
    )


def _errors(predicted: DrawnPose, truth: DrawnPose) -> str:
    angle = geodesic_distance(predicted.rotation.double(), truth.rotation.double()).rad2deg()
    metres = torch.linalg.vector_norm(predicted.translation - truth.translation)
    return f"off by {float(angle):.1f}° and {float(metres):.3f} m"


def _truths(files: Sequence[Path]) -> dict[Path, DrawnPose]:
    """The true poses of frames in DOMAIN/images, where the domain's lists have them."""
    found: dict[Path, DrawnPose] = {}
    for domain in {file.resolve().parent.parent for file in files if file.resolve().parent.name == "images"}:
        for part in LISTS:
            if not (domain / f"{part}.json").is_file():
                continue
            labels = read_poses_of(domain / f"{part}.json", {file.name for file in files})
            rotations, positions = labels.rotations, torch.from_numpy(labels.position).float()
            places = labels.places
            for file in files:
                place = places.get(file.name)
                if place is not None and file.resolve().parent.parent == domain:
                    found[file] = DrawnPose(rotations[place], positions[place], TRUE, axes=False)
    return found
