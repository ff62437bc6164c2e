r"""Box regression: a reduced frame to the one box in it, with uncertainty, or to the answer that there is none.

The frame is divided into cells. One softmax over all cells and "none" says where the box's centre is, so that

    confidence = 1 - p(none)

and at each cell four numbers say what box has its centre there: its offset from the cell's middle (in cells) and the
logarithms of width and height (in cells), with the scales of their errors (Laplace).
"""

from dataclasses import dataclass
from typing import ClassVar

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn
from torch.nn import functional

from armillary.models.saved import SavedNetwork
from armillary.nn.encoder import SmallEncoder

# Pixels of a cell.
CELL = 16
# Logarithms of Laplace scales.
SHARPEST, BLUNTEST = -5.0, 3.0


@dataclass(frozen=True)
class BoxRegressionConfig:
    """How to build a `BoxRegression`.

    Example:
        >>> BoxRegressionConfig().cells
        (5, 8)
    """

    # Height of the reduced frames, pixels; a multiple of 16.
    height: int = 80
    # Width of the reduced frames, pixels; a multiple of 16.
    width: int = 128
    # Width of the encoder, a multiple of 8.
    channels: int = 16

    def __post_init__(self) -> None:
        if self.height < 2 * CELL or self.width < 2 * CELL or self.height % CELL or self.width % CELL:
            raise ValueError(
                f"expected height and width that are multiples of {CELL} and 32 or more, got {self.height} and "
                f"{self.width}; take 80 and 128"
            )

    @property
    def cells(self) -> tuple[int, int]:
        """Rows and columns of cells."""
        return self.height // CELL, self.width // CELL

    def build(self) -> "BoxRegression":
        """The network, with fresh weights."""
        return BoxRegression(self)


@dataclass(frozen=True, eq=False)
class BoxAnswer:
    """What a network says of frames.

    Example:
        >>> answer = BoxAnswer(torch.zeros(1, 7), torch.zeros(1, 4, 2, 3), torch.zeros(1, 4, 2, 3))
        >>> answer.confidence, answer.boxes()[0]
        (tensor([0.8571]), tensor([-0.5000, -0.5000, 15.5000, 15.5000]))
    """

    # Logits of the cells, row by row, and of "none".
    logits: Float[Tensor, "batch places"]
    # Offset and log size at each cell, in cells.
    sides: Float[Tensor, "batch 4 rows columns"]
    # Logarithms of the Laplace scales of `sides`.
    log_scale: Float[Tensor, "batch 4 rows columns"]

    @property
    def confidence(self) -> Float[Tensor, " batch"]:
        """Probability that there is an object."""
        return 1 - self.logits.softmax(-1)[:, -1]

    def boxes(self) -> Float[Tensor, "batch 4"]:
        """Left, top, right, bottom of the most probable cell's box, pixels of the reduced frame."""
        return cell_box(self._at(self.sides, self._best()), self._best(), self.sides.shape[-1])

    def proposals(self, most: int = 4, overlap: float = 0.6) -> list[Float[Tensor, "boxes 4"]]:
        """Of each frame, the boxes of its most probable cells, the best first; no two overlap by this or more."""
        found = []
        for cells, sides in zip(self.logits[:, :-1].argsort(-1, descending=True), self.sides.flatten(2), strict=True):
            boxes = cell_box(sides.mT[cells], cells, self.sides.shape[-1])
            chosen = boxes[:1]
            for box in boxes[1:]:
                if len(chosen) < most and bool((box_overlap(box.expand_as(chosen), chosen) < overlap).all()):
                    chosen = torch.cat([chosen, box[None]])
            found.append(chosen)
        return found

    def deviation(self) -> Float[Tensor, "batch 4"]:
        """Deviation of the offset (pixels) and of the logarithm of the size, of that box."""
        scale = 2**0.5 * self._at(self.log_scale, self._best()).exp()
        return scale * scale.new_tensor([CELL, CELL, 1, 1])

    def losses(self, boxes: Float[Tensor, "batch 4"]) -> tuple[Float[Tensor, " batch"], Float[Tensor, " batch"]]:
        """Negative log probability of the right cell or "none", and of the box at that cell (0 where there is none).

        Args:
            boxes: true, pixels of the reduced frame; NaN where there is no object.
        """
        rows, columns = self.sides.shape[-2:]
        present = ~boxes.isnan().any(-1)
        cell, sides = box_cell(torch.where(present[:, None], boxes, 0.0), rows, columns)
        where = functional.cross_entropy(self.logits, torch.where(present, cell, rows * columns), reduction="none")
        log_scale = self._at(self.log_scale, cell)
        error = (self._at(self.sides, cell) - sides).abs()
        what = (error * (-log_scale).exp() + log_scale).sum(-1)
        return where, torch.where(present, what, 0.0)

    def _best(self) -> Int[Tensor, " batch"]:
        return self.logits[:, :-1].argmax(-1)

    @staticmethod
    def _at(maps: Float[Tensor, "batch 4 rows columns"], cell: Int[Tensor, " batch"]) -> Float[Tensor, "batch 4"]:
        return maps.flatten(2).take_along_dim(cell[:, None, None], 2)[..., 0]


