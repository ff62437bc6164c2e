"""Everything a training run depends on beside its data: one frozen dataclass that goes to JSON and back."""

import dataclasses
from dataclasses import asdict, dataclass, field
from typing import Annotated, Any, Literal

import tyro

from armillary.data import Augmentation
from armillary.models import HarmonicRegressionConfig, Image2SphereConfig
from armillary.models.pretrained import config_from_dict, config_to_dict

ModelConfig = HarmonicRegressionConfig | Image2SphereConfig


@dataclass(frozen=True)
class TrainConfig:
    """One training run.

    Example:
        >>> config = TrainConfig(steps=10)
        >>> config_from_json(config_to_json(config)) == config
        True
    """

    # What to train.
    model: ModelConfig = field(default_factory=HarmonicRegressionConfig)

    # Random views of the training pictures; its size follows the model's image size.
    augmentation: Augmentation = field(default_factory=Augmentation)

    # Minutes to train, reading the data included; the schedule ends on time on any machine.
    minutes: float | None = None

    # Steps to train, instead of minutes.
    steps: int | None = None

    # Views per step.
    batch_size: int = 64

    # Peak learning rate of AdamW.
    learning_rate: float = 2e-3

    # Weight decay of matrices and filters.
    weight_decay: float = 1e-2

    # Steps of linear warm-up; a cosine follows, to zero at the end of the budget.
    warmup_steps: int = 100

    # Largest norm of the gradient; longer ones are shortened to it.
    clip: float = 1.0

    # Part of the budget after which the training normaliser uses a grid one level finer, for peaks below its cells:
    # unbiased where there are several peaks, but a step takes about twice as long. 1 leaves it as it is.
    finer_after: float = 1.0

    # Average the weights with this decay per step (0.999, say); 0 keeps the last weights.
    ema: float = 0.0

    # Seed of the weights, the order and the augmentation.
    seed: int = 0

    # Arithmetic of the encoder; coefficients and likelihood are always in 32 bits.
    precision: Literal["32-true", "bf16-mixed"] = "32-true"

    # Keep the channels of a pixel together in memory, which convolutions like.
    channels_last: bool = True

    # Processes (GPUs) that share a step.
    devices: int = 1

    # Part of the views held out for the validation loss, where no second data set is named.
    validation: float = 0.05

    # Steps between two lines of metrics.jsonl.
    log_every: int = 50

    # Where the data came from, for the record.
    source: Annotated[str, tyro.conf.Suppress] = ""

    def __post_init__(self) -> None:
        if self.batch_size < 1 or self.learning_rate <= 0.0 or self.log_every < 1 or self.devices < 1:
            raise ValueError(
                "expected batch_size, learning_rate, log_every and devices above zero, got "
                f"{self.batch_size}, {self.learning_rate}, {self.log_every} and {self.devices}; correct the options"
            )
        if not 0.0 <= self.validation < 1.0 or not 0.0 <= self.ema < 1.0:
            raise ValueError(
                f"expected validation and ema in [0, 1), got {self.validation} and {self.ema}; 0 switches them off"
            )
        if not 0.0 <= self.finer_after <= 1.0:
            raise ValueError(f"expected finer_after in [0, 1], got {self.finer_after}; 1 leaves the grid as it is")
        same_size = dataclasses.replace(self.augmentation, size=self.model.image_size)
        object.__setattr__(self, "augmentation", same_size)

    @property
    def store_size(self) -> int:
        """Side of the stored crops in pixels: at the margin of 1.5 they have the resolution the model sees."""
        return round(1.5 * self.model.image_size)


def config_to_json(config: TrainConfig) -> dict[str, Any]:
    """Plain values that `json.dump` takes."""
    return {**asdict(config), "model": config_to_dict(config.model)}


def config_from_json(record: dict[str, Any]) -> TrainConfig:
    """The inverse of `config_to_json`."""
    parts = {"model": config_from_dict(record["model"]), "augmentation": Augmentation(**record["augmentation"])}
    return TrainConfig(**{**record, **parts})
