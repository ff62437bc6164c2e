"""Whatever looks at the frames of a film for the filter: what a model says of each, with how far to believe it."""

import math
from dataclasses import dataclass
from typing import NamedTuple, Protocol, runtime_checkable

import torch
from jaxtyping import Float
from torch import Tensor

from armillary.apps.film import TimedFrame
from armillary.apps.predictor import Predictor
from armillary.tracking import Observation

BLANK = 0.02  # of 1: a picture whose colours differ by less shows nothing


class Seen(NamedTuple):
    """What a model says of a frame.

    Attributes:
        observation: for the filter.
        rotation: the answer to this frame alone; NaN without one.
        image: what the model saw, the object in its middle; None for a missing frame.
    """

    observation: Observation
    rotation: Float[Tensor, "3 3"]
    image: Float[Tensor, "3 height width"] | None


@runtime_checkable
class Observer(Protocol):
    """Whatever looks at frames: one of rotations alone, or one that measures positions as well."""

    def __call__(self, frame: TimedFrame) -> Seen:
        """Look at one frame."""
        ...


@dataclass(frozen=True)
class RotationObserver:
    """A model of rotations as an `Observer`.

    Attributes:
        predictor: the model with what it takes to feed it.
        category: of the object, for a model that wants to be told.
    """

    predictor: Predictor
    category: str | None = None

    def __call__(self, frame: TimedFrame) -> Seen:
        """The model's density; weight 0 where the picture is of one colour."""
        nothing = torch.full((3, 3), math.nan)
        if frame.file is None:
            return Seen(Observation(frame.time, None), nothing, None)
        sample = self.predictor.sample(frame.file, self.category)
        spread = sample.image.flatten(1).amax(1) - sample.image.flatten(1).amin(1)
        if float(spread.max()) < BLANK:
            return Seen(Observation(frame.time, None, weight=0.0), nothing, sample.image)
        prediction = self.predictor.predict([sample])[0]
        return Seen(Observation(frame.time, prediction.density), prediction.rotation, prediction.image)
