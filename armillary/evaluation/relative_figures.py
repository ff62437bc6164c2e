r"""Figures of relative rotations: how far answers are from the nearest right one, by category and over all pairs.

Accuracies count errors up to a threshold; the area under their curve up to 30 degrees is, without steps,

.. math:: \mathrm{AUC}@30=\frac1N\sum_i\max(0,\ 1-e_i/30°).

The top level is the mean over categories, each counting alike.
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from armillary.evaluation.metrics import accuracy_at, log_likelihood, median_error
from armillary.evaluation.relative_pairs import Pairs, RelativeAnswers

AREA_DEG = 30.0


@dataclass(frozen=True)
class ErrorFigures:
    """Figures of one set of pairs: degrees, shares from 0 to 1, nats for Haar measure (uniform: 0)."""

    median_deg: float
    mean_deg: float
    acc10: float
    acc15: float
    acc30: float
    auc30: float
    log_likelihood: float | None
    score: float | None
    pairs: int

    @classmethod
    def of(
        cls,
        error: Float[Tensor, " pairs"],
        log_prob: Float[Tensor, " pairs"] | None = None,
        score: Float[Tensor, " pairs"] | None = None,
    ) -> "ErrorFigures":
        """Of errors in radians.

        Example:
            >>> ErrorFigures.of(torch.deg2rad(torch.tensor([0.0, 12.0, 15.0], dtype=torch.float64))).auc30
            0.7
        """
        return cls(
            median_deg=torch.rad2deg(median_error(error)).item(),
            mean_deg=torch.rad2deg(error.mean()).item(),
            acc10=accuracy_at(error, 10).item(),
            acc15=accuracy_at(error, 15).item(),
            acc30=accuracy_at(error, 30).item(),
            auc30=round((1 - torch.rad2deg(error) / AREA_DEG).clamp(min=0).mean().item(), 12),
            log_likelihood=None if log_prob is None else log_likelihood(log_prob.double()).item(),
            score=None if score is None else score.double().mean().item(),
            pairs=len(error),
        )


@dataclass(frozen=True)
class RelativeFigures:
    """One method in one setting.

    Attributes:
        method: Its name.
        setting: Which pairs, such as "same instance, 3-DoF".
        mean: Over categories.
        per_category: By name.
        all_pairs: Every pair counts alike.
    """

    method: str
    setting: str
    mean: ErrorFigures
    per_category: dict[str, ErrorFigures]
    all_pairs: ErrorFigures

    def to_json(self) -> dict[str, Any]:
        """Plain values that `json.dump` takes."""
        return asdict(self)


def relative_figures(method: str, setting: str, pairs: Pairs, answers: RelativeAnswers) -> RelativeFigures:
    """The figures of a method's answers.

    Example:
        >>> from armillary.so3 import SymmetryGroup
        >>> poses, row = torch.eye(3).expand(1, 3, 3), torch.tensor([0])
        >>> pairs = Pairs(row, row, poses, poses, row, ("mug",), row, (SymmetryGroup.trivial(),))
        >>> relative_figures("exact", "same instance", pairs, RelativeAnswers(poses)).mean.median_deg
        0.0
    """
    if len(answers.rotation) != len(pairs):
        raise ValueError(f"expected an answer for each of {len(pairs)} pairs, got {len(answers.rotation)}; give all")
    error = pairs.errors(answers.rotation)
    extras = [None if part is None else part.detach().cpu() for part in (answers.log_prob, answers.score)]
    per_category = {}
    for index in pairs.category.unique().tolist():
        rows = (pairs.category == index).cpu()
        chosen = (None if part is None else part[rows] for part in extras)
        per_category[pairs.categories[index]] = ErrorFigures.of(error[rows], *chosen)
    mean = _mean([*per_category.values()])
    return RelativeFigures(method, setting, mean, per_category, ErrorFigures.of(error, *extras))


def _mean(figures: Sequence[ErrorFigures]) -> ErrorFigures:
    records = [asdict(one) for one in figures]
    columns = {name: [record[name] for record in records] for name in records[0]}
    means: dict[str, Any] = {
        name: None if None in column else sum(column) / len(column) for name, column in columns.items()
    }
    return ErrorFigures(**{**means, "pairs": sum(columns["pairs"])})


def relative_table(figures: Sequence[RelativeFigures]) -> str:
    """A markdown table, one row for each method and setting: the median of all pairs, then means over categories.

    Example:
        >>> few = ErrorFigures(4.0, 9.5, 0.8, 0.9, 0.95, 0.81, None, None, 20)
        >>> print(relative_table([RelativeFigures("correlation", "same instance", few, {}, few)]))
        | setting | method | all: median ° | median ° | mean ° | Acc@10 | Acc@15 | Acc@30 | AUC@30 | log-lik. | pairs |
        |---|---|---:|---:|---:|---:|---:|---:|---:|---:|---:|
        | same instance | correlation | 4.0 | 4.0 | 9.5 | 80.0 | 90.0 | 95.0 | 81.0 |  | 20 |
    """
    errors, shares = "all: median ° | median ° | mean °", "Acc@10 | Acc@15 | Acc@30 | AUC@30"
    head = f"| setting | method | {errors} | {shares} | log-lik. | pairs |"
    rule = f"|---|---|{'---:|' * 9}"
    return "\n".join([head, rule, *map(_row, figures)])


def category_table(figures: Sequence[RelativeFigures]) -> str:
    """A markdown table of median errors in degrees, one row for each category, one column for each method and setting.

    Example:
        >>> few = ErrorFigures(4.0, 9.5, 0.8, 0.9, 0.95, 0.81, None, None, 20)
        >>> print(category_table([RelativeFigures("correlation", "same", few, {"mug": few}, few)]))
        | category | same: correlation |
        |---|---:|
        | mug | 4.0 |
    """
    names = sorted({name for one in figures for name in one.per_category})
    head = " | ".join(["category", *(f"{one.setting}: {one.method}" for one in figures)])
    rows = []
    for name in names:
        found = [one.per_category.get(name) for one in figures]
        rows.append(" | ".join([name, *("" if one is None else f"{one.median_deg:.1f}" for one in found)]))
    return "\n".join([f"| {head} |", f"|---|{'---:|' * len(figures)}", *(f"| {row} |" for row in rows)])


def _row(figures: RelativeFigures) -> str:
    one = figures.mean
    shares = " | ".join(f"{100 * share:.1f}" for share in (one.acc10, one.acc15, one.acc30, one.auc30))
    likelihood = "" if one.log_likelihood is None else f"{one.log_likelihood:.2f}"
    errors = " | ".join(f"{each:.1f}" for each in (figures.all_pairs.median_deg, one.median_deg, one.mean_deg))
    return f"| {figures.setting} | {figures.method} | {errors} | {shares} | {likelihood} | {one.pairs} |"
