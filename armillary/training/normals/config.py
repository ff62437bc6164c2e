"""Everything a training run of surface normals depends on beside its data."""

from dataclasses import asdict, dataclass, field
from typing import Annotated, Any, Literal

import tyro

from armillary.data.normals import NormalAugmentation
from armillary.models.normal_regression import NormalRegressionConfig
from armillary.training.schedule import Budget

# In which the calls of one run may differ.
BUDGETS = ("minutes", "steps")


@dataclass(frozen=True)
class NormalTrainConfig:
    """One training run.

    Example:
        >>> NormalTrainConfig(steps=10).budget().fraction(5)
        0.5
    """

    # What to train; its height and width are those of the pictures.
    model: NormalRegressionConfig = field(default_factory=NormalRegressionConfig)

    # Random views of the training pictures.
    augmentation: NormalAugmentation = field(default_factory=NormalAugmentation)

    # Minutes to train, reading the data included; the schedule ends on time on any machine.
    minutes: float | None = None

    # Steps to train, instead of minutes.
    steps: int | None = None

    # Pictures per step.
    batch_size: int = 16

    # Peak learning rate of AdamW; a cosine takes it to zero.
    learning_rate: float = 2e-3

    # Weight decay of filters.
    weight_decay: float = 1e-2

    # Steps of linear warm-up; 0: none.
    warmup_steps: int = 50

    # Angle at which other signs count as nearly right, radians; 0: only the true ones count, as in the original.
    sign_width: float = 0.0

    # Largest norm of the gradient; longer ones are shortened to it; 0: any.
    clip: float = 1.0

    # Seed of the weights, the order and the augmentation.
    seed: int = 0

    # Arithmetic of encoder and decoder; normals and losses are always in 32 bits.
    precision: Literal["32-true", "bf16-mixed"] = "bf16-mixed"

    # Part of the pictures held out for the validation loss.
    validation: float = 0.03

    # Steps between two lines of metrics.jsonl.
    log_every: int = 50

    # Where the data came from, for the record.
    source: Annotated[str, tyro.conf.Suppress] = ""

    def __post_init__(self) -> None:
        if self.batch_size < 1 or self.learning_rate <= 0.0 or self.log_every < 1:
            raise ValueError(
                "expected batch_size, learning_rate and log_every above zero, got "
                f"{self.batch_size}, {self.learning_rate} and {self.log_every}; correct the options"
            )
        if not 0.0 <= self.validation < 1.0 or not 0.0 <= self.sign_width <= 3.0:
            raise ValueError(
                f"expected validation in [0, 1) and sign_width in [0, 3], got {self.validation} and {self.sign_width}; "
                "0 switches them off"
            )

    def budget(self) -> Budget:
        """How long to train."""
        return Budget(self.steps, self.minutes)

    def to_json(self) -> dict[str, Any]:
        """Plain values that `json.dump` takes."""
        return asdict(self)
