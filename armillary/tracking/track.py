"""A whole film: observations in order of time to smoothed poses, with what is known of each."""

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Float, Int64
from torch import Tensor

from armillary.distributions import SO3Distribution
from armillary.so3 import matrix_to_quat_wxyz
from armillary.tracking.filter import Event, RotationFilter
from armillary.tracking.smoother import Frame, smoothed
from armillary.tracking.translation import Position, TranslationFilter

CONFIDENCE_DEG = 15.0


@dataclass(frozen=True)
class Observation:
    """What is known of one frame.

    Attributes:
        time: In seconds.
        density: Distribution of R_cam_obj, batch shape () or (1,); None: there is no frame at that time.
        weight: Probability that the object is in the frame at all.
        translation: Measured position in metres, camera axes.
        translation_covariance: Of that; needed with it.
        reading: Angular velocity since the last frame, for a motion that is told it.
    """

    time: float
    density: SO3Distribution | None
    weight: float = 1.0
    translation: Float[Tensor, "3"] | None = None
    translation_covariance: Float[Tensor, "3 3"] | None = None
    reading: Float[Tensor, "3"] | None = None


@dataclass(frozen=True, eq=False)
class Track:
    """The poses of a film; NaN where nothing had been seen yet.

    Attributes:
        time: Of the frames, in seconds.
        rotation: Smoothed R_cam_obj, from the frames before and after.
        filtered: From the frames before alone.
        rate: Smoothed angular velocity in camera axes, radians/s (or the bias of a gyroscope).
        deviation_deg: Standard deviation of the smoothed rotation: root mean square angle in degrees.
        confidence: Probability, from the frames before, that the truth is within 15 degrees of ``filtered`` or an
            equivalent of it: about 1/n for one of n branches that nothing tells apart, unless their group was given.
        support: Probability that the frame showed the object where the track has it.
        hypotheses: How many were believed possible.
        event: What became of each frame (`filter.Event`).
        translation: Smoothed position and velocity, where positions were measured.
    """

    time: Float[Tensor, " frames"]
    rotation: Float[Tensor, "frames 3 3"]
    filtered: Float[Tensor, "frames 3 3"]
    rate: Float[Tensor, "frames 3"]
    deviation_deg: Float[Tensor, " frames"]
    confidence: Float[Tensor, " frames"]
    support: Float[Tensor, " frames"]
    hypotheses: Int64[Tensor, " frames"]
    event: tuple[Event, ...]
    translation: Float[Tensor, "frames 6"] | None = None

    def __len__(self) -> int:
        return len(self.event)

    def to_json(self, names: Iterable[str] | None = None) -> dict[str, Any]:
        """Plain values, a record a frame, null where nothing is known.

        Args:
            names: Of the frames.
        """
        named = list(names) if names is not None else [None] * len(self)
        if len(named) != len(self):
            raise ValueError(f"expected a name for each of {len(self)} frames, got {len(named)}; leave names out")
        return {
            "convention": "R_cam_obj: x_cam = R x_obj, OpenCV camera axes (x right, y down, z forward); rates in "
            "camera axes, radians/s; times in seconds; positions in metres",
            "frames": [self._frame(index, name) for index, name in enumerate(named)],
        }

    def _frame(self, index: int, name: str | None) -> dict[str, Any]:
        known = bool(self.rotation[index].isfinite().all())
        record: dict[str, Any] = {} if name is None else {"name": name}
        record |= {"time": self.time[index].item(), "event": self.event[index]}
        record |= {
            "rotation": self.rotation[index].tolist() if known else None,
            "quat_wxyz": matrix_to_quat_wxyz(self.rotation[index]).tolist() if known else None,
            "filtered_rotation": self.filtered[index].tolist() if known else None,
            "rate": self.rate[index].tolist() if known else None,
            "deviation_deg": self.deviation_deg[index].item() if known else None,
            "confidence_15_deg": self.confidence[index].item(),
            "support": self.support[index].item(),
            "hypotheses": self.hypotheses[index].item(),
        }
        if self.translation is not None:
            seen = bool(self.translation[index].isfinite().all())
            record["translation"] = self.translation[index, :3].tolist() if seen else None
            record["translation_rate"] = self.translation[index, 3:].tolist() if seen else None
        return record


