"""Car, boat, aeroplane, rocket and satellite; all head towards +x except the rocket, which points up."""

from math import pi

import numpy as np

from armillary.data.shapes.mesh import Mesh
from armillary.data.shapes.primitive import Number, Point, ball, box, cylinder, lathe, loft, prism, rounded_box, tube
from armillary.data.shapes.zoo.assembly import (
    DARK,
    GLASS,
    METALS,
    PAINTS,
    WHITE,
    WOODS,
    Assembly,
    Colour,
    Rng,
    along_x,
    around,
    at,
    mirrored,
    pick,
    shade,
    stretched,
    turn,
    upright,
)  # fmt: skip
from armillary.so3 import SymmetryGroup


def make_car(rng: Rng) -> Assembly:
    """A saloon, an estate, a hatchback, a pick-up or a van: body, glass house, lights and four wheels."""
    length, width, wheel = rng.uniform(3.8, 4.8), rng.uniform(1.65, 1.85), rng.uniform(0.3, 0.38)
    low, belt, roof = wheel * 0.75, rng.uniform(0.85, 1.0), rng.uniform(1.38, 1.55)
    paint = pick(rng, PAINTS)
    front, back = length / 2, -length / 2
    # Glass house along x: (rear foot, rear roof, front roof, front foot), as shares of half the length.
    style = int(rng.integers(5))
    rear_foot, rear_roof, front_roof, front_foot = (
        (-0.72, -0.42, 0.12, 0.48), (-0.97, -0.86, 0.12, 0.48), (-0.92, -0.62, 0.12, 0.5),
        (-0.12, -0.08, 0.2, 0.5), (-0.98, -0.95, 0.45, 0.78),
    )[style]  # fmt: skip
    roof += 0.45 if style == 4 else 0.0
    nose = rng.uniform(0.06, 0.16)
    side = [
        (back, low), (front, low), (front, belt - 0.28), (front - 0.08, belt - nose - 0.05),
        (front_foot * front, belt), (rear_foot * front, belt), (back + 0.05, belt - 0.04), (back, belt - 0.2),
    ]  # fmt: skip
    parts = [upright(prism(_cut_corners(side, 2), width, crease=0.5)).coloured(paint)]
    house = []
    for share, height in ((0.0, belt - 0.02), (1.0, roof)):
        ahead = (front_foot + (front_roof - front_foot) * share) * front
        behind = (rear_foot + (rear_roof - rear_foot) * share) * front
        half = width / 2 - 0.04 - 0.14 * share
        house.append([(ahead, -half, height), (ahead, half, height), (behind, half, height), (behind, -half, height)])
    parts.append(loft(np.array(house), crease=0.1).coloured(GLASS))
    upper = np.array(house[1])
    parts.append(loft(np.stack([upper * [1, 1, 0.985], upper * [0.97, 0.95, 1.02]]), crease=0.1).coloured(paint))
    for share in (0.02, 0.5, 0.98) if style != 3 else (0.02, 0.98):
        bottom, top = (np.array(row)[[0, 3]] for row in house)
        ends = np.stack([bottom[1] + (bottom[0] - bottom[1]) * share, top[1] + (top[0] - top[1]) * share])
        parts += mirrored(tube(ends, 0.045, 8).coloured(paint))
    if style == 3:
        bed = at(box((0.75 * front, width * 0.84, 0.02)), -0.56 * front, 0, belt + 0.004, shade(paint, 0.4))
        parts.append(bed)
    rim = pick(rng, METALS)
    for x in (0.62 * front, -0.6 * front):
        tyre = turn(cylinder(wheel, 0.22, 32), "x", pi / 2).coloured(DARK)
        hub = turn(cylinder(wheel * 0.6, 0.24, 24), "x", pi / 2).coloured(rim)
        parts += [
            at(piece, x, place, wheel) for piece in (tyre, hub) for place in (-width / 2 + 0.09, width / 2 - 0.09)
        ]
    for place in (-0.36 * width, 0.36 * width):
        parts.append(at(rounded_box((0.08, 0.3, 0.13), 0.03), front - 0.03, place, belt - 0.3, (0.97, 0.95, 0.8)))
        parts.append(at(rounded_box((0.06, 0.26, 0.13), 0.02), back + 0.005, place, belt - 0.26, (0.75, 0.1, 0.1)))
    parts.append(at(box((0.04, 0.7, 0.12)), front - 0.01, 0, belt - 0.45, DARK))
    return Assembly(parts, SymmetryGroup.trivial())


