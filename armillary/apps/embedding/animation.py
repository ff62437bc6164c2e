"""Frames of a turn as files: a GIF that goes round, and a sheet of all of them."""

import io
from collections.abc import Sequence

from jaxtyping import Float
from PIL import Image, ImageDraw, ImageFont
from torch import Tensor

from armillary.apps.plots.tile import png, to_image

PAPER, INK = (255, 255, 255), (25, 25, 25)
# Side of a frame of the GIF and of the sheet, at least, pixels; time from frame to frame, milliseconds.
GIF_SIDE, SHEET_SIDE, FRAME_MS = 256, 96, 80
_COLUMNS, _TEXT, _GAP = 10, 11, 6


def gif(frames: Float[Tensor, "frames 3 height width"]) -> bytes:
    """An endless animation of frames with values in [0, 1], as bytes.

    Example:
        >>> import torch
        >>> gif(torch.rand(2, 3, 16, 16))[:6]
        b'GIF89a'
    """
    # One palette of all frames: one for each makes still colours flicker.
    images = [to_image(frame, GIF_SIDE) for frame in frames]
    stacked = Image.new("RGB", (images[0].width, images[0].height * len(images)))
    for index, image in enumerate(images):
        stacked.paste(image, (0, index * image.height))
    palette = stacked.quantize(256)
    first, *rest = [image.quantize(palette=palette, dither=Image.Dither.NONE) for image in images]
    buffer = io.BytesIO()
    # Frames that equal their neighbours become one that stays as long.
    first.save(buffer, "GIF", save_all=True, append_images=rest, duration=FRAME_MS, loop=0)
    return buffer.getvalue()


def sheet_png(
    picture: Float[Tensor, "3 height width"],
    frames: Float[Tensor, "frames 3 rows columns"],
    names: Sequence[str],
) -> bytes:
    """The input and, after it, every frame above its name, as PNG bytes."""
    tiles = [("input", picture), *zip(names, frames, strict=True)]
    font, columns = ImageFont.load_default(_TEXT), min(_COLUMNS, len(tiles))
    images = [to_image(tile, SHEET_SIDE) for _, tile in tiles]
    width, height = (max(image.size[axis] for image in images) + _GAP for axis in (0, 1))
    height += _TEXT + 4
    rows = -(-len(tiles) // columns)
    sheet = Image.new("RGB", (columns * width + _GAP, rows * height + _GAP), PAPER)
    draw = ImageDraw.Draw(sheet)
    for index, ((name, _), image) in enumerate(zip(tiles, images, strict=True)):
        row, column = divmod(index, columns)
        place = _GAP + column * width, _GAP + row * height
        sheet.paste(image, place)
        draw.text((place[0], place[1] + height - _TEXT - _GAP - 2), name, INK, font)
    return png(sheet)
