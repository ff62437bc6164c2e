"""Novel views in figures: pictures of an object seen from another side, against the truth, by how far it was turned.

Beside the method stand two answers that need no synthesis: the input itself ("copy"), and the training picture of the
same category whose rotation is nearest to the true one ("nearest view"; it is told the category and the true rotation,
which the method is not).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor

from armillary.evaluation.picture_quality import QualityFigures, picture_quality
from armillary.so3 import geodesic_distance, require_rotations

# Angles of the relative rotation between which pairs are counted together, degrees.
EDGES_DEG = (0.0, 45.0, 90.0, 135.0, 180.0)
# Rotations that are compared at once, numbers.
_AT_ONCE = 4_000_000


@dataclass(frozen=True)
class AngleRange:
    """Pairs whose relative rotation has an angle between two limits.

    Attributes:
        low_deg: The lower limit.
        high_deg: The upper one.
        pairs: How many.
        figures: Of each method, by name; None where there are no pairs.
    """

    low_deg: float
    high_deg: float
    pairs: int
    figures: dict[str, QualityFigures | None]

    def to_json(self) -> dict[str, Any]:
        """Plain values for JSON."""
        figures = {name: None if each is None else each.to_json() for name, each in self.figures.items()}
        return {"low_deg": self.low_deg, "high_deg": self.high_deg, "pairs": self.pairs, "figures": figures}


@dataclass(frozen=True)
class NovelViewFigures:
    """Figures by how far objects were turned.

    Attributes:
        ranges: Each range of angles.
        beyond: All pairs beyond the first range, whose views have little in common.
        whole: All pairs.

    Example:
        >>> truth = torch.rand(2, 3, 16, 16)
        >>> figures = novel_view_figures(torch.eye(3).expand(2, 3, 3), truth, {"copy": truth})
        >>> figures.whole.figures["copy"].psnr
        100.0
    """

    ranges: tuple[AngleRange, ...]
    beyond: AngleRange
    whole: AngleRange

    def to_json(self) -> dict[str, Any]:
        """Plain values for JSON."""
        ranges = [each.to_json() for each in self.ranges]
        return {"ranges": ranges, "beyond_first": self.beyond.to_json(), "all": self.whole.to_json()}

    def table(self) -> str:
        """Markdown: a row for each range, for each method PSNR, SSIM and L1; the best of a row is bold."""
        head = ["turned by", "pairs", *(f"{method}: PSNR dB, SSIM, L1" for method in self.whole.figures)]
        rows = [*self.ranges, self.beyond, self.whole]
        names = [f"{each.low_deg:g}-{each.high_deg:g}°" for each in self.ranges]
        names += [f"above {self.beyond.low_deg:g}°", "all"]
        lines = [head, ["---", *["---:"] * (len(head) - 1)]]
        lines += [[name, f"{row.pairs:,}", *_cells(row)] for name, row in zip(names, rows, strict=True)]
        return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def novel_view_figures(
    relative: Float[Tensor, "pairs 3 3"], truth: Tensor, answers: Mapping[str, Tensor]
) -> NovelViewFigures:
    r"""Figures of answers to pairs (input view, target view) of one object.

    Args:
        relative: :math:`Q_\text{target} Q_\text{input}^T`, in the camera frame.
        truth: Pictures of the target views, (pairs, 3, height, width), in [0, 1] or bytes.
        answers: Of each method, by name, as the truth.

    Example:
        >>> truth, answer = torch.zeros(1, 3, 16, 16), torch.full((1, 3, 16, 16), 0.1)
        >>> print(novel_view_figures(torch.eye(3)[None], truth, {"grey": answer}).table().splitlines()[2])
        | 0-45° | 1 | **20.00**, **0.010**, **0.100** |
    """
    require_rotations(relative)
    if len(relative) == 0 or not answers:
        raise ValueError(f"expected pairs and answers, got {len(relative)} and {len(answers)}; give one of each")
    for name, pictures in answers.items():
        if pictures.shape != truth.shape or len(truth) != len(relative):
            raise ValueError(
                f"expected {len(relative)} pictures of one shape, got {tuple(truth.shape)} of the truth and "
                f"{tuple(pictures.shape)} of '{name}'; resize them"
            )
    angle = torch.rad2deg(geodesic_distance(torch.eye(3).to(relative), relative)).cpu()
    place = torch.bucketize(angle, torch.tensor(EDGES_DEG[1:-1]).to(angle))
    quality = {name: picture_quality(pictures, truth) for name, pictures in answers.items()}

    def chosen_range(first: int, last: int) -> AngleRange:
        chosen = (place >= first) & (place < last)
        figures = {name: each.mean(chosen.to(each.l1.device)) for name, each in quality.items()}
        return AngleRange(EDGES_DEG[first], EDGES_DEG[last], int(chosen.sum()), figures)

    count = len(EDGES_DEG) - 1
    ranges = tuple(chosen_range(index, index + 1) for index in range(count))
    return NovelViewFigures(ranges, chosen_range(1, count), chosen_range(0, count))


def nearest_known_view(
    target: Float[Tensor, "pairs 3 3"],
    known: Float[Tensor, "views 3 3"],
    category: Int[Tensor, " pairs"] | None = None,
    known_category: Int[Tensor, " views"] | None = None,
) -> Int[Tensor, " pairs"]:
    r"""Index of the known view whose rotation is nearest to that of each target, of the same category where given.

    The angle of :math:`A^T B` is smallest where :math:`\operatorname{tr} A^T B`, a product of vectors of nine numbers,
    is largest. Symmetries are not used: of an object with one, a nearest label is a near view all the same.

    Args:
        target: R_cam_obj of the target views.
        known: R_cam_obj of the known views.
        category: Of the targets; None for all views alike.
        known_category: Of the known views.

    Example:
        >>> from armillary.so3 import rotation_z
        >>> known = rotation_z(torch.tensor([0.0, 1.0, 2.0]))
        >>> nearest_known_view(rotation_z(torch.tensor([1.9, 0.2])), known)
        tensor([2, 0])
    """
    require_rotations(target)
    require_rotations(known)
    if len(known) == 0 or (category is None) != (known_category is None):
        raise ValueError("expected known views, and categories of both or of neither; give both")
    if category is None or known_category is None:
        return _nearest(target, known)
    found = torch.empty_like(category)
    for index in category.unique().tolist():
        asked, places = category == index, (known_category == index).nonzero()[:, 0]
        if len(places) == 0:
            raise ValueError(f"expected known views of category {index}, got none; leave its pairs out")
        found[asked] = places[_nearest(target[asked], known[places])]
    return found


def _nearest(target: Tensor, known: Tensor) -> Tensor:
    flat = known.flatten(1).mT.to(target)
    blocks = target.flatten(1).split(max(1, _AT_ONCE // flat.shape[1]))
    return torch.cat([(block @ flat).argmax(1) for block in blocks])


def _cells(row: AngleRange) -> list[str]:
    """The figures of a row, the best of each kind bold."""
    known = [each for each in row.figures.values() if each is not None]
    if not known:
        return ["-"] * len(row.figures)
    columns = (
        [_best(f"{each.psnr:.2f}", each.psnr == max(other.psnr for other in known)) for each in known],
        [_best(f"{each.ssim:.3f}", each.ssim == max(other.ssim for other in known)) for each in known],
        [_best(f"{each.l1:.3f}", each.l1 == min(other.l1 for other in known)) for each in known],
    )
    return [", ".join(cells) for cells in zip(*columns, strict=True)]


def _best(text: str, best: bool) -> str:
    return f"**{text}**" if best else text
