"""A run of `armillary spacecraft train` as what `armillary track` looks at frames with: rotations and positions."""

import math
from dataclasses import dataclass
from pathlib import Path

import torch

from armillary.apps.film import TimedFrame
from armillary.apps.observer import Seen
from armillary.apps.spacecraft.predictor import SpacecraftPredictor, load_spacecraft
from armillary.apps.spacecraft.source import CAMERA
from armillary.data.picture import read_grey
from armillary.data.sample import DatasetInfo
from armillary.data.spacecraft import LensCamera
from armillary.data.spacecraft.camera import read_lens_camera
from armillary.models import read_metadata
from armillary.so3 import SymmetryGroup
from armillary.tracking import Observation


@dataclass(frozen=True, eq=False)
class SpacecraftObserver:
    """Whole frames to observations: the weight of a frame is the detector's confidence.

    Attributes:
        predictor: of `load_spacecraft`.
        camera: of the frames.
    """

    predictor: SpacecraftPredictor
    camera: LensCamera

    def __call__(self, frame: TimedFrame) -> Seen:
        """Density, position and its covariance in the camera of the whole frame."""
        if frame.file is None:
            return Seen(Observation(frame.time, None), torch.full((3, 3), math.nan), None)
        grey = read_grey(frame.file)
        lens = self.camera.resized(grey.shape[2], grey.shape[1])
        answer = self.predictor(lens.straighten(grey), lens.intrinsics.float())
        pose, sure = answer.pose, answer.detection.confidence
        seen = Observation(
            frame.time,
            pose.rotation,
            sure,
            pose.translation[0].double().cpu(),
            pose.covariance[0].double().cpu(),
        )
        return Seen(seen, pose.rotation.mode[0].cpu(), answer.crop)


def known_symmetry(run: Path) -> SymmetryGroup | None:
    """What the data of a run said of its spacecraft; None where it has no symmetry."""
    info = DatasetInfo.from_json(read_metadata(run / "pose" / "model")["info"])
    return info.symmetries[0] if info.symmetries[0].order > 1 else None


def load_observer(run: Path, device: torch.device) -> SpacecraftObserver:
    """The observer of a run folder, with the camera it was trained for."""
    return SpacecraftObserver(load_spacecraft(run, device), read_lens_camera(run / CAMERA))
