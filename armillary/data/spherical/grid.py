"""Product grids on the sphere for functions of objects: rings of polar angle x equispaced azimuths, from +x on.

Axes are (ring, azimuth), as ``armillary.harmonics.S2Transform(lmax, size, size, grid)`` has them.
"""

import math
from typing import Literal, get_args

import torch
from jaxtyping import Float
from torch import Tensor

from armillary.so3 import driscoll_healy, equiangular, gauss_legendre

# "equiangular" has no ring at a pole; "driscoll-healy" starts at the north pole, as the spherical CNN of Esteves et al.
SphereGrid = Literal["equiangular", "driscoll-healy", "gauss-legendre"]
_RULES = {"equiangular": equiangular, "driscoll-healy": driscoll_healy, "gauss-legendre": gauss_legendre}


def polar_angles(size: int, grid: SphereGrid = "equiangular") -> Float[Tensor, "{size}"]:
    """Polar angles of the rings, ascending, radians, float64.

    Example:
        >>> (polar_angles(4) / torch.pi).tolist()
        [0.125, 0.375, 0.625, 0.875]
    """
    if grid not in _RULES:
        raise ValueError(f"expected a grid among {', '.join(get_args(SphereGrid))}, got {grid!r}; correct the name")
    if size < 2:
        raise ValueError(f"expected a grid of 2 rings or more, got {size}; 64 are usual")
    return _RULES[grid](size)[0]


def sphere_directions(size: int, grid: SphereGrid = "equiangular") -> Float[Tensor, "{size} {size} 3"]:
    """Unit vectors of the grid with as many azimuths as rings, axes (ring, azimuth), float64.

    Example:
        >>> sphere_directions(4, "driscoll-healy")[2, 1].round(decimals=6).abs().tolist()
        [0.0, 1.0, 0.0]
    """
    polar = polar_angles(size, grid)[:, None]
    azimuth = torch.arange(size, dtype=torch.float64)[None] * (2 * math.pi / size)
    axes = (polar.sin() * azimuth.cos(), polar.sin() * azimuth.sin(), polar.cos().expand(-1, size))
    return torch.stack(axes, -1)
