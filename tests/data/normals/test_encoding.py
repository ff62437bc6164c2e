"""Normals as files: nothing wraps, every filter of a PNG is undone, and writing then reading loses half a step."""

import io
import struct
import zlib

import numpy as np
import PIL.Image
import pytest
import torch

from armillary.data.normals import camera_facing, decode_normals, encode_normals, read_normals, write_normals
from armillary.data.normals.deep_png import read_png, write_deep_png
from armillary.data.normals.encoding import camera_order, stored_order

AXES = torch.tensor([[1.0, 0, 0], [-1, 0, 0], [0, 1, 0], [0, -1, 0], [0, 0, -1]]).T[:, None]


def random_normals() -> torch.Tensor:
    normals = torch.randn(3, 9, 13, generator=torch.Generator().manual_seed(0))
    return torch.nn.functional.normalize(normals, dim=0)


@pytest.mark.parametrize(("bits", "step"), [(8, 1 / 128), (16, 1 / 32768)])
def test_decoding_undoes_encoding_to_half_a_step_and_to_a_step_at_one(bits, step, tmp_path):
    normals = random_normals()
    write_normals(tmp_path / "a.png", normals, bits)
    assert (read_normals(tmp_path / "a.png") - normals).abs().max() <= step / 2 + 1e-6
    # 1 itself has no code; the original wraps it to -1.
    assert (decode_normals(encode_normals(AXES, bits)) - AXES).abs().max() <= step


def test_the_stored_order_is_x_z_and_y_up():
    normals = torch.tensor([0.48, 0.6, -0.64])[:, None, None]
    assert encode_normals(normals, 8)[0, 0].tolist() == [round(128 * (1 + n)) for n in (0.48, -0.64, -0.6)]
    assert torch.equal(camera_order(stored_order(normals)), normals)
    # As in npz files: n_cv = (n0, -n2, n1).
    assert camera_order(torch.tensor([1.0, 2.0, 3.0])).tolist() == [1.0, -3.0, 2.0]


def test_no_normal_is_the_middle_of_the_code():
    assert (encode_normals(torch.zeros(3, 1, 1), 8) == 128).all()
    assert torch.equal(decode_normals(np.full((1, 1, 3), 32768, np.uint16)), torch.zeros(3, 1, 1))


def test_facing_the_camera_is_the_nearest_such_direction():
    normals = camera_facing(random_normals())
    assert (normals[2] <= 0).all()
    assert (torch.linalg.vector_norm(normals, dim=0) - 1).abs().max() < 1e-6
    assert torch.equal(camera_facing(torch.zeros(3, 2, 2)), torch.zeros(3, 2, 2))


def filtered(rows: np.ndarray, kind: int, bytes_per_pixel: int = 6) -> bytes:
    """Rows of bytes as the PNG standard filters them, one byte after another."""
    result = bytearray()
    for y, row in enumerate(rows.astype(int)):
        result.append(kind)
        for x, value in enumerate(row):
            left = int(row[x - bytes_per_pixel]) if x >= bytes_per_pixel else 0
            up = int(rows[y - 1, x]) if y else 0
            corner = int(rows[y - 1, x - bytes_per_pixel]) if y and x >= bytes_per_pixel else 0
            guess = left + up - corner
            nearest = min((left, up, corner), key=lambda each: abs(guess - each))
            result.append((value - (0, left, up, (left + up) // 2, nearest)[kind]) % 256)
    return bytes(result)


@pytest.mark.parametrize("kind", range(5))
def test_every_filter_of_a_deep_png_is_undone(kind):
    picture = np.random.default_rng(kind).integers(0, 65536, (5, 7, 3), dtype=np.uint16)
    rows = picture.astype(">u2").view(np.uint8).reshape(5, 42)
    parts = [(b"IHDR", struct.pack(">IIBBBBB", 7, 5, 16, 2, 0, 0, 0)), (b"tEXt", b"a\0b")]
    parts += [(b"IDAT", zlib.compress(filtered(rows, kind))), (b"IEND", b"")]
    file = b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data)) for name, data in parts
    )
    assert np.array_equal(read_png(file, "a.png"), picture)


def test_others_read_the_high_bytes_of_what_we_write():
    picture = np.random.default_rng(0).integers(0, 65536, (5, 7, 3), dtype=np.uint16)
    content = write_deep_png(picture)
    assert np.array_equal(read_png(content, "a.png"), picture)
    with PIL.Image.open(io.BytesIO(content)) as file:
        assert np.array_equal(np.asarray(file.convert("RGB")), picture >> 8)


def test_a_cut_file_is_named():
    content = write_deep_png(np.zeros((5, 7, 3), np.uint16))
    for wrong in (b"", b"GIF89a", content[:50]):
        with pytest.raises(ValueError, match="a.png: expected a readable PNG"):
            read_png(wrong, "a.png")
