"""Pictures with normals as plain files: what `armillary normals render` writes, or anyone.

rooms/
  train/                 a part; a folder without parts is one
    image/000000.png     colours; also .jpg, .bmp, ...
    normal/000000.png    PNG of 8 or 16 bits; red, green, blue = x, z, y up (`armillary.data.normals.encoding`)
    valid/000000.png     not black where the normal is known; optional: then wherever the code is not its middle
    rooms.json           what was rendered; optional
"""

from pathlib import Path

import torch

from armillary.data.atomic import write_atomically
from armillary.data.normals.deep_png import read_png, write_deep_png
from armillary.data.normals.encoding import Bits, decode_normals, encode_normals
from armillary.data.normals.sample import NormalReader, NormalSample, checked_sample
from armillary.data.picture import picture_files, read_mask, read_picture

IMAGE, NORMAL, VALID = "image", "normal", "valid"
# The middle of the code decodes to vectors of length 0; rounding makes no unit vector shorter than this.
SHORTEST = 0.5


class NormalFolder(NormalReader):
    """The pictures of one folder, in the order of their names.

    Args:
        folder: holds image/ and normal/.
    """

    def __init__(self, folder: Path) -> None:
        self.source = str(folder)
        self.images, self.normals, self.masks = (picture_files(folder / part) for part in (IMAGE, NORMAL, VALID))
        if not self.images:
            raise FileNotFoundError(f"{folder / IMAGE}: expected pictures, got none; name a folder of rendered rooms")
        self.names = tuple(self.images)
        missing = [name for name in self.names if name not in self.normals]
        if missing:
            raise FileNotFoundError(
                f"{folder / NORMAL}: expected the normals of {len(self.names)} pictures, got none of {missing[0]} "
                f"({len(missing)} lack them); render again"
            )

    def __len__(self) -> int:
        return len(self.names)

    def __getitem__(self, index: int) -> NormalSample:
        name = self.names[index]
        image, _ = read_picture(self.images[name])
        vectors = read_normals(self.normals[name])
        length = torch.linalg.vector_norm(vectors, dim=0)
        size = (int(length.shape[0]), int(length.shape[1]))
        mask = read_mask(self.masks[name], size) if name in self.masks else length > SHORTEST
        return checked_sample(image, vectors, mask, name, self.source)


def read_normals(path: Path) -> torch.Tensor:
    """The vectors (3, height, width) of a normal picture in OpenCV's frame, as stored."""
    try:
        stored = read_png(path.read_bytes(), str(path))
    except FileNotFoundError as error:
        raise FileNotFoundError(f"{path}: expected a picture of normals, got no such file; check the name") from error
    if stored.ndim != 3 or stored.shape[2] != 3:
        raise ValueError(f"{path}: expected a picture of three channels, got {stored.shape}; store x, z and y")
    return decode_normals(stored)


def write_normals(path: Path, normals: torch.Tensor, bits: Bits = 16) -> None:
    """Write normals (3, height, width) of OpenCV's frame as a picture, whole or not at all."""
    picture = encode_normals(normals, bits)
    if bits == 16:
        write_atomically(path, write_deep_png(picture))
        return
    write_atomically(path, png_bytes(torch.from_numpy(picture)))


def write_sample(folder: Path, sample: NormalSample) -> None:
    """Add a sample to a folder; its normals are written last, and so say that it is whole."""
    image = (sample.image.clamp(0, 1) * 255).round().to(torch.uint8).permute(1, 2, 0)
    for part in (IMAGE, NORMAL, VALID):
        (folder / part).mkdir(parents=True, exist_ok=True)
    write_atomically(folder / IMAGE / f"{sample.name}.png", png_bytes(image))
    write_atomically(folder / VALID / f"{sample.name}.png", png_bytes(sample.mask.to(torch.uint8) * 255))
    write_normals(folder / NORMAL / f"{sample.name}.png", sample.normals)


def png_bytes(pixels: torch.Tensor) -> bytes:
    """A PNG file of uint8 pixels (height, width) or (height, width, 3)."""
    import io

    import PIL.Image

    buffer = io.BytesIO()
    PIL.Image.fromarray(pixels.cpu().numpy()).save(buffer, "PNG", compress_level=4)
    return buffer.getvalue()


def folder_splits(folder: Path) -> tuple[str, ...]:
    """The parts of a folder of rooms; none where it is one itself, or another folder.

    Example:
        >>> folder_splits(Path("no/such/folder"))
        ()
    """
    if not folder.is_dir():
        return ()
    return tuple(sorted(path.name for path in folder.iterdir() if (path / IMAGE).is_dir() and (path / NORMAL).is_dir()))
