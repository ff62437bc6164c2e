"""Chair, table, sofa, bed and bookshelf."""

import numpy as np

from armillary.data.shapes.mesh import Mesh
from armillary.data.shapes.primitive import box, cylinder, lathe, rounded_box, tube
from armillary.data.shapes.zoo.assembly import (
    FABRICS,
    METALS,
    PAINTS,
    WHITE,
    WOODS,
    Assembly,
    Rng,
    around,
    at,
    pick,
    shade,
    turn,
)
from armillary.so3 import SymmetryGroup


def make_chair(rng: Rng) -> Assembly:
    """Four legs, a seat and a back of slats, a panel or posts; some have armrests."""
    width, depth, seat = rng.uniform(0.4, 0.52), rng.uniform(0.4, 0.5), rng.uniform(0.42, 0.5)
    back, thick, leg = rng.uniform(0.4, 0.6), rng.uniform(0.03, 0.06), rng.uniform(0.035, 0.055)
    frame, cushion = pick(rng, WOODS + METALS), pick(rng, FABRICS + WOODS)
    parts = [at(rounded_box((depth, width, thick), 0.015), z=seat, colour=cushion)]
    across, along = width / 2 - leg / 2, depth / 2 - leg / 2
    for side in (-1, 1):
        parts.append(at(box((leg, leg, seat)), along, side * across, seat / 2, frame))
        parts.append(at(box((leg, leg, seat + back)), -along, side * across, (seat + back) / 2, frame))
    style = rng.integers(3)
    if style == 0:
        panel = rounded_box((0.03, width - leg, back * 0.6), 0.012)
        parts.append(at(panel, -along, 0, seat + back * 0.65, cushion))
    elif style == 1:
        count = int(rng.integers(2, 5))
        for height in np.linspace(0.3, 0.95, count):
            slat = box((leg * 0.5, width - leg, back * 0.55 / count))
            parts.append(at(slat, -along, 0, seat + back * height, frame))
    else:
        parts.append(at(box((leg, width, leg * 1.6)), -along, 0, seat + back, frame))
        for place in np.linspace(-0.6, 0.6, int(rng.integers(3, 6))):
            parts.append(at(cylinder(leg * 0.28, back, 12), -along, place * across, seat + back / 2, frame))
    if rng.random() < 0.35:
        for side in (-1, 1):
            parts.append(at(box((depth, leg, leg * 0.7)), 0, side * across, seat + 0.22, frame))
            parts.append(at(box((leg, leg, 0.22)), along, side * across, seat + 0.11, frame))
    return Assembly(parts, SymmetryGroup.trivial())


def make_table(rng: Rng) -> Assembly:
    """A rectangular, square or round top on legs or on one turned column."""
    height, thick = rng.uniform(0.45, 0.78), rng.uniform(0.03, 0.06)
    top, legs = pick(rng, (*WOODS, WHITE)), pick(rng, WOODS + METALS)
    style = rng.integers(4)
    radius, leg = rng.uniform(0.4, 0.6), rng.uniform(0.025, 0.04)
    if style == 0:
        plate = at(cylinder(radius, thick, 96), z=height, colour=top)
        foot, neck = radius * rng.uniform(0.45, 0.6), rng.uniform(0.03, 0.05)
        profile = [(0, 0), (foot, 0), (foot, 0.02), (neck * 1.3, 0.09), (neck, 0.2), (neck, height), (0, height)]
        return Assembly([plate, lathe(profile).coloured(legs)], SymmetryGroup.axial())
    if style == 1:
        count = int(rng.integers(3, 6))
        slope = rng.uniform(0.0, 0.12)
        path = np.array([[radius * 0.7, 0, height], [radius * 0.7 + slope, 0, 0]])
        stand = tube(path, np.array([leg, leg * 0.7])).coloured(legs)
        plate = at(cylinder(radius, thick, 24 * count), z=height, colour=top)
        return Assembly([plate, *around(stand, count)], SymmetryGroup.cyclic(count))
    length = radius if style == 2 else radius * rng.uniform(1.3, 1.9)
    parts = [at(rounded_box((2 * radius, 2 * length, thick), 0.012), z=height, colour=top)]
    inset = leg * 1.6
    for x in (-1, 1):
        for y in (-1, 1):
            place = (x * (radius - inset), y * (length - inset), height / 2)
            parts.append(at(box((2 * leg, 2 * leg, height)), *place, colour=legs))
    return Assembly(parts, SymmetryGroup.cyclic(4 if style == 2 else 2))


