r"""Nested grids: HEALPix on the sphere, and HEALPix x equispaced tilt on SO(3).

Cell ``index = pixel * n_tilt + tilt`` of level L holds the rotation

.. math:: R = R_z(\varphi)\,R_y(\theta)\,R_z(\psi), \qquad \psi = (\mathrm{tilt} + \tfrac12)\,2\pi / n_\mathrm{tilt},

where (theta, phi) is the centre of the HEALPix pixel (nested order, 12 * 4^L of them) and n_tilt = 6 * 2^L. All cells
have the same volume; each has eight children one level down. ``GRID_TABLE`` holds, in degrees, the edge of a cube of
the cell's volume (spacing) and how far a rotation can be from the grid (covering radius):

| level | cells | spacing | covering radius |
|---|---|---|---|
| 0 | 72 | 59.09 | 51.07 |
| 1 | 576 | 29.55 | 27.87 |
| 2 | 4608 | 14.78 | 13.91 |
| 3 | 36864 | 7.39 | 6.95 |
| 4 | 294912 | 3.70 | 3.48 |
| 5 | 2359296 | 1.85 | 1.74 |

From level 1 on, the farthest rotations are those with R z at a pole, half a tilt step off:
cos(radius / 2) = cos(delta / 2) cos(pi / (2 n_tilt)) with cos(delta) = 1 - 4^-L / 3.

Reference: Generating uniform incremental grids on SO(3) using the Hopf fibration (Yershova et al., 2010),
    https://doi.org/10.1177/0278364909352700; HEALPix (Górski et al., 2005), https://doi.org/10.1086/427976
"""

import math

import healpix
import torch
from jaxtyping import Float, Int64
from torch import Tensor

from armillary.so3.rotation import rotation_z

# The table above, rounded up: level, cells, spacing in degrees, covering radius in degrees.
GRID_TABLE = (
    (0, 72, 59.09, 51.07),
    (1, 576, 29.55, 27.87),
    (2, 4608, 14.78, 13.91),
    (3, 36864, 7.39, 6.95),
    (4, 294912, 3.70, 3.48),
    (5, 2359296, 1.85, 1.74),
)

# Steps in (x, y) of a base face to a pixel and its eight neighbours.
_STEPS = [(0, 0), (-1, 0), (-1, 1), (0, 1), (1, 1), (1, 0), (1, -1), (0, -1), (-1, -1)]

# Base face reached by leaving base face 0..11 through a side or a corner; row 3 * (y step + 1) + (x step + 1), so
# 4 is staying. -1: at eight corners of the sphere only three faces meet, and there is no fourth to step into.
# Both tables are nb_facearray and nb_swaparray of the HEALPix C++ library (healpix_tables.cc).
_FACE = [
    [8, 9, 10, 11, -1, -1, -1, -1, 10, 11, 8, 9],
    [5, 6, 7, 4, 8, 9, 10, 11, 9, 10, 11, 8],
    [-1, -1, -1, -1, 5, 6, 7, 4, -1, -1, -1, -1],
    [4, 5, 6, 7, 11, 8, 9, 10, 11, 8, 9, 10],
    [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11],
    [1, 2, 3, 0, 0, 1, 2, 3, 5, 6, 7, 4],
    [-1, -1, -1, -1, 7, 4, 5, 6, -1, -1, -1, -1],
    [3, 0, 1, 2, 3, 0, 1, 2, 4, 5, 6, 7],
    [2, 3, 0, 1, -1, -1, -1, -1, 0, 1, 2, 3],
]
# How the new face's axes lie, by row as above and by the old face's zone (north, equator, south):
# 1 mirrors x, 2 mirrors y, 4 exchanges x and y.
_SWAP = [[0, 0, 3], [0, 0, 6], [0, 0, 0], [0, 0, 5], [0, 0, 0], [5, 0, 0], [0, 0, 0], [6, 0, 0], [3, 0, 0]]


def s2_grid(
    level: int, *, dtype: torch.dtype | None = None, device: torch.device | str | None = None
) -> Float[Tensor, "{12*4**level} 3"]:
    """Centres of the HEALPix pixels in nested order, as unit vectors.

    Example:
        >>> s2_grid(1).shape
        torch.Size([48, 3])
    """
    _require_level(level)
    return _pixel_centres(torch.arange(12 * 4**level), level).to(
        device=device, dtype=dtype or torch.get_default_dtype()
    )


