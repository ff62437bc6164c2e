"""The table of families, and the making of one member from a seed."""

import zlib
from collections.abc import Callable
from difflib import get_close_matches

import numpy as np

from armillary.data.shapes.shape import Shape
from armillary.data.shapes.zoo.assembly import Assembly, Rng, assemble
from armillary.data.shapes.zoo.furniture import make_bed, make_bookshelf, make_chair, make_sofa, make_table
from armillary.data.shapes.zoo.hardware import make_bolt, make_gear, make_hammer, make_nut, make_spanner
from armillary.data.shapes.zoo.interior import make_bottle, make_goblet, make_lamp, make_monitor, make_mug, make_teapot
from armillary.data.shapes.zoo.vehicle import make_aeroplane, make_boat, make_car, make_rocket, make_satellite

FAMILIES: dict[str, Callable[[Rng], Assembly]] = {
    "aeroplane": make_aeroplane,
    "bed": make_bed,
    "boat": make_boat,
    "bolt": make_bolt,
    "bookshelf": make_bookshelf,
    "bottle": make_bottle,
    "car": make_car,
    "chair": make_chair,
    "gear": make_gear,
    "goblet": make_goblet,
    "hammer": make_hammer,
    "lamp": make_lamp,
    "monitor": make_monitor,
    "mug": make_mug,
    "nut": make_nut,
    "rocket": make_rocket,
    "satellite": make_satellite,
    "sofa": make_sofa,
    "spanner": make_spanner,
    "table": make_table,
    "teapot": make_teapot,
}


def make_shape(family: str, seed: int = 0) -> Shape:
    """A member of a family; the same seed gives the same mesh.

    All members are aligned (z up, front towards +x), centred, and scaled to a bounding radius of 1 m, so that one
    camera serves the whole zoo. The symmetry group depends on the member: a round table has more than a square one.

    Example:
        >>> shape = make_shape("bottle", seed=3)
        >>> shape.name, shape.symmetry.order
        ('bottle', inf)
    """
    if family not in FAMILIES:
        close = get_close_matches(family, FAMILIES, n=1) or ["chair"]
        raise ValueError(f"expected a family among {', '.join(FAMILIES)}, got '{family}'; did you mean '{close[0]}'?")
    rng = np.random.default_rng([zlib.crc32(family.encode()), seed])
    assembly = FAMILIES[family](rng)
    return Shape(family, assemble(assembly), assembly.symmetry)
