"""Everything the training of a spacecraft's detector and pose model depends on beside the data."""

from dataclasses import asdict, dataclass, field, replace
from typing import Annotated, Any

import tyro

from armillary.data import Augmentation
from armillary.data.spacecraft.augmentation import DomainAugmentation
from armillary.models.box_regression import BoxRegressionConfig
from armillary.models.spacecraft_pose import SpacecraftPoseConfig
from armillary.training.stage import StageConfig

# Parts in which the calls of one run may differ.
BUDGETS = ("detector_training", "pose_training")
VIEWS = Augmentation(shift=0.12, zoom=0.2, gain=0.0, tone=0.0, noise=0.0, blur=0.0)
# Part of the minutes that the detector takes.
DETECTOR_SHARE = 0.15


@dataclass(frozen=True)
class SpacecraftTrainConfig:
    """One training.

    Example:
        >>> SpacecraftTrainConfig().with_minutes(20.0).detector_training.minutes
        3.0
    """

    # The network that finds the object in a reduced frame.
    detector: BoxRegressionConfig = field(default_factory=BoxRegressionConfig)
    # The network that answers with a pose from a crop; the object's radius is the data's.
    pose: SpacecraftPoseConfig = field(default_factory=SpacecraftPoseConfig)
    # How the detector is trained.
    detector_training: StageConfig = StageConfig(batch_size=64, precision="bf16-mixed")
    # How the pose model is trained.
    pose_training: StageConfig = StageConfig(batch_size=64, precision="bf16-mixed")
    # Random views of crops; boxes found by a detector are off by about as much as shift and zoom; the size is the
    # pose model's. Their looks are left to `domain`.
    augmentation: Augmentation = VIEWS
    # Changes of light, camera and background, so that other domains look like one more of them.
    domain: DomainAugmentation = field(default_factory=DomainAugmentation)
    # Factor on all probabilities of `domain`; 0 leaves pictures as they are.
    domain_share: float = 1.0
    # Half the crop's width over the box, what the pose model sees.
    padding: float = 1.1
    # The stored crops are larger by this factor, room for shifts and turns.
    margin: float = 1.5
    # Weight of the loss of translation beside that of rotation; the fork's lambda with metres.
    translation_weight: float = 1.0
    # Part of the detector's frames from which the object is taken out.
    empty: float = 0.25
    # Train on so many pictures, evenly chosen; by default on all.
    pictures: int | None = None
    # Pictures of the validation split that are looked at in training.
    held_out: int = 300
    # Where the data came from, for the record.
    source: Annotated[str, tyro.conf.Suppress] = ""

    def __post_init__(self) -> None:
        if self.padding < 1 or self.margin < 1 or not 0 <= self.empty < 1 or self.translation_weight < 0:
            raise ValueError(
                "expected padding and margin of 1 or more, empty in [0, 1) and translation_weight of 0 or more, got "
                f"{self.padding}, {self.margin}, {self.empty} and {self.translation_weight}; correct the options"
            )
        if self.domain_share < 0:
            raise ValueError(f"expected a domain_share of 0 or more, got {self.domain_share:g}; 0 turns changes off")
        if (self.pictures is not None and self.pictures < 2) or self.held_out < 1:
            raise ValueError(
                f"expected pictures of 2 or more and held_out of 1 or more, got {self.pictures} and {self.held_out}; "
                "correct the options"
            )

    def with_minutes(self, minutes: float) -> "SpacecraftTrainConfig":
        """The same with so many minutes for both networks together."""
        return self._with_budget({"minutes": minutes * DETECTOR_SHARE}, {"minutes": minutes * (1 - DETECTOR_SHARE)})

    def with_steps(self, steps: int) -> "SpacecraftTrainConfig":
        """The same with so many steps for each network."""
        return self._with_budget({"steps": steps}, {"steps": steps})

    def paint(self) -> DomainAugmentation:
        """The changes of looks with the probabilities they are drawn with."""
        return self.domain.scaled(self.domain_share)

    def to_json(self) -> dict[str, Any]:
        """Plain values that `json.dump` takes."""
        return asdict(self)

    def _with_budget(self, detector: dict[str, Any], pose: dict[str, Any]) -> "SpacecraftTrainConfig":
        none = {"minutes": None, "steps": None}
        return replace(
            self,
            detector_training=replace(self.detector_training, **{**none, **detector}),
            pose_training=replace(self.pose_training, **{**none, **pose}),
        )
