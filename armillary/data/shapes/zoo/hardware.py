"""Bolt, gear, nut, hammer and spanner."""

from math import pi

import numpy as np

from armillary.data.shapes.mesh import Mesh
from armillary.data.shapes.primitive import Number, Point, box, cylinder, lathe, loft, make_mesh, prism, rounded_box
from armillary.data.shapes.zoo.assembly import METALS, PAINTS, WOODS, Assembly, Rng, at, pick, shade, turn, upright
from armillary.so3 import SymmetryGroup


def make_bolt(rng: Rng) -> Assembly:
    """A hexagonal (C_6) or square (C_4) head on a grooved shank, head up."""
    sides = 6 if rng.random() < 0.7 else 4
    radius, length = rng.uniform(0.005, 0.007), rng.uniform(0.025, 0.05)
    head, thick = radius * rng.uniform(1.7, 2.1), radius * rng.uniform(1.0, 1.5)
    metal = pick(rng, METALS)
    angles = 2 * pi * (np.arange(sides) + 0.5) / sides
    crown = prism([(head * np.cos(a), head * np.sin(a)) for a in angles], thick)
    parts = [at(crown, z=thick / 2, colour=metal)]
    flange = lathe([(0, -0.001), (head * 1.12, -0.001), (head * 1.12, 0.0003), (0, 0.0003)], 12 * sides)
    parts.append(flange.coloured(shade(metal, 0.85)))
    plain, pitch = length * rng.uniform(0.15, 0.45), radius * 0.42
    profile = [(0, -length), (radius * 0.75, -length)]
    for step in range(int((length - plain) / pitch)):
        bottom = -length + (step + 0.2) * pitch
        profile += [(radius * 0.84, bottom), (radius, bottom + pitch / 2)]
    profile += [(radius * 0.9, -plain), (radius * 0.9, 0), (0, 0)]
    parts.append(lathe(profile, 6 * sides, crease=0.3).coloured(shade(metal, 1.1)))
    return Assembly(parts, SymmetryGroup.cyclic(sides))


def make_nut(rng: Rng) -> Assembly:
    """A hexagonal nut with a hole: D_6."""
    radius = rng.uniform(0.008, 0.012)
    thick, hole = radius * rng.uniform(0.6, 1.1), radius * rng.uniform(0.5, 0.62)
    metal = pick(rng, METALS)
    angles = 2 * pi * np.arange(6) / 6
    outer = np.stack([radius * np.cos(angles), radius * np.sin(angles)], axis=1)
    ring = _plate_with_hole(outer, hole, thick, segments=72)
    lining = lathe([(hole, -thick / 2), (hole, thick / 2)], 72)
    grooves = lathe(_grooves(hole, thick), 72, crease=0.3)
    return Assembly(
        [ring.coloured(metal), lining.coloured(metal), grooves.coloured(shade(metal, 0.7))], SymmetryGroup.dihedral(6)
    )


def make_gear(rng: Rng) -> Assembly:
    """A toothed wheel with a bore: bare (D_n), with a hub on one side (C_n), or with a keyway (one half-turn)."""
    teeth, radius = int(rng.integers(7, 14)), rng.uniform(0.03, 0.05)
    thick, deep, bore = (
        radius * rng.uniform(0.2, 0.4),
        radius * rng.uniform(0.16, 0.24),
        radius * rng.uniform(0.2, 0.32),
    )
    metal = pick(rng, METALS)
    outline = []
    for tooth in range(teeth):
        for offset, size in (
            (-0.34, radius - deep),
            (-0.22, radius - deep),
            (-0.13, radius),
            (0.13, radius),
            (0.22, radius - deep),
            (0.34, radius - deep),
        ):
            angle = 2 * pi * (tooth + offset) / teeth
            outline.append((size * np.cos(angle), size * np.sin(angle)))
    outer = np.array(outline)
    parts = [_plate_with_hole(outer, bore, thick, segments=6 * teeth).coloured(metal)]
    parts.append(lathe([(bore, -thick / 2), (bore, thick / 2)], 6 * teeth).coloured(shade(metal, 0.7)))
    style = int(rng.integers(3))
    rim = (radius - deep) * 0.78
    lift = thick / 2 + thick * 0.12
    for side in (-1, 1):
        band = [
            (rim, side * thick * 0.48),
            (rim, side * lift),
            (rim * 0.84, side * lift),
            (rim * 0.84, side * thick * 0.48),
        ]
        parts.append(lathe(band, 6 * teeth).coloured(shade(metal, 1.12)))
    if style == 0:
        return Assembly(parts, SymmetryGroup.dihedral(teeth))
    if style == 1:
        hub = [(bore, thick / 2), (bore, thick), (bore * 1.7, thick), (bore * 1.7, thick * 0.4)]
        parts.append(lathe(hub, 6 * teeth).coloured(shade(metal, 0.9)))
        return Assembly(parts, SymmetryGroup.cyclic(teeth))
    parts.append(at(box((bore * 0.7, bore * 0.6, thick * 1.06)), bore * 1.05, 0, 0, pick(rng, PAINTS)))
    return Assembly(parts, SymmetryGroup.cyclic(2, axis=(1, 0, 0)))


