"""What a predictor answers to the frames of one domain, beside the truth."""

import math
from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from armillary.apps.spacecraft.predictor import Detection, SpacecraftPredictor
from armillary.data import ImageStore
from armillary.data.evenly import evenly_chosen
from armillary.data.spacecraft import SpacecraftPhotos
from armillary.distributions.pose import PoseDistribution
from armillary.evaluation.pose import kelvins_score
from armillary.models.spacecraft_pose import SpacecraftPose
from armillary.so3 import SymmetryGroup


@dataclass(frozen=True, eq=False)
class DomainAnswer:
    """Poses of a split's frames, of the cameras of the frames, metres."""

    split: str
    # Whether the model was adapted to the domain.
    adapted: bool
    names: tuple[str, ...]
    # Of the frames in the split.
    places: tuple[int, ...]
    rotation: Float[Tensor, "views 3 3"]
    translation: Float[Tensor, "views 3"]
    true_rotation: Float[Tensor, "views 3 3"]
    true_translation: Float[Tensor, "views 3"]
    # Deviation of each coordinate.
    deviation: Float[Tensor, "views 3"]
    entropy: Float[Tensor, " views"]
    detections: tuple[Detection, ...]
    # Whether each answer says enough to be that of an object.
    sure: Bool[Tensor, " views"]
    # Rotations that look alike are the same answer.
    symmetry: SymmetryGroup

    @property
    def name(self) -> str:
        """Of the row of the tables."""
        return f"{self.split}, adapted" if self.adapted else self.split

    @property
    def boxes(self) -> Float[Tensor, "views 4"]:
        """Found by the detector."""
        return torch.stack([detection.box for detection in self.detections])

    def scores(self) -> Float[Tensor, " views"]:
        """Kelvins score of each frame."""
        poses = self.rotation, self.translation, self.true_rotation, self.true_translation
        return kelvins_score(*poses, symmetry=self.symmetry).pose

    def errors(self, place: int) -> tuple[float, float]:
        """Degrees and metres of one frame."""
        angle = self.symmetry.distance(self.rotation[place].double(), self.true_rotation[place].double())
        return math.degrees(angle), float(torch.linalg.vector_norm((self.translation - self.true_translation)[place]))

    def detection_figures(self) -> dict[str, float]:
        """Share of frames in which the detector found an object, of those whose pose is sure, the mean confidence."""
        confidence = torch.tensor([detection.confidence for detection in self.detections])
        found = torch.tensor([float(detection.found) for detection in self.detections])
        sure = self.sure.double().mean().item()
        return {"found": found.mean().item(), "sure": sure, "mean_confidence": confidence.mean().item()}

    def to_json(self) -> list[dict[str, Any]]:
        """One record for each frame."""
        columns = {
            "rotation": self.rotation,
            "translation": self.translation,
            "translation_deviation": self.deviation,
            "rotation_entropy": self.entropy,
            "box": self.boxes,
        }
        lists = {key: value.double().tolist() for key, value in columns.items()}
        return [
            {"name": name, "confidence": self.detections[place].confidence, **{k: v[place] for k, v in lists.items()}}
            for place, name in enumerate(self.names)
        ]


def answer_domain(
    predictor: SpacecraftPredictor, split: str, reader: SpacecraftPhotos, count: int | None = None, adapt: bool = False
) -> list[DomainAnswer]:
    """Answers to the frames of a split, and again by the model adapted to them.

    Args:
        predictor: detector and pose model.
        split: its name.
        reader: its frames.
        count: so many of them, evenly chosen.
        adapt: whether to adapt.
    """
    crops, found = predictor.crops(reader, count)
    places = tuple(evenly_chosen(len(reader), len(reader) if count is None else count).tolist())
    kept = predictor, split, crops, places, tuple(found)
    answers = [_answer(*kept, predictor.poses(crops), adapted=False)]
    if adapt:
        model = adapted_model(predictor, crops)
        answers.append(_answer(*kept, predictor.poses(crops, model), adapted=True))
    return answers


def adapted_model(predictor: SpacecraftPredictor, crops: ImageStore) -> SpacecraftPose:
    """A copy of the pose model adapted to crops, whose labels it does not see."""
    from armillary.training.adaptation import adapt

    return adapt(predictor.model, predictor.see(crops).to(predictor.device)).model


def _answer(
    predictor: SpacecraftPredictor,
    split: str,
    crops: ImageStore,
    places: tuple[int, ...],
    found: tuple[Detection, ...],
    pose: PoseDistribution,
    adapted: bool,
) -> DomainAnswer:
    assert crops.translations is not None
    back, entropy = crops.turns.mT, pose.rotation.entropy().cpu()
    return DomainAnswer(
        split,
        adapted,
        crops.names,
        places,
        pose.rotation.mode.cpu(),
        pose.translation.cpu(),
        back @ crops.rotations,
        (back @ crops.translations[..., None])[..., 0],
        pose.covariance.diagonal(dim1=-2, dim2=-1).sqrt().cpu(),
        entropy,
        found,
        predictor.sure(entropy),
        crops.info.symmetries[0],
    )
