"""All scores of six-degree poses in one record, by domain: errors, Kelvins, BOP's recalls where there is a model."""

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor

from armillary.evaluation.pose.kelvins import SPEEDPLUS_2021, KelvinsThresholds, kelvins_score
from armillary.evaluation.pose.model import ObjectModel
from armillary.evaluation.pose.recall import Pictures, recall_shares
from armillary.so3 import SymmetryGroup, geodesic_distance

# Title, field and format.
Column = tuple[str, str, str]


@dataclass(frozen=True)
class DomainScore:
    """Figures of one domain; recalls (recall.py) and their mean are None without a model."""

    views: int
    rotation_mean_deg: float
    rotation_median_deg: float
    # Metres.
    translation_mean: float
    translation_median: float
    # Relative to the distance, thresholds applied, as the other scores of Kelvins.
    kelvins_position: float
    # Radians.
    kelvins_rotation: float
    kelvins_mean: float
    kelvins_median: float
    recall_mssd: float | None = None
    recall_mspd: float | None = None
    recall_vsd: float | None = None
    average_recall: float | None = None


@dataclass(frozen=True)
class PoseScores:
    """Figures by domain, in the order of their first pictures, and the thresholds of Kelvins."""

    domains: dict[str, DomainScore]
    thresholds: KelvinsThresholds

    def to_json(self) -> dict:
        """Plain numbers that `json.dump` takes."""
        return {
            "kelvins_thresholds": asdict(self.thresholds),
            "domains": {name: asdict(score) for name, score in self.domains.items()},
        }

    def markdown(self, columns: Sequence[Column] | None = None) -> str:
        """A table with a row for each domain; by default of all columns that have numbers."""
        scores = list(self.domains.values())
        given = (*ERRORS, *RECALLS) if columns is None else columns
        shown = [VIEWS, *(column for column in given if getattr(scores[0], column[1]) is not None)]
        lines = ["| domain | " + " | ".join(title for title, _, _ in shown) + " |", "|---|" + "---|" * len(shown)]
        for name, score in self.domains.items():
            cells = [f"{getattr(score, field):{form}}" for _, field, form in shown]
            lines.append(f"| {name} | " + " | ".join(cells) + " |")
        return "\n".join(lines)


VIEWS: Column = ("views", "views", "d")
ERRORS: tuple[Column, ...] = (
    ("rotation, median °", "rotation_median_deg", ".2f"),
    ("rotation, mean °", "rotation_mean_deg", ".2f"),
    ("translation, median m", "translation_median", ".4f"),
    ("translation, mean m", "translation_mean", ".4f"),
    ("E_t", "kelvins_position", ".4f"),
    ("E_R", "kelvins_rotation", ".4f"),
    ("Kelvins, mean", "kelvins_mean", ".4f"),
    ("Kelvins, median", "kelvins_median", ".4f"),
)
RECALLS: tuple[Column, ...] = (
    ("AR MSSD", "recall_mssd", ".3f"),
    ("AR MSPD", "recall_mspd", ".3f"),
    ("AR VSD", "recall_vsd", ".3f"),
    ("AR", "average_recall", ".3f"),
)