def track(
    observations: Iterable[Observation],
    rotation_filter: RotationFilter | None = None,
    translation_filter: TranslationFilter | None = None,
) -> Track:
    """Follow an object through a film.

    Args:
        observations: In order of time; they may be made one by one as they are asked for.
        rotation_filter: A fresh filter; by default one that estimates the angular velocity.
        translation_filter: A fresh filter, for observations with positions.

    Example:
        >>> from armillary.distributions import MatrixFisher
        >>> seen = MatrixFisher.isotropic(torch.eye(3), sigma=0.1)
        >>> film = [Observation(0.0, seen), Observation(0.1, None), Observation(0.2, seen)]
        >>> track(film).event
        ('found', 'predicted', 'followed')
    """
    follow, place = rotation_filter or RotationFilter(), translation_filter or TranslationFilter()
    times: list[float] = []
    frames: list[Frame] = []
    positions: list[Position | None] = []
    rows: list[tuple[float, float, int]] = []
    events: list[Event] = []
    for index, seen in enumerate(observations):
        seconds = seen.time - times[-1] if times else 0.0
        if not 0 <= seconds < math.inf:
            raise ValueError(
                f"frame {index}: expected a time of {times[-1]} s or later, got {seen.time} s; sort the frames by time"
            )
        times.append(seen.time)
        transition = follow.predict(seconds, seen.reading) if index else None
        predicted = follow.estimate
        events.append(follow.update(seen.density, seen.weight))
        frames.append(Frame(predicted, follow.estimate, transition))
        rows.append((_confidence(follow), follow.support, len(follow.belief)))
        positions.append(_placed(place, seconds, seen, index))
    if not times:
        raise ValueError("expected observations, got none; pass one for each frame")
    return _assembled(times, frames, rows, events, place.smoothed(times, positions))


def _confidence(follow: RotationFilter) -> float:
    estimate = follow.estimate
    if estimate is None:
        return 0.0
    return follow.belief.mass_near(estimate.rotation, math.radians(CONFIDENCE_DEG), follow.group)


def _placed(place: TranslationFilter, seconds: float, seen: Observation, index: int) -> Position | None:
    place.predict(seconds)
    if seen.translation is not None:
        if seen.translation_covariance is None:
            raise ValueError(f"frame {index}: expected a covariance with the position, got none; give both or neither")
        place.update(seen.translation, seen.translation_covariance)
    return place.position


def _assembled(
    times: list[float],
    frames: list[Frame],
    rows: list[tuple[float, float, int]],
    events: list[Event],
    positions: list[Position | None],
) -> Track:
    after = smoothed(frames)
    nowhere = torch.full((3, 3), math.nan, dtype=torch.float64)
    confidence, support, hypotheses = zip(*rows, strict=True)
    variance = torch.stack([nowhere if one is None else one.covariance[:3, :3] for one in after])
    place = [nowhere.flatten()[:6] if one is None else one.mean for one in positions]
    return Track(
        time=torch.tensor(times, dtype=torch.float64),
        rotation=torch.stack([nowhere if one is None else one.rotation for one in after]),
        filtered=torch.stack([nowhere if f.filtered is None else f.filtered.rotation for f in frames]),
        rate=torch.stack([nowhere[0] if one is None else one.rate for one in after]),
        deviation_deg=variance.diagonal(dim1=-2, dim2=-1).sum(-1).clamp(min=0).sqrt().rad2deg(),
        confidence=torch.tensor(confidence, dtype=torch.float64),
        support=torch.tensor(support, dtype=torch.float64),
        hypotheses=torch.tensor(hypotheses),
        event=tuple(events),
        translation=torch.stack(place) if any(one is not None for one in positions) else None,
    )