def make_boat(rng: Rng) -> Assembly:
    """A pointed hull with a deck, and a mast with sails or a cabin with a funnel."""
    length, beam, depth = rng.uniform(4.5, 6.5), rng.uniform(1.5, 2.0), rng.uniform(0.6, 0.9)
    hull, deck = pick(rng, (*PAINTS, *METALS)), pick(rng, WOODS)
    stern = rng.uniform(0.55, 0.85)
    rings = []
    for share in np.linspace(0, 1, 15):
        half = beam / 2 * (stern + (1 - stern) * np.sin(pi * min(share / 0.9, 1.0) / 1.8)) * (1 - share**3.5) + 0.01
        keel, rail = -depth * (1 - 0.75 * share**4), 0.25 * share**2
        angles = np.linspace(0, pi, 13)
        outline = np.stack([half * np.cos(angles), rail + (keel - rail) * np.sin(angles) ** 0.8], axis=1)
        rings.append(np.c_[np.full(13, length * (share - 0.5)), outline])
    skin = np.array(rings)
    parts = [loft(skin, crease=0.7).coloured(hull)]
    left, right = (skin[:, side] * [1, 0.93, 1] + [0, 0, 0.012] for side in (0, -1))
    planks = np.stack([left, right, right - [0, 0, 0.02], left - [0, 0, 0.02]], axis=1)
    parts.append(loft(planks, crease=0.1).coloured(deck))
    if rng.random() < 0.5:
        tall, foot = rng.uniform(4.5, 6.0), length * rng.uniform(0.05, 0.14)
        parts.append(at(cylinder(0.06, tall, 16), foot, 0, tall / 2, pick(rng, WOODS)))
        parts.append(tube(np.array([[foot, 0, 0.6], [-length * 0.42, 0, 0.6]]), 0.045).coloured(deck))
        sail = [(foot - 0.1, 0.7), (foot - 0.1, tall - 0.1), (-length * 0.4, 0.7)]
        parts.append(upright(prism(sail, 0.03)).coloured(pick(rng, (WHITE, *PAINTS))))
        jib = [(foot + 0.12, tall * 0.8), (foot + 0.12, 0.5), (length * 0.48, 0.4)]
        parts.append(upright(prism(jib, 0.03)).coloured(pick(rng, (WHITE, *PAINTS))))
    else:
        cabin, tall = length * rng.uniform(0.25, 0.38), rng.uniform(0.7, 1.0)
        parts.append(at(rounded_box((cabin, beam * 0.6, tall), 0.08), -0.05 * length, 0, tall / 2, WHITE))
        parts.append(at(box((cabin * 0.9, beam * 0.62, tall * 0.3)), -0.05 * length, 0, tall * 0.66, GLASS))
        parts.append(at(box((cabin * 0.25, beam * 0.4, 0.02)), -0.05 * length + cabin * 0.2, 0, tall, shade(hull, 0.8)))
        funnel = cylinder(0.16, 0.6, 24)
        parts.append(at(funnel, -0.05 * length - cabin * 0.25, 0, tall + 0.25, pick(rng, PAINTS)))
    return Assembly(parts, SymmetryGroup.trivial())