def make_hammer(rng: Rng) -> Assembly:
    """A handle with a head: a mallet with two like faces (C_2), or a hammer with face (front) and wedge (back)."""
    length, head, thick = rng.uniform(0.26, 0.36), rng.uniform(0.09, 0.13), rng.uniform(0.026, 0.036)
    wood, metal = pick(rng, WOODS), pick(rng, METALS)
    shares = np.linspace(0, 1, 12)
    way = 2 * pi * np.arange(24) / 24
    girth = 0.011 + 0.003 * np.cos(2 * pi * shares) + 0.003 * (1 - shares)
    rings = [
        np.stack([1.25 * g * np.cos(way), g * np.sin(way), np.full(24, length * s)], axis=1)
        for g, s in zip(girth, shares, strict=True)
    ]
    parts = [loft(np.array(rings), crease=0.8).coloured(wood)]
    if rng.random() < 0.35:
        block = rounded_box((head, thick * 1.7, thick * 1.7), 0.004)
        parts.append(at(block, z=length - thick * 0.6, colour=pick(rng, WOODS + PAINTS)))
        return Assembly(parts, SymmetryGroup.cyclic(2))
    top = length - thick * 0.4
    parts.append(at(rounded_box((thick * 1.5, thick, thick), 0.004), z=top, colour=metal))
    neck = [
        (0, 0),
        (thick * 0.42, 0),
        (thick * 0.36, head * 0.25),
        (thick * 0.6, head * 0.32),
        (thick * 0.6, head * 0.48),
        (0, head * 0.48),
    ]
    parts.append(at(turn(lathe(neck, 40), "y", pi / 2), thick * 0.4, 0, top, metal))
    reach, droop = head * rng.uniform(0.5, 0.75), rng.uniform(0.0, 0.03)
    wedge = [
        (-thick * 0.5, -thick * 0.45),
        (-thick * 0.5, thick * 0.45),
        (-reach, -droop + 0.002),
        (-reach, -droop - 0.002),
    ]
    parts.append(at(upright(prism(wedge[::-1], thick * 0.9)), z=top, colour=shade(metal, 0.9)))
    return Assembly(parts, SymmetryGroup.trivial())


def make_spanner(rng: Rng) -> Assembly:
    """A flat spanner: like jaws at both ends (C_2 about z and flips: D_2), or one jaw and one ring (a flip about x)."""
    length, grip, thick = rng.uniform(0.14, 0.2), rng.uniform(0.012, 0.017), rng.uniform(0.006, 0.009)
    size, metal = rng.uniform(0.017, 0.022), pick(rng, METALS)
    jaw = _jaw(size, size * rng.uniform(0.85, 1.1), thick)
    parts = [
        rounded_box((length - size, grip, thick * 0.8), 0.002).coloured(shade(metal, 0.75)),
        at(jaw, length / 2).coloured(metal),
    ]
    if rng.random() < 0.5:
        parts.append(turn(parts[1], "z", pi))
        return Assembly(parts, SymmetryGroup.dihedral(2))
    circle = 2 * pi * np.arange(48) / 48
    outer = size * 0.95 * np.stack([np.cos(circle), np.sin(circle)], axis=1)
    ring = [
        _plate_with_hole(outer, size * 0.55, thick, segments=48),
        lathe([(size * 0.55, -thick / 2), (size * 0.55, thick / 2)], 48),
    ]
    parts += [at(part, -length / 2, colour=metal) for part in ring]
    parts.append(at(cylinder(size * 0.3, thick * 1.01, 24), 0, 0, 0, pick(rng, PAINTS)))
    return Assembly(parts, SymmetryGroup.cyclic(2, axis=(1, 0, 0)))


def _jaw(size: Number, opening: Number, thick: Number) -> Mesh:
    """A disc with a slot open towards +x."""
    half = opening / 2
    start = np.arcsin(half / size)
    arc = np.linspace(start, 2 * pi - start, 40)
    slot = [(-size * 0.15, -half), (-size * 0.35, 0.0), (-size * 0.15, half)]
    return prism([*((size * np.cos(a), size * np.sin(a)) for a in arc), *slot], thick, crease=0.3)


def _plate_with_hole(outer: np.ndarray, hole: Number, thick: Number, segments: int) -> Mesh:
    """A flat plate with an outline (points, 2) and a round hole, without the hole's lining."""
    from manifold3d import triangulate

    circle = -2 * pi * np.arange(segments) / segments
    ring = hole * np.stack([np.cos(circle), np.sin(circle)], axis=1)
    flat = np.asarray(triangulate([outer, ring]))
    both = np.concatenate([outer, ring])
    caps = np.concatenate([np.c_[both, np.full(len(both), z)] for z in (-thick / 2, thick / 2)])
    turns = np.arange(len(outer))
    after = (turns + 1) % len(outer)
    walls = np.concatenate([
        np.stack([turns, after, after + len(both)], axis=1),
        np.stack([turns, after + len(both), turns + len(both)], axis=1),
    ])  # fmt: skip
    faces = np.concatenate([flat[:, ::-1], flat + len(both), walls])
    return make_mesh(caps, faces)


def _grooves(radius: Number, thick: Number, count: int = 5) -> list[Point]:
    """The profile of a threaded hole, as rings."""
    edges = np.linspace(-thick / 2, thick / 2, 2 * count + 1)
    return [(radius * (0.93 if index % 2 else 0.995), float(z)) for index, z in enumerate(edges)]