class BoxRegression(SavedNetwork):
    """A small encoder whose cells also see the mean of the whole frame.

    Example:
        >>> network = BoxRegressionConfig(height=32, width=48, channels=8).build().eval()
        >>> network(torch.rand(2, 1, 32, 48)).boxes().shape
        torch.Size([2, 4])
    """

    kind: ClassVar[str] = "box_regression"
    config_type: ClassVar[type] = BoxRegressionConfig
    what: ClassVar[str] = "a detector of `armillary spacecraft train`"

    def __init__(self, config: BoxRegressionConfig) -> None:
        super().__init__()
        self.config = config
        self.encoder = SmallEncoder(config.channels)
        width = self.encoder.channels
        self.cell = nn.Conv2d(width, width, 3, padding=1)
        self.whole = nn.Linear(width, width)
        self.last = nn.Conv2d(width, 9, 1)
        self.none = nn.Linear(width, 1)

    def forward(self, frames: Float[Tensor, "batch 1 height width"]) -> BoxAnswer:
        """Boxes in reduced grey frames with values in [0, 1]."""
        if tuple(frames.shape[-2:]) != (self.config.height, self.config.width):
            raise ValueError(
                f"expected frames of {self.config.width} x {self.config.height} px, got {frames.shape[-1]} x "
                f"{frames.shape[-2]}; reduce them"
            )
        features = self.encoder(frames.expand(-1, 3, -1, -1))
        whole = self.whole(features.mean((-2, -1)))
        hidden = functional.relu(self.cell(features) + whole[..., None, None])
        maps = self.last(hidden).float()
        none = self.none(hidden.mean((-2, -1)) + functional.relu(whole)).float()
        log_scale = maps[:, 5:].clamp(SHARPEST, BLUNTEST)
        return BoxAnswer(torch.cat([maps[:, 0].flatten(1), none], -1), maps[:, 1:5], log_scale)


def box_cell(
    boxes: Float[Tensor, "batch 4"], rows: int, columns: int
) -> tuple[Int[Tensor, " batch"], Float[Tensor, "batch 4"]]:
    """The cell that holds each box's centre (the nearest one to a centre outside), and the box as seen from it.

    Example:
        >>> cell, sides = box_cell(torch.tensor([[15.5, -0.5, 47.5, 15.5]]), 5, 8)
        >>> cell, sides.round(decimals=3)
        (tensor([2]), tensor([[-0.5000,  0.0000,  0.6930,  0.0000]]))
    """
    # In cells, 0 at the frame's left and upper edge.
    corners = (boxes + 0.5) / CELL
    centre, size = (corners[:, :2] + corners[:, 2:]) / 2, (corners[:, 2:] - corners[:, :2]).clamp_min(1e-3)
    limit = torch.tensor([columns - 1, rows - 1], device=boxes.device)
    place = torch.minimum(centre.floor().long().clamp_min(0), limit)
    return place[:, 1] * columns + place[:, 0], torch.cat([centre - place - 0.5, size.log()], -1)


def cell_box(sides: Float[Tensor, "batch 4"], cell: Int[Tensor, " batch"], columns: int) -> Float[Tensor, "batch 4"]:
    """The inverse of `box_cell`: boxes in pixels of the reduced frame."""
    place = torch.stack([cell % columns, cell // columns], -1)
    centre, half = place + 0.5 + sides[:, :2], sides[:, 2:].exp() / 2
    return torch.cat([centre - half, centre + half], -1) * CELL - 0.5


def box_overlap(first: Float[Tensor, "boxes 4"], second: Float[Tensor, "boxes 4"]) -> Float[Tensor, " boxes"]:
    """Area of the intersection over that of the union.

    Example:
        >>> box_overlap(torch.tensor([[0.0, 0, 2, 2]]), torch.tensor([[1.0, 0, 3, 2]]))
        tensor([0.3333])
    """
    low, high = torch.maximum(first[:, :2], second[:, :2]), torch.minimum(first[:, 2:], second[:, 2:])
    both = (high - low).clamp_min(0).prod(-1)
    areas = sum((box[:, 2:] - box[:, :2]).prod(-1) for box in (first, second))
    return both / (areas - both)
