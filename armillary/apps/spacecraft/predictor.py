"""A trained detector and pose model applied to whole frames: find the object, aim a virtual camera at it, answer."""

from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from armillary.apps.spacecraft.search import surest_box
from armillary.apps.spacecraft.source import load_surface
from armillary.data import ImageStore, Sample, centre_crop
from armillary.data.sample import Reader
from armillary.data.spacecraft.contour import FORK_THRESHOLD, contour_mask, mask_box
from armillary.data.spacecraft.frame_store import projected_box, reduce_frame
from armillary.data.spacecraft.framed import FramedReader
from armillary.distributions.pose import PoseDistribution
from armillary.models import read_metadata
from armillary.models.box_regression import BoxRegression
from armillary.models.quarter_turns import pose_over_turns
from armillary.models.spacecraft_pose import SpacecraftPose
from armillary.so3 import matrix_to_quat_wxyz

# Below this probability of an object there is said to be none.
LEAST_CONFIDENCE = 0.5
# Part of the nats of a usual frame: where the object is taken out of frames, less is known in nearly all of them.
LEAST_KNOWN = 0.5
AT_ONCE = 128


@dataclass(frozen=True, eq=False)
class Detection:
    """Where the object is in a frame, and how sure it is that there is one."""

    # Left, top, right, bottom of what is seen, pixels.
    box: Float[Tensor, "4"]
    confidence: float

    @property
    def found(self) -> bool:
        """Whether there is an object."""
        return self.confidence >= LEAST_CONFIDENCE


@dataclass(frozen=True, eq=False)
class SpacecraftAnswer:
    """The pose of the object in a frame, as of a batch of one; it means little where nothing was found."""

    detection: Detection
    pose: PoseDistribution
    # What the pose model saw.
    crop: Float[Tensor, "3 size size"]
    # Whether the rotation's density says enough to be that of an object.
    sure: bool

    @property
    def found(self) -> bool:
        """Whether there is an object: both networks have to say so."""
        return self.detection.found and self.sure

    def to_json(self) -> dict[str, Any]:
        """Plain values that `json.dump` takes."""
        (pose,) = self.pose.to_json()
        why = "the rotation is as unsure as that of none" if self.detection.found else "the detector sees none"
        return {
            "found": self.found,
            "note": "" if self.found else f"no object: {why}; the pose is that of whatever looks most like it",
            "confidence": self.detection.confidence,
            "box": self.detection.box.tolist(),
            "convention": "x_cam = R x_obj + t, OpenCV camera axes (x right, y down, z forward), metres",
            "quat_wxyz": matrix_to_quat_wxyz(torch.tensor(pose["rotation"])).tolist(),
            **pose,
        }


