"""BOP's score of a result file: average recalls over the objects to be found; a missing answer counts as wrong."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor

from armillary.evaluation.pose.bop_result import BopResults, best_results
from armillary.evaluation.pose.model import ObjectModel
from armillary.evaluation.pose.recall import Pictures, recall_shares


@dataclass(frozen=True)
class BopScore:
    """Average recalls, their mean, and the mean time of a picture (seconds), None if no answer states it."""

    targets: int
    answered: int
    recall_mssd: float
    recall_mspd: float
    recall_vsd: float
    average_recall: float
    seconds: float | None

    def to_json(self) -> dict[str, float | int | None]:
        """Plain numbers that `json.dump` takes."""
        return asdict(self)


def score_results(
    results: BopResults,
    place: Int[Tensor, "targets 3"],
    true_rotation: Float[Tensor, "targets 3 3"],
    true_translation: Float[Tensor, "targets 3"],
    models: Mapping[int, ObjectModel],
    pictures: Pictures,
) -> BopScore:
    """Score the best answer for each target.

    Args:
        results: of a method, for instance from a file.
        place: scene, image and object of each target: `BopReader.places`.
        true_rotation: labels.
        true_translation: metres.
        models: of each object by its number.
        pictures: the cameras of the targets' pictures.
    """
    if not len(place):
        raise ValueError("expected at least one target, got none; the split is empty")
    chosen = best_results(results, place)
    missing = sorted({*place[:, 2].tolist()} - {*models})
    if missing:
        raise ValueError(f"expected a model of each object, got none of object {missing[0]}; add it")
    shares = {key: torch.zeros(len(place), dtype=torch.float64) for key in ("mssd", "mspd", "vsd")}
    for number, model in models.items():
        at = ((place[:, 2] == number) & (chosen >= 0)).nonzero().flatten()
        if len(at):
            turn, shift = results.rotation[chosen[at]], results.translation[chosen[at]]
            found = recall_shares(turn, shift, true_rotation[at], true_translation[at], model, pictures.of(at))
            for key, share in found.items():
                shares[key][at] = share
    mean = {f"recall_{key}": share.mean().item() for key, share in shares.items()}
    return BopScore(
        targets=len(place),
        answered=int((chosen >= 0).sum()),
        **mean,
        average_recall=sum(mean.values()) / 3,
        seconds=_seconds(results),
    )


def _seconds(results: BopResults) -> float | None:
    """Mean time over pictures; every answer of one picture states the same."""
    known = results.time >= 0
    if not bool(known.any()):
        return None
    pictures, which = results.place[known, :2].unique(dim=0, return_inverse=True)
    time = torch.zeros(len(pictures), dtype=torch.float64)
    time[which] = results.time[known].double()
    return time.mean().item()