def make_aeroplane(rng: Rng) -> Assembly:
    """Fuselage, swept wings, tail, and engines under the wings or a propeller at the nose."""
    length, radius = rng.uniform(9, 12), rng.uniform(0.5, 0.7)
    paint, accent = pick(rng, (WHITE, *METALS[:2])), pick(rng, PAINTS)
    half = length / 2
    nose, tail = rng.uniform(0.1, 0.2), rng.uniform(0.3, 0.4)
    way = np.linspace(0, pi / 2, 9)
    ahead = [(radius * np.cos(a), half - length * nose * (1 - np.sin(a))) for a in way]
    behind = [(radius * (0.12 + 0.88 * s), -half + length * tail * s) for s in np.linspace(0, 1, 8) ** 1.3]
    body = [(0.0, -half), *behind, *ahead]
    body[-1] = (0.0, half)
    parts = [along_x(lathe(body, 40, crease=0.9)).coloured(paint)]
    stripe = along_x(lathe([(radius * 1.008, -half + length * tail), (radius * 1.008, half - length * nose)], 40))
    parts.append(Mesh(stripe.vertices, *_band(stripe, radius)).coloured(accent))
    span, chord, sweep = (
        rng.uniform(0.42, 0.55) * length,
        rng.uniform(0.13, 0.2) * length,
        rng.uniform(0.02, 0.2) * length,
    )
    high = rng.choice([-0.5, 0.6]) * radius
    root = rng.uniform(0.0, 0.08) * length
    parts += _wing(root, high, chord, chord * rng.uniform(0.35, 0.7), sweep, span, rng.uniform(0.0, 0.12), paint)
    rear = -half + 0.02 * length
    parts += _wing(
        rear + 0.11 * length, 0.3 * radius, 0.1 * length, 0.06 * length, 0.05 * length, span * 0.38, 0.0, accent
    )
    fin_height = rng.uniform(0.14, 0.19) * length
    fin = [
        (rear, 0.0),
        (rear + 0.15 * length, 0.0),
        (rear + 0.06 * length, fin_height),
        (rear - 0.02 * length, fin_height),
    ]
    parts.append(at(upright(prism(fin, 0.1)), z=0.3 * radius, colour=accent))
    canopy = stretched(ball(1.0, 16, 32), 0.09 * length, 0.62 * radius, 0.6 * radius)
    parts.append(at(canopy, half - length * nose * 1.05, 0, 0.55 * radius, GLASS))
    if rng.random() < 0.6:
        size = radius * rng.uniform(0.36, 0.5)
        pod = [(0, -1.3), (size * 0.6, -1.3), (size, -0.3), (size, 0.7), (size * 0.8, 0.8), (0, 0.5)]
        for place in (0.3, 0.6) if rng.random() < 0.3 else (0.36,):
            x = root - sweep * place + chord * 0.25
            parts += mirrored(at(along_x(lathe(pod, 24)), x, span * place + radius * 0.5, high - size * 1.1, accent))
    else:
        parts.append(at(along_x(lathe([(0, 0.4), (0.16, 0.0), (0.18, -0.1), (0, -0.1)], 24)), half, colour=accent))
        blade = box((0.05, 0.16, 0.24 * length))
        parts += [at(turn(blade, "x", angle), half + 0.1, colour=DARK) for angle in (0.0, pi / 2)]
    return Assembly(parts, SymmetryGroup.trivial())


def make_rocket(rng: Rng) -> Assembly:
    """A turned body with three to five fins: C_n about z."""
    radius, height, fins = rng.uniform(0.4, 0.6), rng.uniform(3.2, 4.6), int(rng.integers(3, 6))
    body, accent = pick(rng, (WHITE, *METALS)), pick(rng, PAINTS)
    base, shoulder = rng.uniform(0.6, 0.85) * radius, rng.uniform(0.55, 0.72) * height
    way = np.linspace(0, pi / 2, 10)
    belly = [(base + (radius - base) * np.sin(a), shoulder * 0.5 * a / (pi / 2)) for a in way]
    tip = [(radius * np.cos(a), shoulder + (height - shoulder) * np.sin(a) ** 1.15) for a in way]
    tip[-1] = (0.0, height)
    split = 6
    segments = 12 * fins
    parts = [lathe([(0, 0), *belly, *tip[: split + 1]], segments, crease=0.9).coloured(body)]
    parts.append(lathe(tip[split:], segments, crease=0.9).coloured(accent))
    low = 0.3 * shoulder
    parts.append(
        lathe([(radius * 1.015, shoulder * 0.86), (radius * 1.015, shoulder * 0.93)], segments).coloured(accent)
    )
    parts.append(lathe([(base * 0.55, 0.02), (base * 0.75, -0.25), (0, -0.1)], segments).coloured(DARK))
    reach = radius * rng.uniform(1.6, 2.2)
    fin = [(base * 0.9, 0.02), (reach * 0.8, -0.45), (reach, -0.45), (reach, 0.1), (radius * 0.97, low + 0.5)]
    parts += around(upright(prism(fin, 0.07)).coloured(accent), fins)
    return Assembly(parts, SymmetryGroup.cyclic(fins))


