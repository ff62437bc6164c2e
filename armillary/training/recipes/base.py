"""What a recipe is: a configuration with its purpose and the published figure it stands against."""

from dataclasses import dataclass

from armillary.data import Augmentation
from armillary.training.config import TrainConfig

# Ends the name of a variant that does as published.
ORIGINAL = "-original"
# Pictures as they are.
STILL = Augmentation(turn=0.0, zoom=0.0, shift=0.0, gain=0.0, tone=0.0, noise=0.0, blur=0.0)


@dataclass(frozen=True)
class Recipe:
    """A named configuration."""

    # What it is for, one line.
    purpose: str
    config: TrainConfig
    # The published figure it stands against, with its source.
    published: str = ""
    # Parts of the data set to train on, the first that is there.
    splits: tuple[str, ...] = ("train",)
