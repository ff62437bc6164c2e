"""Sheets that compare novel views: a row for each pair of views, a column for each answer."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float
from PIL import Image, ImageDraw, ImageFont
from torch import Tensor

from armillary.apps.plots.tile import png, to_image
from armillary.evaluation.picture_quality import picture_quality, unit
from armillary.so3 import geodesic_distance

PAPER, INK, FAINT = (255, 255, 255), (25, 25, 25), (110, 110, 110)
_TEXT, _GAP = 11, 8


@dataclass(frozen=True)
class ViewRow:
    """One pair of views.

    Attributes:
        caption: Above the row: which object, how far it was turned.
        pictures: Values in [0, 1], one for each column.
        notes: Below each picture.
    """

    caption: str
    pictures: tuple[Float[Tensor, "3 height width"], ...]
    notes: tuple[str, ...]


def compared_views(
    inputs: Tensor,
    truth: Tensor,
    answers: Mapping[str, Tensor],
    relative: Float[Tensor, "pairs 3 3"],
    names: Sequence[str],
) -> tuple[list[str], list[ViewRow]]:
    """Columns and rows of a sheet: input, first answer, truth, further answers; PSNR and SSIM below each answer.

    Args:
        inputs: Input views, (pairs, 3, height, width), in [0, 1] or bytes.
        truth: Target views.
        answers: Of each method, by name: decoded, copy, nearest view.
        relative: Rotations from input to target view, camera frame.
        names: Of the objects.

    Example:
        >>> views = torch.rand(1, 3, 16, 16)
        >>> columns, rows = compared_views(views, views, {"copy": views}, torch.eye(3)[None], ["mug"])
        >>> columns, rows[0].caption, rows[0].notes
        (['input', 'copy', 'truth'], 'mug, turned by 0°', ('', '100.0 dB, 1.00', ''))
    """
    methods = [*answers]
    quality = {name: picture_quality(answers[name], truth) for name in methods}
    angles = torch.rad2deg(geodesic_distance(torch.eye(3).to(relative), relative)).tolist()
    rows = []
    for index, (name, angle) in enumerate(zip(names, angles, strict=True)):
        shown = [unit(answers[method][index]) for method in methods]
        notes = [f"{quality[m].psnr[index]:.1f} dB, {quality[m].ssim[index]:.2f}" for m in methods]
        pictures = (unit(inputs[index]), *shown[:1], unit(truth[index]), *shown[1:])
        rows.append(ViewRow(f"{name}, turned by {angle:.0f}°", pictures, ("", *notes[:1], "", *notes[1:])))
    return ["input", *methods[:1], "truth", *methods[1:]], rows


def view_sheet_png(columns: Sequence[str], rows: Sequence[ViewRow], side: int = 128) -> bytes:
    """The sheet as PNG bytes.

    Args:
        columns: Names of the columns.
        rows: At least one.
        side: Of a picture on the sheet, at least that of the pictures, pixels.
    """
    if not rows or any(len(row.pictures) != len(columns) for row in rows):
        raise ValueError(f"expected rows of {len(columns)} pictures, one for each column, got others or none")
    font = ImageFont.load_default(_TEXT)
    line = _TEXT + 4
    width, height = side + _GAP, side + 2 * line + _GAP
    sheet = Image.new("RGB", (len(columns) * width + _GAP, len(rows) * height + line + 2 * _GAP), PAPER)
    draw = ImageDraw.Draw(sheet)
    for column, name in enumerate(columns):
        draw.text((_GAP + column * width, _GAP), name, INK, font)
    for index, row in enumerate(rows):
        top = line + 2 * _GAP + index * height
        draw.text((_GAP, top), row.caption, INK, font)
        for column, (picture, note) in enumerate(zip(row.pictures, row.notes, strict=True)):
            left = _GAP + column * width
            sheet.paste(to_image(picture, side), (left, top + line))
            draw.text((left, top + line + side + 1), note, FAINT, font)
    return png(sheet)
