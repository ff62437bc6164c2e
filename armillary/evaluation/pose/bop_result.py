"""BOP's result files: a header, then one line for each answer.

    scene_id,im_id,obj_id,score,R,t,time
    1,7,4,0.93,1 0 0 0 1 0 0 0 1,12.5 -3 640,0.21

R has nine numbers, row by row, t three, in millimetres, apart by spaces; time is that of the whole picture, in seconds,
-1 if not known. Metres in programs.

Reference: https://github.com/thodan/bop_toolkit, docs/bop_challenge_2019.md and inout.py
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from jaxtyping import Float, Int
from torch import Tensor

from armillary.data.atomic import write_atomically
from armillary.data.bop.model import MM_PER_METRE
from armillary.so3 import rotation_defect

HEADER = "scene_id,im_id,obj_id,score,R,t,time"
_TOLERANCE = 1e-2


@dataclass(frozen=True)
class BopResults:
    """Answers of a method: which picture and object, how sure, the pose (metres), the time (seconds)."""

    # Scene, image and object.
    place: Int[Tensor, "answers 3"]
    score: Float[Tensor, " answers"]
    rotation: Float[Tensor, "answers 3 3"]
    translation: Float[Tensor, "answers 3"]
    time: Float[Tensor, " answers"]

    def __len__(self) -> int:
        return len(self.place)


def write_bop_results(path: Path, results: BopResults) -> None:
    """Write answers whole or not at all."""
    rotation = results.rotation.double().flatten(1).tolist()
    translation = (results.translation.double() * MM_PER_METRE).tolist()
    columns = (results.place.tolist(), results.score.tolist(), rotation, translation, results.time.tolist())
    lines = [
        f"{scene},{image},{object_id},{score:.9g},{_numbers(turn)},{_numbers(place)},{time:.9g}"
        for (scene, image, object_id), score, turn, place, time in zip(*columns, strict=True)
    ]
    write_atomically(path, "\n".join([HEADER, *lines, ""]).encode())


def _numbers(values: Sequence[float]) -> str:
    return " ".join(f"{value:.9g}" for value in values)


def read_bop_results(path: Path) -> BopResults:
    """Answers of a file; the header may be absent."""
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except FileNotFoundError as error:
        raise FileNotFoundError(f"{path}: expected BOP results, got no such file; check the path") from error
    except UnicodeDecodeError as error:
        raise ValueError(f"{path}: expected a table as text, got '{error}'; save it as UTF-8 CSV") from error
    rows = [
        _row(line, f"{path}: line {number}")
        for number, line in enumerate(lines, 1)
        if line.strip() and not (number == 1 and HEADER in line)
    ]
    table = torch.tensor(rows, dtype=torch.float64).reshape(-1, 17)
    rotation = table[:, 4:13].unflatten(1, (3, 3))
    wrong = (rotation_defect(rotation) > _TOLERANCE).nonzero().flatten().tolist()
    if wrong:
        raise ValueError(f"{path}: answer {wrong[0] + 1}: expected a rotation R, got another matrix; correct it")
    return BopResults(table[:, :3].long(), table[:, 3], rotation, table[:, 13:16] / MM_PER_METRE, table[:, 16])


def _row(line: str, place: str) -> list[float]:
    cells = line.split(",")
    try:
        whole = [float(int(cell)) for cell in cells[:3]]
        row = [*whole, *(float(word) for cell in cells[3:] for word in cell.split())]
    except ValueError:
        row = []
    counts = [len(cell.split()) for cell in cells]
    if len(row) != 17 or counts != [1, 1, 1, 1, 9, 3, 1] or any(value != value for value in row):
        raise ValueError(f"{place}: expected {HEADER} with 9 numbers R and 3 numbers t, got {line!r:.60}; correct it")
    return row


def best_results(results: BopResults, place: Int[Tensor, "targets 3"]) -> Int[Tensor, " targets"]:
    """For each target (scene, image, object) the answer of the highest score, -1 where there is none.

    Each picture shows an object once: a target that occurs twice is refused.

    Example:
        >>> eye, none = torch.eye(3).expand(2, 3, 3), torch.zeros(2, 3)
        >>> two = BopResults(torch.tensor([[1, 0, 4], [1, 0, 4]]), torch.tensor([0.1, 0.8]), eye, none, none[:, 0])
        >>> best_results(two, torch.tensor([[1, 0, 4], [1, 1, 4]]))
        tensor([ 1, -1])
    """
    targets = [tuple(row) for row in place.tolist()]
    if len({*targets}) < len(targets):
        twice = next(target for number, target in enumerate(targets) if target in targets[:number])
        raise ValueError(
            f"expected each object once in a picture, got scene, image and object {twice} twice; "
            "score it with bop_toolkit"
        )
    best: dict[tuple[int, ...], int] = {}
    # Lowest scores first: the last one that is put in is the best; among equals the first in the file.
    for index in results.score.flip(0).argsort(stable=True).tolist():
        index = len(results) - 1 - index
        best[tuple(results.place[index].tolist())] = index
    return torch.tensor([best.get(target, -1) for target in targets], dtype=torch.int64)