def make_sofa(rng: Rng) -> Assembly:
    """Base, back, two arms and one to three seat cushions; some have pillows."""
    width, depth = rng.uniform(1.3, 2.2), rng.uniform(0.75, 0.95)
    seat, back, arm = rng.uniform(0.36, 0.44), rng.uniform(0.3, 0.5), rng.uniform(0.12, 0.24)
    colour = pick(rng, FABRICS)
    cushion = shade(colour, rng.uniform(1.05, 1.3))
    parts = [at(rounded_box((depth, width, seat - 0.2), 0.03), z=(seat + 0.0) / 2, colour=colour)]
    parts.append(
        at(rounded_box((0.22, width, seat + back - 0.1), 0.07), -depth / 2 + 0.1, 0, (seat + back) / 2, colour)
    )
    high = seat + rng.uniform(0.1, 0.24)
    inner = width - 2 * arm
    for side in (-1, 1):
        block = rounded_box((depth, arm, high - 0.1), min(0.06, arm / 2.5))
        parts.append(at(block, 0, side * (width - arm) / 2, (high + 0.1) / 2, colour))
    count = int(rng.integers(1, 4)) if width > 1.6 else int(rng.integers(1, 3))
    for index in range(count):
        place = (index - (count - 1) / 2) * inner / count
        pad = rounded_box((depth - 0.2, inner / count - 0.015, 0.16), 0.05)
        parts.append(at(pad, 0.09, place, seat + 0.02, cushion))
        rest = turn(rounded_box((0.15, inner / count - 0.015, back * 0.9), 0.06), "y", -0.18)
        parts.append(at(rest, -depth / 2 + 0.25, place, seat + 0.08 + back / 2, cushion))
    foot = pick(rng, WOODS)
    for x in (-1, 1):
        for y in (-1, 1):
            parts.append(at(cylinder(0.03, 0.14, 16), x * (depth / 2 - 0.08), y * (width / 2 - 0.08), 0.07, foot))
    return Assembly(parts, SymmetryGroup.trivial())


def make_bed(rng: Rng) -> Assembly:
    """Frame, mattress, blanket and pillows; the headboard stands at the back (-x)."""
    length, width = rng.uniform(1.9, 2.1), rng.uniform(0.9, 1.8)
    low, head = rng.uniform(0.25, 0.4), rng.uniform(0.5, 0.9)
    frame, blanket = pick(rng, WOODS), pick(rng, FABRICS + PAINTS)
    parts = [at(box((length, width, 0.14)), z=low, colour=frame)]
    parts.append(at(rounded_box((length - 0.06, width - 0.06, 0.22), 0.05), z=low + 0.16, colour=WHITE))
    cover = length * rng.uniform(0.55, 0.7)
    top = at(rounded_box((cover, width, 0.24), 0.05), (length - cover) / 2 - 0.01, 0, low + 0.165, colour=blanket)
    parts.append(top)
    parts.append(at(rounded_box((0.06, width + 0.06, head), 0.025), -length / 2, 0, head / 2 + low * 0.5, frame))
    if rng.random() < 0.6:
        parts.append(
            at(rounded_box((0.06, width + 0.06, head * 0.55), 0.025), length / 2, 0, head * 0.28 + low * 0.5, frame)
        )
    count = 2 if width > 1.2 else 1
    for index in range(count):
        place = (index - (count - 1) / 2) * width / count
        pillow = rounded_box((0.38, width / count * 0.78, 0.14), 0.065)
        parts.append(at(turn(pillow, "y", -0.15), -length / 2 + 0.28, place, low + 0.33, shade(WHITE, 0.95)))
    for x in (-1, 1):
        for y in (-1, 1):
            parts.append(at(box((0.07, 0.07, low)), x * (length / 2 - 0.04), y * (width / 2 - 0.04), low / 2, frame))
    return Assembly(parts, SymmetryGroup.trivial())


def make_bookshelf(rng: Rng) -> Assembly:
    """A case with two sides, a back and shelves of coloured books, open to the front."""
    width, depth, height = rng.uniform(0.6, 1.0), rng.uniform(0.26, 0.36), rng.uniform(1.0, 1.8)
    wood = pick(rng, (*WOODS, WHITE))
    board = 0.03
    parts: list[Mesh] = [at(box((board, width, height)), -depth / 2, 0, height / 2, shade(wood, 0.85))]
    for side in (-1, 1):
        parts.append(at(box((depth, board, height)), 0, side * width / 2, height / 2, wood))
    count = int(rng.integers(3, 6))
    pitch = (height - board) / count
    for level in range(count + 1):
        parts.append(at(box((depth, width, board)), 0, 0, level * pitch + board / 2, wood))
    for level in range(count):
        place, full = -width / 2 + board, rng.uniform(0.5, 0.95)
        while place < -width / 2 + full * (width - board):
            thick, tall = rng.uniform(0.03, 0.07), pitch * rng.uniform(0.55, 0.82)
            deep = depth * rng.uniform(0.6, 0.85)
            where = (-depth / 2 + deep / 2 + board / 2, place + thick / 2, level * pitch + board + tall / 2)
            parts.append(at(box((deep, thick * 0.92, tall)), *where, colour=pick(rng, FABRICS + PAINTS)))
            place += thick
    return Assembly(parts, SymmetryGroup.trivial())
