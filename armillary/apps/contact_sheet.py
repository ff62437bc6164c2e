"""Contact sheets of a data set: pictures with their object axes, names, categories and quaternions, as PNG or HTML.

The axes x (red), y (green), z (blue) of the object frame start at its origin, or, where that is outside the picture, at
the point in the middle of the picture that is as far away, and are projected through the sample's own camera; one that
points away from the camera is thin and behind the others. Where a data set states no camera they are drawn without
perspective from the middle of the picture, which the sheet says.
"""

import html
import io
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float
from PIL import Image, ImageDraw, ImageFont
from torch import Tensor

from armillary.apps.report import data_uri
from armillary.data import Sample, project
from armillary.data.camera import unproject
from armillary.so3 import matrix_to_quat_wxyz

AXES = {"x": (220, 40, 40), "y": (30, 160, 60), "z": (50, 90, 230)}
PAPER, INK, FAINT = (255, 255, 255), (25, 25, 25), (110, 110, 110)
# Of the half width of the object, or of the picture where its extent is not known.
_AXIS_LENGTH = 0.75
_TEXT = 11
# Lines are drawn this much larger and reduced, so that they are smooth.
_SMOOTH = 3


@dataclass(frozen=True)
class Tile:
    """One picture of a sheet."""

    picture: Image.Image
    name: str
    category: str
    # Scalar first.
    quaternion: str


def make_tile(sample: Sample, category: str, side: int, axes: bool = True) -> Tile:
    """A sample as a picture whose longer side has a number of pixels.

    Example:
        >>> make_tile(Sample(torch.rand(3, 8, 16), torch.eye(3), name="a"), "mug", 64).picture.size
        (64, 32)
    """
    height, width = sample.image.shape[-2:]
    scale = side / max(height, width)
    size = max(1, round(width * scale)), max(1, round(height * scale))
    pixels = (sample.image.clamp(0, 1).permute(1, 2, 0) * 255).round().to(torch.uint8)
    picture = Image.fromarray(pixels.numpy()).resize(size, Image.Resampling.LANCZOS if scale < 1 else 0)
    if axes:
        # How much of each axis points away from the camera.
        picture = _with_axes(picture, axis_points(sample), sample.rotation[2].tolist(), scale)
    quaternion = matrix_to_quat_wxyz(sample.rotation.double())
    return Tile(picture, sample.name, category, "  ".join(f"{number:.2f}" for number in quaternion.tolist()))


def axis_points(sample: Sample) -> Float[Tensor, "4 2"]:
    """Pixels of the point where the axes start and of their tips, through the sample's camera where it has one.

    Example:
        >>> axis_points(Sample(torch.zeros(3, 21, 21), torch.eye(3)))[:2].tolist()
        [[10.0, 10.0], [17.5, 10.0]]
    """
    height, width = sample.image.shape[-2:]
    half = min(height, width) // 2 if sample.box is None else 0.5 * (sample.box[2:] - sample.box[:2]).mean().item()
    points, middle = torch.cat([torch.zeros(1, 3), torch.eye(3)]), torch.tensor([(width - 1) / 2, (height - 1) / 2])
    if sample.translation is None or sample.intrinsics is None or sample.translation[2] <= 0:
        return middle + _AXIS_LENGTH * half * (points @ sample.rotation.T)[:, :2]
    start, depth = sample.translation, sample.translation[2]
    origin = project(points[:1], sample.rotation, start, sample.intrinsics)[0]
    if bool((origin < 0).any() | (origin > 2 * middle).any()):
        start = unproject(middle[None], depth[None], sample.intrinsics)[0]
    # As long as the object is wide, at its distance.
    length = _AXIS_LENGTH * half * depth / sample.intrinsics[0, 0]
    return project(length * points, sample.rotation, start, sample.intrinsics)


def _with_axes(picture: Image.Image, points: Float[Tensor, "4 2"], away: Sequence[float], scale: float) -> Image.Image:
    canvas = picture.resize((picture.width * _SMOOTH, picture.height * _SMOOTH), 0)
    draw = ImageDraw.Draw(canvas)
    # Pixel centres are at whole numbers, PIL's lines at the corners of pixels.
    origin, *tips = [tuple(((point + 0.5) * scale * _SMOOTH).tolist()) for point in points]
    colours = [*AXES.values()]
    for axis in sorted(range(3), key=lambda axis: -away[axis]):
        width = _SMOOTH * 3 if away[axis] <= 0 else _SMOOTH * 3 // 2
        draw.line([origin, tips[axis]], fill=PAPER, width=width + _SMOOTH)
        draw.line([origin, tips[axis]], fill=colours[axis], width=width)
    radius = 2 * _SMOOTH
    draw.ellipse([origin[0] - radius, origin[1] - radius, origin[0] + radius, origin[1] + radius], fill=INK)
    return canvas.resize(picture.size, Image.Resampling.BOX)


