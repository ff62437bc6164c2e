"""Everything a training run depends on beside its data: one frozen dataclass that goes to JSON and back."""

import dataclasses
import math
from dataclasses import asdict, dataclass, field
from typing import Annotated, Any, Literal, get_args

import tyro

from armillary.data import Augmentation
from armillary.models import HarmonicRegressionConfig, PointModel
from armillary.models.pretrained import ModelConfig, config_from_dict, config_to_dict, model_class
from armillary.training.schedule import Budget

# Level 5 would fill 600 MB for a batch of 64.
MOST_LEVEL = 4


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

    # Passes over the training views, instead of minutes or steps.
    epochs: float | None = None

    # Views per step.
    batch_size: int = 64

    # What is maximised: the likelihood of the label itself; or, as others train, that of its cell in a softmax over all
    # cells of a grid, or over random ones. Models of point answers have a loss of their own: spherical.
    loss: Literal["likelihood", "full-grid", "random-grid", "spherical"] = "likelihood"

    # Level of that grid: 3 has 36,864 cells, 7.5 degrees apart.
    grid_level: int = 3

    # Random cells per step.
    grid_points: int = 4096

    # Whether the labels themselves are among the random cells.
    grid_truth: bool = False

    # Whether a step takes, in place of a label, a random one of those that the object's symmetry makes equivalent: more
    # supervision than one label for each view.
    equivalent_labels: bool = False

    # AdamW, or stochastic gradient descent with momentum.
    optimizer: Literal["adamw", "sgd"] = "adamw"

    # Peak learning rate.
    learning_rate: float = 2e-3

    # Weight decay of matrices and filters.
    weight_decay: float = 1e-2

    # Momentum of sgd.
    momentum: float = 0.9

    # Whether that momentum is Nesterov's.
    nesterov: bool = True

    # Steps of linear warm-up; 0: none.
    warmup_steps: int = 100

    # Learning rate after the warm-up: a cosine to zero at the end of the budget, or steps down.
    schedule: Literal["cosine", "steps"] = "cosine"

    # Part of the budget between two steps down: 0.375 is every 15 of 40 epochs.
    decay_every: float = 0.375

    # Factor on the learning rate at each step down.
    decay_rate: float = 0.1

    # Largest norm of the gradient; longer ones are shortened to it; 0: any.
    clip: float = 1.0

    # Part of the budget after which the training normaliser uses a grid one level finer, for peaks below its cells:
    # unbiased where there are several peaks, but a step takes about twice as long. 1 leaves it as it is.
    finer_after: float = 1.0

    # Average the weights with this decay per step (0.999, say); 0 keeps the last weights.
    ema: float = 0.0

    # Begin with the weights of a saved model's encoder: its folder, RUN/model. The rest begins afresh.
    encoder_of: str = ""

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

    # Half the stored crops' width over the object's outline: what random views may show of the surroundings.
    margin: float = 1.5

    # Train on these categories of the data set alone; none: all of them.
    objects: tuple[str, ...] = ()

    # Train on the first so many views of each category; none: all of them.
    views: int | None = None

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
        if not 0 <= self.grid_level <= MOST_LEVEL or self.grid_points < 2:
            raise ValueError(
                f"expected grid_level from 0 to {MOST_LEVEL} and grid_points of 2 or more, got {self.grid_level} and "
                f"{self.grid_points}; 3 and 4096 are usual"
            )
        if not 0.0 < self.decay_every <= 1.0 or self.decay_rate <= 0.0 or not 0.0 <= self.momentum < 1.0:
            raise ValueError(
                "expected decay_every in (0, 1], decay_rate above zero and momentum in [0, 1), got "
                f"{self.decay_every}, {self.decay_rate} and {self.momentum}; correct the options"
            )
        if self.margin < 1.0 or (self.views is not None and self.views < 1):
            raise ValueError(
                f"expected a margin of 1 or more and views above zero, got {self.margin} and {self.views}; "
                "a margin of 1 cuts at the object's outline"
            )
        for name in ("loss", "optimizer", "schedule"):
            choices = CHOICES[name]
            if getattr(self, name) not in choices:
                raise ValueError(f"expected {name} among {', '.join(choices)}, got {getattr(self, name)!r}; choose one")
        if (self.loss == "spherical") != issubclass(model_class(self.model), PointModel):
            raise ValueError(
                f"expected loss spherical with a model of point answers and no other, got {self.loss} with "
                f"{model_class(self.model).kind}; choose the recipe by the model and leave --loss out"
            )
        same_size = dataclasses.replace(self.augmentation, size=self.model.image_size)
        object.__setattr__(self, "augmentation", same_size)

    @property
    def store_size(self) -> int:
        """Side of the stored crops in pixels: with their margin they have the resolution the model sees."""
        return round(self.margin * self.model.image_size)

    def budget(self, views: int) -> Budget:
        """How long to train on so many views.

        Example:
            >>> TrainConfig(epochs=2.0, batch_size=10).budget(45).steps
            9
        """
        given = [value for value in (self.steps, self.epochs, self.minutes) if value is not None]
        if len(given) != 1:
            raise ValueError(
                f"expected a budget in one of steps, epochs and minutes, got {self.steps}, {self.epochs} and "
                f"{self.minutes}; give exactly one of --steps, --epochs and --minutes"
            )
        if self.epochs is None:
            return Budget(self.steps, self.minutes)
        return Budget(math.ceil(self.epochs * views / self.batch_size))


# The words that each field of choices takes.
CHOICES: dict[str, tuple[str, ...]] = {
    each.name: get_args(each.type)
    for each in dataclasses.fields(TrainConfig)
    if each.name in ("loss", "optimizer", "schedule")
}


def config_to_json(config: TrainConfig) -> dict[str, Any]:
    """Plain values that `json.dump` takes."""
    return {**asdict(config), "model": config_to_dict(config.model)}


def config_from_json(record: dict[str, Any]) -> TrainConfig:
    """The inverse of `config_to_json`."""
    parts = {"model": config_from_dict(record["model"]), "augmentation": Augmentation(**record["augmentation"])}
    return TrainConfig(**{**record, **parts, "objects": tuple(record.get("objects", ()))})