def score_poses(
    rotation: Float[Tensor, "views 3 3"],
    translation: Float[Tensor, "views 3"],
    true_rotation: Float[Tensor, "views 3 3"],
    true_translation: Float[Tensor, "views 3"],
    domains: Sequence[str] | None = None,
    thresholds: KelvinsThresholds = SPEEDPLUS_2021,
    symmetries: Sequence[SymmetryGroup] | None = None,
    models: Sequence[ObjectModel] | None = None,
    pictures: Pictures | None = None,
    category: Int[Tensor, " views"] | None = None,
) -> PoseScores:
    """Score answers against labels.

    Args:
        rotation: answers, R_cam_obj.
        translation: metres.
        true_rotation: labels.
        true_translation: metres.
        domains: of each view, one row of the table for each; by default one, "all".
        thresholds: of the Kelvins score.
        symmetries: of each category: rotation errors and Kelvins are to the nearest equivalent.
        models: of each category: with `pictures`, BOP's recalls are added.
        pictures: their cameras.
        category: of each view; by default all of the first.

    Example:
        >>> eye, place = torch.eye(3).expand(4, 3, 3), torch.tensor([0.0, 0, 10]).expand(4, 3)
        >>> scores = score_poses(eye, place * 1.1, eye, place, ["sunlamp", "lightbox"] * 2)
        >>> round(scores.domains["lightbox"].kelvins_mean, 6), scores.domains["sunlamp"].views
        (0.1, 2)
    """
    if len(rotation) == 0:
        raise ValueError("expected at least one view, got none; the split is empty")
    names = ["all"] * len(rotation) if domains is None else list(domains)
    if len(names) != len(rotation):
        raise ValueError(f"expected a domain for each of {len(rotation)} views, got {len(names)}; name each one's")
    kinds = torch.zeros(len(rotation), dtype=torch.int64) if category is None else category.cpu()
    answers = [each.detach().cpu().double() for each in (rotation, translation, true_rotation, true_translation)]
    if not all(bool(each.isfinite().all()) for each in answers):
        raise ValueError("expected finite poses, got NaN or infinity; leave those views out")
    for given, what in ((symmetries, "symmetry group"), (models, "model")):
        if given is not None and len(given) <= int(kinds.max()):
            raise ValueError(f"expected one {what} for each of {int(kinds.max()) + 1} categories, got {len(given)}")
    errors = _errors(answers, kinds, thresholds, symmetries)
    if models is not None and pictures is not None:
        errors |= _recalls(answers, kinds, models, pictures)
    places = {name: torch.tensor([own == name for own in names]) for name in dict.fromkeys(names)}
    return PoseScores(
        {name: _domain({key: e[at] for key, e in errors.items()}) for name, at in places.items()}, thresholds
    )


def _errors(
    answers: list[Tensor], kinds: Tensor, thresholds: KelvinsThresholds, symmetries: Sequence[SymmetryGroup] | None
) -> dict[str, Tensor]:
    """Of each view."""
    columns = {key: torch.zeros(len(kinds), dtype=torch.float64) for key in ("angle", "metres", "position", "rotation")}
    for kind in kinds.unique().tolist():
        at = kinds == kind
        turn, place, true_turn, true_place = (each[at] for each in answers)
        group = None if symmetries is None else symmetries[kind]
        score = kelvins_score(turn, place, true_turn, true_place, thresholds, group)
        columns["position"][at], columns["rotation"][at] = score.position, score.rotation
        columns["angle"][at] = geodesic_distance(turn, true_turn) if group is None else group.distance(turn, true_turn)
        columns["metres"][at] = torch.linalg.vector_norm(place - true_place, dim=-1)
    return columns


def _recalls(
    answers: list[Tensor], kinds: Tensor, models: Sequence[ObjectModel], pictures: Pictures
) -> dict[str, Tensor]:
    """Of each view."""
    columns = {key: torch.zeros(len(kinds), dtype=torch.float64) for key in ("mssd", "mspd", "vsd")}
    for kind in kinds.unique().tolist():
        at = (kinds == kind).nonzero().flatten()
        turn, place, true_turn, true_place = (each[at] for each in answers)
        for key, share in recall_shares(turn, place, true_turn, true_place, models[kind], pictures.of(at)).items():
            columns[key][at] = share
    return columns


def _domain(errors: dict[str, Tensor]) -> DomainScore:
    pose = errors["position"] + errors["rotation"]
    recalls = {f"recall_{key}": errors[key].mean().item() for key in ("mssd", "mspd", "vsd") if key in errors}
    return DomainScore(
        views=len(pose),
        rotation_mean_deg=math.degrees(errors["angle"].mean().item()),
        rotation_median_deg=math.degrees(errors["angle"].quantile(0.5).item()),
        translation_mean=errors["metres"].mean().item(),
        translation_median=errors["metres"].quantile(0.5).item(),
        kelvins_position=errors["position"].mean().item(),
        kelvins_rotation=errors["rotation"].mean().item(),
        kelvins_mean=pose.mean().item(),
        kelvins_median=pose.quantile(0.5).item(),
        **recalls,
        average_recall=sum(recalls.values()) / 3 if recalls else None,
    )