def make_satellite(rng: Rng) -> Assembly:
    """A foil-wrapped box with two panels along y: with dish and antenna (no symmetry), a lens (C_2), or bare (D_2)."""
    size = rng.uniform(0.9, 1.3, 3)
    foil = pick(rng, ((0.8, 0.65, 0.3), (0.72, 0.73, 0.76), (0.5, 0.5, 0.53)))
    span, wide = rng.uniform(1.8, 3.0), size[2] * rng.uniform(0.7, 1.1)
    parts = [rounded_box((size[0], size[1], size[2]), 0.03).coloured(foil)]
    cells, count = (0.13, 0.2, 0.45), int(rng.integers(2, 5))
    gap = 0.25
    half: list[Mesh] = [at(box((0.05, gap, 0.05)), 0, size[1] / 2 + gap / 2, 0, METALS[0])]
    for index in range(count):
        place = size[1] / 2 + gap + (index + 0.5) * span / count
        half.append(at(box((0.03, span / count * 0.96, wide)), 0, place, 0, METALS[1]))
        for face in (-1, 1):
            for row in (-1, 0, 1):
                strip = box((0.004, span / count * 0.86, wide * 0.28))
                half.append(at(strip, face * 0.0165, place, row * wide * 0.315, cells))
    parts += [mesh for part in half for mesh in (part, turn(part, "z", pi))]
    style = int(rng.integers(3))
    if style == 2:
        return Assembly(parts, SymmetryGroup.dihedral(2))
    lens = along_x(lathe([(0.28, 0), (0.28, 0.35), (0.24, 0.35), (0.24, 0.05), (0, 0.05)], 48))
    if style == 1:
        parts.append(at(lens, size[0] / 2, colour=DARK))
        return Assembly(parts, SymmetryGroup.cyclic(2, axis=(1, 0, 0)))
    reach = np.linspace(0, 0.55, 8)
    dish = [(r, 0.2 + 0.6 * r * r) for r in reach]
    cup = lathe([*dish, (0.55, 0.37), *((r, z - 0.02) for r, z in dish[::-1])], 48).coloured(WHITE)
    feed = lathe([(0, 0.0), (0.05, 0.0), (0.05, 0.25), (0.02, 0.27), (0.02, 0.5), (0.05, 0.5), (0, 0.58)], 24).coloured(
        METALS[3]
    )
    parts += [at(along_x(part), size[0] / 2) for part in (cup, feed)]
    mast = rng.uniform(0.5, 0.9)
    parts.append(at(cylinder(0.025, mast, 12), 0.2 * size[0], 0.25 * size[1], size[2] / 2 + mast / 2, METALS[0]))
    parts.append(at(ball(0.07, 12, 24), 0.2 * size[0], 0.25 * size[1], size[2] / 2 + mast, PAINTS[0]))
    parts.append(at(cylinder(0.12, 0.2, 24), -0.25 * size[0], -0.2 * size[1], size[2] / 2 + 0.1, DARK))
    return Assembly(parts, SymmetryGroup.trivial())


def _wing(
    x: Number, z: Number, chord: Number, tip: Number, sweep: Number, span: Number, rise: Number, colour: Colour
) -> list[Mesh]:
    """A pair of tapered wings with a lens-shaped section; x is the leading edge at the root."""
    rings = []
    way = np.linspace(0, 2 * pi, 24, endpoint=False)
    for share in (0.0, 1.0):
        size = chord + (tip - chord) * share
        section = np.stack([0.5 * size * (np.cos(way) - 1), 0.06 * size * np.sin(way)], axis=1)
        where = np.array([x - sweep * share, span * share, z + rise * span * share])
        rings.append(where + np.stack([section[:, 0], 0 * way, section[:, 1]], axis=1))
    return mirrored(loft(np.array(rings), crease=0.7).coloured(colour))


def _band(tube_mesh: Mesh, radius: Number) -> tuple:
    """Faces, colours and normals of the part of a horizontal tube between two heights: a painted stripe."""
    height = tube_mesh.vertices[tube_mesh.faces][..., 2].mean(dim=1) / radius
    keep = (height > -0.25) & (height < 0.1)
    assert tube_mesh.normals is not None
    return tube_mesh.faces[keep], tube_mesh.colours, tube_mesh.normals[keep]


def _cut_corners(outline: list[Point], times: int) -> list[Point]:
    """A closed outline with its corners cut repeatedly, by an eighth of the sides each time."""
    points = np.array(outline)
    for _ in range(times):
        after = np.roll(points, -1, axis=0)
        points = np.stack([0.88 * points + 0.12 * after, 0.12 * points + 0.88 * after], axis=1).reshape(-1, 2)
    return [(float(x), float(y)) for x, y in points]