def so3_grid_size(level: int) -> int:
    """Number of cells, 72 * 8^level.

    Example:
        >>> so3_grid_size(5)
        2359296
    """
    _require_level(level)
    return 72 * 8**level


def tilt_count(level: int) -> int:
    """Number of tilts over each pixel, 6 * 2^level.

    Example:
        >>> tilt_count(2)
        24
    """
    _require_level(level)
    return 6 * 2**level


def so3_grid(
    level: int, *, dtype: torch.dtype | None = None, device: torch.device | str | None = None
) -> Float[Tensor, "{72*8**level} 3 3"]:
    """Centres of the cells of SO(3), tilt varying fastest.

    Example:
        >>> so3_grid(1).shape
        torch.Size([576, 3, 3])
    """
    _require_level(level)
    frames = _pixel_frames(torch.arange(12 * 4**level), level)[:, None]
    cells = frames @ rotation_z(_tilt_angles(torch.arange(tilt_count(level)), level))
    return cells.flatten(0, 1).to(device=device, dtype=dtype or torch.get_default_dtype())


def so3_grid_rotation(
    index: Int64[Tensor, "*batch"], level: int, *, dtype: torch.dtype | None = None
) -> Float[Tensor, "*batch 3 3"]:
    """Centres of some cells, without building the grid.

    Example:
        >>> torch.equal(so3_grid_rotation(torch.tensor([7]), 0), so3_grid(0)[[7]])
        True
    """
    n_tilt = tilt_count(level)
    cells = _pixel_frames(index // n_tilt, level) @ rotation_z(_tilt_angles(index % n_tilt, level))
    return cells.to(dtype or torch.get_default_dtype())


def nearest_cell(rotation: Float[Tensor, "*batch 3 3"], level: int) -> Int64[Tensor, "*batch"]:
    r"""Index of the grid rotation at the smallest geodesic distance; constant work per rotation.

    With delta the angle between the images of z and epsilon the tilt left over, the distance d to a cell is

    .. math:: \cos\tfrac{d}{2} = \cos\tfrac{\delta}{2} \cos\tfrac{\epsilon}{2},

    so over each pixel the best tilt is a rounding, and only the pixel that holds R z and its neighbours can win.

    Example:
        >>> nearest_cell(so3_grid(2)[[0, 17, 4607]], 2)
        tensor([   0,   17, 4607])
    """
    n_tilt = tilt_count(level)
    rotation = rotation.detach().double()
    direction = rotation[..., 2]
    pixel = _candidate_pixels(direction, level)
    frame = _pixel_frames(pixel, level)
    # The tilt that brings frame @ Rz(tilt) nearest to R is the planar angle of frame^T R.
    planar = frame[..., :2].mT @ rotation[..., None, :, :2]
    sin, cos = planar[..., 1, 0] - planar[..., 0, 1], planar[..., 0, 0] + planar[..., 1, 1]
    step = torch.atan2(sin, cos) * (n_tilt / (2 * math.pi)) - 0.5
    tilt = step.round()
    epsilon = (step - tilt) * (2 * math.pi / n_tilt)
    # 1 - cos^2(d/2) from small terms, because cosines near one would lose the digits that decide.
    sin2_delta = (frame[..., 2] - direction[..., None, :]).square().sum(-1) / 4
    sin2_epsilon = torch.sin(epsilon / 2) ** 2
    best = (sin2_delta + sin2_epsilon - sin2_delta * sin2_epsilon).argmin(-1, keepdim=True)
    return (pixel * n_tilt + tilt.long() % n_tilt).gather(-1, best)[..., 0]


def children(index: Int64[Tensor, "*batch"], level: int) -> Int64[Tensor, "*batch 8"]:
    """The eight cells of ``level + 1`` inside a cell of ``level``.

    Cells are boxes in (pixel, tilt). Tilt is counted from the meridian, so a box that touches a pole turns with the
    meridian inside it: there, at every level, children can be more than 20 degrees away from their parent's centre.

    Example:
        >>> children(torch.tensor(0), 0)
        tensor([ 0,  1, 12, 13, 24, 25, 36, 37])
    """
    n_tilt = tilt_count(level)
    pixel, tilt = index[..., None] // n_tilt, index[..., None] % n_tilt
    child = torch.arange(8, device=index.device)
    return (4 * pixel + child // 2) * (2 * n_tilt) + 2 * tilt + child % 2


def _require_level(level: int) -> None:
    # Level 9 has 9.7e9 cells; beyond 17 the cell index overflows an int64.
    if not 0 <= level <= 17:
        raise ValueError(f"expected a grid level from 0 to 17, got {level}; level 5 is already 1.9 degrees fine")


def _pixel_centres(pixel: Int64[Tensor, "*pixels"], level: int) -> Float[Tensor, "*pixels 3"]:
    """Unit vectors of HEALPix pixel centres, float64, on the pixels' device."""
    vectors = healpix.pix2vec(2**level, pixel.cpu().numpy(), nest=True)
    return torch.stack([torch.as_tensor(v, dtype=torch.float64) for v in vectors], -1).to(pixel.device)


def _pixel_frames(pixel: Int64[Tensor, "*pixels"], level: int) -> Float[Tensor, "*pixels 3 3"]:
    """``Rz(phi) Ry(theta)`` of the pixels: columns to the south, to the east and outwards."""
    centre = _pixel_centres(pixel, level)
    x, y, z = centre.unbind(-1)
    radius = torch.hypot(x, y)  # never 0: no pixel centre is a pole
    east = torch.stack([-y / radius, x / radius, torch.zeros_like(z)], -1)
    return torch.stack([torch.linalg.cross(east, centre), east, centre], -1)


def _tilt_angles(tilt: Int64[Tensor, "*tilts"], level: int) -> Float[Tensor, "*tilts"]:
    return (tilt + 0.5).double() * (2 * math.pi / tilt_count(level))


def _candidate_pixels(direction: Float[Tensor, "*batch 3"], level: int) -> Int64[Tensor, "*batch candidates"]:
    """The HEALPix pixel that holds a direction and its neighbours; at level 0 all twelve, which are about as many."""
    if level == 0:
        return torch.arange(12, device=direction.device).expand(*direction.shape[:-1], 12)
    vectors = direction.reshape(-1, 3).cpu().numpy()
    held = torch.from_numpy(healpix.vec2pix(2**level, *vectors.T, nest=True)).to(direction.device)
    # A second ring is never needed: at levels 1 to 7 the nearest pixel outside the candidates stays more than
    # 0.29 / 2^level rad beyond the distance at which it could win (tests/so3/test_grid.py).
    return _neighbours(held.long().reshape(direction.shape[:-1]), level)


def _neighbours(pixel: Int64[Tensor, "*batch"], level: int) -> Int64[Tensor, "*batch 9"]:
    """A pixel and its eight neighbours in nested order; the pixel again where it has only seven."""
    nside = 2**level
    face, within = pixel >> (2 * level), pixel & (nside * nside - 1)
    step = torch.tensor(_STEPS, device=pixel.device)
    x = _every_other_bit(within, level)[..., None] + step[:, 0]
    y = _every_other_bit(within >> 1, level)[..., None] + step[:, 1]
    row = 4 + (x >= nside).long() - (x < 0).long() + 3 * ((y >= nside).long() - (y < 0).long())
    x, y = x % nside, y % nside
    new_face = torch.tensor(_FACE, device=pixel.device)[row, face[..., None]]
    swap = torch.tensor(_SWAP, device=pixel.device)[row, face[..., None] >> 2]
    x = torch.where((swap & 1) > 0, nside - 1 - x, x)
    y = torch.where((swap & 2) > 0, nside - 1 - y, y)
    x, y = torch.where((swap & 4) > 0, y, x), torch.where((swap & 4) > 0, x, y)
    neighbour = (new_face << (2 * level)) + _spread_bits(x, level) + (_spread_bits(y, level) << 1)
    return torch.where(new_face < 0, pixel[..., None], neighbour)


def _every_other_bit(number: Int64[Tensor, "*batch"], count: int) -> Int64[Tensor, "*batch"]:
    """Bits 0, 2, 4, ... of a number, packed."""
    packed = torch.zeros_like(number)
    for bit in range(count):
        packed |= ((number >> (2 * bit)) & 1) << bit
    return packed


def _spread_bits(number: Int64[Tensor, "*batch"], count: int) -> Int64[Tensor, "*batch"]:
    """Bits 0, 1, 2, ... of a number moved to places 0, 2, 4, ...: the inverse of ``_every_other_bit``."""
    spread = torch.zeros_like(number)
    for bit in range(count):
        spread |= ((number >> bit) & 1) << (2 * bit)
    return spread
