"""PNG files of 16 bits a channel, red, green and blue, which Pillow reads with half their bits.

The filters of a PNG predict each byte from the bytes at the same place of neighbouring pixels. So the high bytes of a
16-bit picture are, filters and all, an 8-bit picture, and so are the low bytes: Pillow undoes the filters of both.

Reference: PNG (Portable Network Graphics) Specification, 3rd edition, sections 9 and 11, https://www.w3.org/TR/png-3
"""

import io
import struct
import zlib

import numpy as np
from jaxtyping import Shaped, UInt16

SIGNATURE = b"\x89PNG\r\n\x1a\n"
_COLOUR = 2
_FILTER_UP = 2


def write_deep_png(picture: UInt16[np.ndarray, "height width 3"]) -> bytes:
    """The bytes of a PNG file of 16 bits a channel.

    Example:
        >>> picture = np.arange(12, dtype=np.uint16).reshape(2, 2, 3) * 5000
        >>> bool((read_png(write_deep_png(picture), "a.png") == picture).all())
        True
    """
    height, width, _ = picture.shape
    rows = np.ascontiguousarray(picture, ">u2").view(np.uint8).reshape(height, width * 6)
    # Each row less the one above it, which compresses smooth pictures well.
    rows = np.diff(rows, axis=0, prepend=np.zeros((1, width * 6), np.uint8))
    return _png(width, height, 16, np.hstack([np.full((height, 1), _FILTER_UP, np.uint8), rows]), level=6)


def read_png(content: bytes, source: str) -> Shaped[np.ndarray, "height width *channels"]:
    """The pixels of a PNG file as stored: uint16 colours where it holds them, else what Pillow reads (uint8).

    Args:
        content: the file.
        source: its name, for messages.
    """
    import PIL.Image

    try:
        header = _chunks(content).get(b"IHDR", [b""])[0]
        width, height, depth, kind, _, _, interlaced = struct.unpack(">IIBBBBB", header)
        if (depth, kind) == (16, _COLOUR):
            if interlaced:
                raise ValueError("an interlaced file of 16 bits")
            return _deep(content, width, height)
        with PIL.Image.open(io.BytesIO(content)) as file:
            return np.array(file)
    except (OSError, ValueError, SyntaxError, struct.error, zlib.error, PIL.Image.DecompressionBombError) as error:
        reason = " ".join(str(error).split(" <")[0].split())[:100] or type(error).__name__
        raise ValueError(f"{source}: expected a readable PNG, got '{reason}'; restore the file") from error


def _deep(content: bytes, width: int, height: int) -> UInt16[np.ndarray, "height width 3"]:
    import PIL.Image

    inflated = np.frombuffer(zlib.decompress(b"".join(_chunks(content).get(b"IDAT", []))), np.uint8)
    rows = inflated[: height * (6 * width + 1)].reshape(height, 6 * width + 1)
    halves = []
    for first in (1, 2):
        with PIL.Image.open(
            io.BytesIO(_png(width, height, 8, np.hstack([rows[:, :1], rows[:, first::2]]), level=0))
        ) as file:
            halves.append(np.array(file).astype(np.uint16))
    return (halves[0] << 8) | halves[1]


def _chunks(content: bytes) -> dict[bytes, list[bytes]]:
    """The contents of a file's chunks by their names."""
    if not content.startswith(SIGNATURE):
        raise ValueError("another kind of file")
    found: dict[bytes, list[bytes]] = {}
    place = len(SIGNATURE)
    while place + 8 <= len(content):
        length, name = struct.unpack_from(">I4s", content, place)
        found.setdefault(name, []).append(content[place + 8 : place + 8 + length])
        place += 12 + length
    return found


def _png(width: int, height: int, depth: int, rows: Shaped[np.ndarray, "height bytes"], level: int) -> bytes:
    header = struct.pack(">IIBBBBB", width, height, depth, _COLOUR, 0, 0, 0)
    body = zlib.compress(np.ascontiguousarray(rows).tobytes(), level)
    parts = [(b"IHDR", header), (b"IDAT", body), (b"IEND", b"")]
    return SIGNATURE + b"".join(
        struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data)) for name, data in parts
    )