@dataclass(frozen=True, eq=False)
class SpacecraftPredictor:
    """Detector and pose model with what it takes to feed them; make one with `load_spacecraft`.

    Args:
        detector: finds boxes; None takes the contour of what is brighter than space, as the SPEED+ fork.
        model: answers with poses.
        padding: half the crop's width over the box.
        margin: crops are first cut larger by this factor, as in training.
        device: where to compute.
        turns: answer with the mean over the four quarter turns of each crop.
        points: of the object's surface, metres: the box is searched for with them (search.py); None takes the
            detector's first.
        usual: mean log density of held-out frames' true rotations, nats: what is known of a usual frame.
    """

    detector: BoxRegression | None
    model: SpacecraftPose
    padding: float = 1.1
    margin: float = 1.5
    device: torch.device = field(default_factory=lambda: torch.device("cpu"))
    turns: bool = True
    points: Float[Tensor, "points 3"] | None = None
    usual: float = 0.0

    def __call__(
        self, image: Float[Tensor, "channels height width"], intrinsics: Float[Tensor, "3 3"]
    ) -> SpacecraftAnswer:
        """The pose in one frame.

        Args:
            image: whole, straightened, values in [0, 1], grey or colours.
            intrinsics: of the frame, pixels.
        """
        sample = Sample(image.expand(3, -1, -1), torch.eye(3), None, intrinsics)
        detection = self.detect(sample)
        crops = self._crops_at(sample, detection.box[None])
        pose = self.poses(crops)
        return SpacecraftAnswer(detection, pose, self.see(crops)[0], bool(self.sure(pose.rotation.entropy())[0]))

    def sure(self, entropy: Float[Tensor, " views"]) -> Bool[Tensor, " views"]:
        """Whether densities of such entropies say at least half of what is known of a usual frame."""
        return -entropy >= LEAST_KNOWN * self.usual

    @torch.no_grad()
    def detect(self, sample: Sample) -> Detection:
        """Where the object is in a frame; one in which nothing is found has a box all the same.

        Args:
            sample: the picture and its intrinsics.
        """
        rows, columns = sample.image.shape[-2:]
        if self.detector is None:
            mask = contour_mask(sample.image, FORK_THRESHOLD)
            whole = torch.tensor([-0.5, -0.5, columns - 0.5, rows - 0.5])
            return Detection(whole, 0.0) if mask is None else Detection(mask_box(mask), 1.0)
        config = self.detector.config
        small, scale = reduce_frame(sample.image.to(self.device), config.height, config.width)
        answer = self.detector(small[None])
        boxes = [_inside(box, rows, columns) for box in (answer.proposals()[0].float().cpu() + 0.5) / scale - 0.5]
        return Detection(self._surest(sample, torch.stack(boxes)), float(answer.confidence[0]))

    def crops(
        self, reader: Reader, count: int | None = None, progress: bool = True
    ) -> tuple[ImageStore, list[Detection]]:
        """Crops of a reader's frames aimed at what the detector finds, and what it found.

        Args:
            reader: of frames; their labels follow the crops.
            count: so many frames, evenly chosen.
            progress: show a bar.
        """
        found: dict[str, Detection] = {}

        def boxer(sample: Sample) -> Float[Tensor, "4"]:
            found[sample.name] = self.detect(sample)
            return found[sample.name].box

        framed = FramedReader(reader, boxer, count=count)
        margin = self.margin * self.padding
        store = ImageStore.from_reader(framed, self._store_size, margin, progress=progress)
        return replace(store, margin=self.margin), [found[name] for name in store.names]

    def see(self, crops: ImageStore) -> Float[Tensor, "views 3 size size"]:
        """What the pose model is shown of crops."""
        return centre_crop(crops, self.model.config.image_size).images

    @torch.no_grad()
    def poses(self, crops: ImageStore, model: SpacecraftPose | None = None) -> PoseDistribution:
        """Poses in the cameras of the whole frames.

        Args:
            crops: of `crops`.
            model: another than the predictor's, as one adapted to these crops.
        """
        model, parts = model or self.model, []
        pose = partial(pose_over_turns, model) if self.turns else model.pose
        for part in torch.arange(len(crops)).split(AT_ONCE):
            batch = centre_crop(crops[part], model.config.image_size).to(self.device)
            assert batch.intrinsics is not None
            # The crop's camera is turned towards the object: turn back.
            parts.append(pose(batch.images, batch.intrinsics).turned(crops.turns[part].mT.to(self.device)))
        return joined(parts)

    def _surest(self, sample: Sample, boxes: Float[Tensor, "boxes 4"]) -> Float[Tensor, "4"]:
        """The first box, or what a search from all of them ends at."""
        points = self.points
        if points is None:
            return boxes[0]
        return surest_box(
            boxes,
            lambda boxes: self.poses(self._crops_at(sample, boxes)),
            lambda turn, place: projected_box(replace(sample, rotation=turn, translation=place), points),
        )

    def _crops_at(self, sample: Sample, boxes: Float[Tensor, "boxes 4"]) -> ImageStore:
        samples = [replace(sample, box=box) for box in boxes]
        store = ImageStore.from_samples(samples, self._store_size, self.margin * self.padding, progress=False)
        return replace(store, margin=self.margin)

    @property
    def _store_size(self) -> int:
        return round(self.model.config.image_size * self.margin / 2) * 2


def joined(parts: list[PoseDistribution]) -> PoseDistribution:
    """One batch of several of harmonic densities."""
    from armillary.distributions import HarmonicDistribution

    coeffs = [part.rotation.coeffs for part in parts if isinstance(part.rotation, HarmonicDistribution)]
    return PoseDistribution(
        HarmonicDistribution(torch.cat(coeffs)),
        torch.cat([part.translation for part in parts]),
        torch.cat([part.covariance for part in parts]),
    )


def load_spacecraft(
    run: Path,
    device: torch.device | None = None,
    contour: bool = False,
    turns: bool = True,
    search: bool = True,
) -> SpacecraftPredictor:
    """The predictor of a run folder of `armillary spacecraft train`.

    Args:
        run: its folder.
        device: where to compute, by default the processor.
        contour: find the object by its contour instead of the detector.
        turns: answer with the mean over the four quarter turns of each crop.
        search: ask the pose model which of the detector's boxes it is.
    """
    folders = [run / name / "model" for name in ("detector", "pose")]
    if not run.is_dir() or not all(folder.is_dir() for folder in folders):
        got = "no such folder" if not run.is_dir() else "no detector/model and pose/model in it"
        raise FileNotFoundError(
            f"{run}: expected a finished run of `armillary spacecraft train`, got {got}; train, or finish it"
        )
    device = torch.device("cpu") if device is None else device
    detector = None if contour else BoxRegression.from_pretrained(folders[0]).to(device)
    metadata = read_metadata(folders[1])
    model = SpacecraftPose.from_pretrained(folders[1]).to(device)
    points = load_surface(run).vertices if search else None
    usual = -metadata["figures"]["val_rotation_loss"]
    return SpacecraftPredictor(detector, model, metadata["padding"], metadata["margin"], device, turns, points, usual)


def _inside(box: Float[Tensor, "4"], rows: int, columns: int) -> Float[Tensor, "4"]:
    """The part of a box in the frame, at least two pixels wide."""
    limit = torch.tensor([columns, rows], dtype=box.dtype)
    low = torch.minimum(box[:2].clamp_min(-0.5), limit - 2.5)
    return torch.cat([low, torch.maximum(torch.minimum(box[2:], limit - 0.5), low + 2)])