def sheet_png(tiles: Sequence[Tile], title: str, columns: int, side: int) -> bytes:
    """One page as PNG bytes; a page that is not full is as high as its tiles need."""
    font = ImageFont.load_default(_TEXT)
    gap, caption = 8, 3 * (_TEXT + 3) + 4
    width = max(columns * (side + gap) + gap, 480)
    cell = side + caption + gap
    rows = -(-len(tiles) // columns)
    head = 2 * (_TEXT + 5) + gap
    sheet = Image.new("RGB", (width, head + rows * cell + gap), PAPER)
    draw = ImageDraw.Draw(sheet)
    draw.text((gap, gap), _fitted(title, draw, font, width - 2 * gap), INK, font)
    left = gap
    for axis, colour in AXES.items():
        draw.text((left, gap + _TEXT + 5), f"{axis} axis", colour, font)
        left += 48
    for index, tile in enumerate(tiles):
        row, column = divmod(index, columns)
        x, y = gap + column * (side + gap), head + row * cell
        # In the middle of its square.
        sheet.paste(tile.picture, (x + (side - tile.picture.width) // 2, y + (side - tile.picture.height) // 2))
        lines = ((tile.name, INK), (tile.category, INK), (tile.quaternion, FAINT))
        for line, (text, colour) in enumerate(lines):
            place = (x, y + side + 2 + line * (_TEXT + 3))
            draw.text(place, _fitted(text, draw, font, side), colour, font)
    buffer = io.BytesIO()
    sheet.save(buffer, "PNG")
    return buffer.getvalue()


def sheet_html(pages: Sequence[Sequence[Tile]], titles: Sequence[str], side: int) -> str:
    """Pages below one another as one file without links; a menu hides all categories but one."""
    categories = sorted({tile.category for page in pages for tile in page})
    options = "".join(f"<option>{html.escape(name)}</option>" for name in categories)
    sections = "\n".join(
        f"<h2>{html.escape(title)}</h2>\n<section>\n{''.join(_figure(tile) for tile in page)}</section>"
        for title, page in zip(titles, pages, strict=True)
    )
    return f"""<!DOCTYPE html>
<html lang="en"><head><meta charset="utf-8"><title>{html.escape(titles[0])}</title><style>
body {{ font: 13px/1.35 system-ui, sans-serif; margin: 1.5em; color: #191919; }}
h2 {{ font-size: 1.05em; margin: 1.2em 0 .6em; }}
section {{ display: flex; flex-wrap: wrap; gap: 10px; }}
figure {{ margin: 0; width: {side}px; overflow-wrap: anywhere; }}
figure span {{ display: flex; width: {side}px; height: {side}px; align-items: center; justify-content: center; }}
figcaption small {{ color: #6e6e6e; }}
</style></head><body>
<p>Axes of the object frame: <b style="color:rgb{AXES["x"]}">x</b>, <b style="color:rgb{AXES["y"]}">y</b>,
<b style="color:rgb{AXES["z"]}">z</b>; numbers: quaternion, scalar first.
<label>Category <select onchange="document.querySelectorAll('figure').forEach(
f => f.hidden = this.value && f.dataset.category != this.value)"><option value="">all</option>{options}
</select></label></p>
{sections}
</body></html>
"""


def _figure(tile: Tile) -> str:
    buffer = io.BytesIO()
    tile.picture.save(buffer, "PNG")
    name, category = html.escape(tile.name), html.escape(tile.category)
    return (
        f'<figure data-category="{category}"><span><img alt="{name}" src="{data_uri(buffer.getvalue())}"></span>'
        f"<figcaption>{name}<br>{category}<br><small>{tile.quaternion}</small></figcaption></figure>\n"
    )


def _fitted(
    text: str, draw: ImageDraw.ImageDraw, font: ImageFont.FreeTypeFont | ImageFont.ImageFont, width: int
) -> str:
    """A text that fits a width; its end, which tells names apart, is kept."""
    if draw.textlength(text, font) <= width:
        return text
    start = next((cut for cut in range(1, len(text)) if draw.textlength("…" + text[cut:], font) <= width), len(text))
    return "…" + text[start:]
