"""How well the frames of a film were answered, against true rotations: errors, and flips from frame to frame."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass

from jaxtyping import Float
from torch import Tensor

from armillary.so3 import SymmetryGroup, geodesic_distance

# A turn between frames that differs from the true one by more than this is a flip.
FLIP_DEG = 60.0
# From then on flips count, seconds.
SETTLED = 1.0


@dataclass(frozen=True)
class FilmScore:
    """Errors to the nearest rotation that looks alike, in degrees, and flips."""

    mean_deg: float
    median_deg: float
    flips: int

    def to_json(self) -> dict[str, float]:
        """Plain numbers that `json.dump` takes."""
        return asdict(self)


def score_film(
    answers: Mapping[str, Float[Tensor, "frames 3 3"]],
    truth: Float[Tensor, "frames 3 3"],
    time: Float[Tensor, " frames"],
    group: SymmetryGroup | None = None,
) -> dict[str, FilmScore]:
    """Scores of several series of answers to one film.

    Args:
        answers: by name; frames without one are NaN.
        truth: rotations of the frames.
        time: of the frames, seconds.
        group: of the object.

    Example:
        >>> import torch
        >>> still = torch.eye(3).expand(20, 3, 3)
        >>> turned = still.clone()
        >>> turned[15] = torch.diag(torch.tensor([-1.0, -1, 1]))
        >>> time = torch.arange(20) / 10
        >>> score_film({"single": turned}, still, time, SymmetryGroup.cyclic(2))["single"]
        FilmScore(mean_deg=0.0, median_deg=0.0, flips=2)
    """
    group = group or SymmetryGroup.trivial()
    return {name: _score(rotation.to(truth), truth, time, group) for name, rotation in answers.items()}


def _score(rotation: Tensor, truth: Tensor, time: Tensor, group: SymmetryGroup) -> FilmScore:
    known = rotation.isfinite().all(-1).all(-1)
    error = group.distance(rotation[known], truth[known]).rad2deg()
    step, true_step = (each[1:] @ each[:-1].mT for each in (rotation, truth))
    settled = known[1:] & known[:-1] & (time[1:] > time[0] + SETTLED)
    flipped = geodesic_distance(step[settled], true_step[settled]).rad2deg() > FLIP_DEG
    return FilmScore(error.mean().item(), error.median().item(), int(flipped.sum()))
