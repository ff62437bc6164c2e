"""Drawings side by side: what knows how to draw itself on an axis, and rows of such as one PNG."""

import io
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, Literal

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from PIL import Image

from armillary.apps.plots.figure import figure_png

# Inches: between drawings, of a caption's line, of one of its letters, at the page's edges.
GAP, LINE, LETTER, EDGE = 0.16, 0.17, 0.072, 0.08

# Of an axis, as matplotlib names it; None: a plain one.
Projection = Literal["mollweide"] | None


@dataclass(frozen=True, kw_only=True)
class Drawing(ABC):
    """Something to draw on an axis of its own, with a caption above."""

    # Lines are separated by newlines.
    caption: str = ""
    # Of the drawing, in inches.
    height: float = 1.7
    # Width over height.
    aspect: ClassVar[float] = 1.0
    # Of the axis it draws on.
    projection: ClassVar[Projection] = None

    @abstractmethod
    def draw(self, axis: Axes) -> None:
        """Draw on an axis made with `projection`."""

    @property
    def width(self) -> float:
        """In inches."""
        return self.height * self.aspect

    @property
    def room(self) -> tuple[float, float]:
        """Width and height in inches with the caption."""
        lines = self.caption.splitlines()
        width = max([self.width, *(LETTER * len(line) for line in lines)])
        return width, self.height + (LINE * len(lines) + 0.05 if lines else 0.0)


def drawings_png(rows: Sequence[Sequence[Drawing]], dpi: int = 110) -> bytes:
    """Rows of drawings as PNG bytes; each row stands in the middle.

    Args:
        rows: at least one, none of them empty.
        dpi: pixels per inch.

    Example:
        >>> from armillary.apps.plots.globe import Globe
        >>> drawings_png([[Globe(torch.eye(9)[6], caption="l = 2, m = 0")]])[1:4]
        b'PNG'
    """
    if not rows or not all(rows):
        raise ValueError(f"expected rows of drawings, got {[len(row) for row in rows]} in them; leave out empty rows")
    widths = [sum(drawing.room[0] + GAP for drawing in row) - GAP for row in rows]
    heights = [max(drawing.room[1] for drawing in row) for row in rows]
    width, height = max(widths) + 2 * EDGE, sum(heights) + GAP * (len(rows) - 1) + 2 * EDGE
    figure = Figure(figsize=(width, height), dpi=dpi)
    top = height - EDGE
    for row, row_width, row_height in zip(rows, widths, heights, strict=True):
        left = (width - row_width) / 2
        for drawing in row:
            middle, bottom = left + drawing.room[0] / 2, top - row_height
            sides = (middle - drawing.width / 2) / width, drawing.width / width
            box = (sides[0], bottom / height, sides[1], drawing.height / height)
            drawing.draw(figure.add_axes(box, projection=drawing.projection))
            above = (bottom + drawing.height + 0.06) / height
            figure.text(middle / width, above, drawing.caption, ha="center", va="bottom", fontsize=9)
            left += drawing.room[0] + GAP
        top -= row_height + GAP
    return _with_palette(figure_png(figure))


def _with_palette(png: bytes) -> bytes:
    """The same picture with its 256 best colours: a third of the bytes where there is shading."""
    picture = Image.open(io.BytesIO(png)).convert("RGB").quantize(256, dither=Image.Dither.NONE)
    buffer = io.BytesIO()
    picture.save(buffer, format="png", optimize=True)
    return buffer.getvalue()
