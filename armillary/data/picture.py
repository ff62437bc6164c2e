"""Picture files to tensors."""

import io
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Bool, Float
from torch import Tensor

SUFFIXES = (".png", ".jpg", ".jpeg", ".tif", ".tiff", ".bmp", ".webp")


def read_picture(
    path: Path,
) -> tuple[Float[Tensor, "3 height width"], Bool[Tensor, "height width"] | None]:
    """Colours in [0, 1] of a picture file, and where it is opaque if it has an alpha channel (black elsewhere)."""
    return decode_picture(_content(path), str(path))


def read_grey(path: Path) -> Float[Tensor, "1 height width"]:
    """Brightness in [0, 1] of a picture file, without the detour over colours."""
    array, _ = _decoded(_content(path), str(path), "L", "L")
    return torch.from_numpy(array)[None].float().div_(255)


def _content(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except FileNotFoundError as error:
        raise FileNotFoundError(
            f"{path}: expected a picture, got no such file; restore it or drop its entry"
        ) from error
    except OSError as error:
        raise ValueError(
            f"{path}: expected a readable picture, got '{error.strerror}'; replace it or drop its entry"
        ) from error


def decode_picture(
    content: bytes, source: str
) -> tuple[Float[Tensor, "3 height width"], Bool[Tensor, "height width"] | None]:
    """As `read_picture`, of a file's content; the source is for messages."""
    array, transparent = _decoded(content, source, "RGB", "RGBA")
    pixels = torch.from_numpy(array).permute(2, 0, 1).float() / 255
    if not transparent:
        return pixels, None
    return pixels[:3] * pixels[3:], pixels[3] > 0.5


def _decoded(content: bytes, source: str, mode: str, transparent_mode: str) -> tuple[np.ndarray, bool]:
    """Bytes of a picture in one of two modes, and whether it has an alpha channel."""
    import PIL.Image

    try:
        with PIL.Image.open(io.BytesIO(content)) as file:
            transparent = "A" in file.getbands()
            return np.array(file.convert(transparent_mode if transparent else mode)), transparent
    except (OSError, ValueError, SyntaxError, PIL.Image.DecompressionBombError) as error:
        # Pillow names the stream, which says nothing.
        reason = " ".join(str(error).split(" <")[0].split())[:100] or type(error).__name__
        raise ValueError(
            f"{source}: expected a readable picture, got '{reason}'; replace it or drop its entry"
        ) from error


def read_mask(path: Path, size: tuple[int, int]) -> Bool[Tensor, "height width"]:
    """True where a mask file is not black; its (height, width) must be the picture's."""
    pixels, _ = read_picture(path)
    mask = (pixels > 0).any(0)
    if tuple(mask.shape) != size:
        raise ValueError(
            f"{path}: expected a mask of {size[1]} x {size[0]} pixels as its picture, got "
            f"{mask.shape[1]} x {mask.shape[0]}; save it at the picture's size"
        )
    return mask


def picture_files(folder: Path) -> dict[str, Path]:
    """The picture files of a folder by their name without suffix; empty if there is no such folder."""
    if not folder.is_dir():
        return {}
    return {path.stem: path for path in sorted(folder.iterdir()) if path.suffix.lower() in SUFFIXES}
