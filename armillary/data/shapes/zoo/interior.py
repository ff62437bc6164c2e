"""Lamp, monitor, mug, bottle, goblet and teapot."""

from math import pi

import numpy as np

from armillary.data.shapes.mesh import merge_meshes
from armillary.data.shapes.primitive import Point, ball, box, cylinder, lathe, rounded_box, tube
from armillary.data.shapes.zoo.assembly import (
    DARK,
    FABRICS,
    GLASS,
    METALS,
    PAINTS,
    WHITE,
    WOODS,
    Assembly,
    Rng,
    at,
    pick,
    shade,
    turn,
)
from armillary.so3 import SymmetryGroup


def make_lamp(rng: Rng) -> Assembly:
    """A turned lamp with a shade (any turn about z), or a desk lamp with an arm (none)."""
    stand, cover = pick(rng, METALS + WOODS), pick(rng, (*FABRICS, WHITE), 0.08)
    foot = rng.uniform(0.09, 0.13)
    if rng.random() < 0.5:
        tall, wide = rng.uniform(0.25, 0.4), rng.uniform(0.12, 0.2)
        belly = rng.uniform(0.02, 0.09)
        profile = [
            (0, 0),
            (foot, 0),
            (foot, 0.015),
            (0.02, 0.04),
            (belly, 0.4 * tall),
            (0.012, 0.75 * tall),
            (0.012, tall),
            (0, tall),
        ]
        shape = lathe(_rounded(profile, 3), 48, crease=0.7).coloured(stand)
        open_top, deep = wide * rng.uniform(0.5, 0.95), rng.uniform(0.14, 0.24)
        low = tall - 0.03
        shell = [(wide, low), (open_top, low + deep), (open_top - 0.004, low + deep), (wide - 0.004, low)]
        bulb = at(ball(0.03, 12, 24), z=tall + 0.03, colour=(1.0, 0.95, 0.75))
        return Assembly([shape, lathe([*shell, shell[0]], 48).coloured(cover), bulb], SymmetryGroup.axial())
    lower, upper, bend = rng.uniform(0.22, 0.32), rng.uniform(0.2, 0.3), rng.uniform(0.25, 0.6)
    elbow = np.array([-lower * np.sin(bend), 0, lower * np.cos(bend)])
    end = elbow + upper * np.array([np.cos(0.5 - bend * 0.4), 0, np.sin(0.5 - bend * 0.4)])
    parts = [lathe([(0, 0), (foot, 0), (foot, 0.02), (foot * 0.8, 0.03), (0, 0.03)], 48).coloured(cover)]
    parts.append(tube(np.array([[0, 0, 0.02], elbow]), 0.009).coloured(stand))
    parts.append(tube(np.array([elbow, end]), 0.009).coloured(stand))
    parts.append(at(ball(0.018, 12, 24), *elbow, colour=cover))
    cone = lathe([(0.025, 0.07), (0.085, -0.06), (0.08, -0.06), (0.02, 0.065), (0, 0.07), (0.025, 0.07)], 48)
    head = merge_meshes([cone.coloured(cover), at(ball(0.035, 12, 24), z=-0.02, colour=(1.0, 0.95, 0.75))])
    parts.append(at(turn(head, "y", -0.35), *(end + [0.02, 0, -0.02])))
    return Assembly(parts, SymmetryGroup.trivial())


def make_monitor(rng: Rng) -> Assembly:
    """A flat screen with a bezel on a stand, the screen towards the front."""
    width, height = rng.uniform(0.45, 0.7), rng.uniform(0.28, 0.38)
    lift, bezel = rng.uniform(0.1, 0.18), rng.uniform(0.012, 0.025)
    case, screen = pick(rng, (DARK, WHITE, *METALS), 0.03), (0.25, 0.45, 0.7)
    middle = lift + height / 2
    parts = [at(rounded_box((0.035, width, height), 0.012), z=middle, colour=case)]
    parts.append(at(box((0.004, width - 2 * bezel, height - 2 * bezel)), 0.017, 0, middle, screen))
    parts.append(
        at(box((0.002, width * 0.4, height * 0.3)), 0.0195, width * 0.12, middle + height * 0.1, (0.85, 0.9, 0.95))
    )
    parts.append(at(rounded_box((0.03, width * 0.5, height * 0.5), 0.012), -0.025, 0, middle, shade(case, 0.85)))
    parts.append(
        at(box((0.02, rng.uniform(0.05, 0.1), lift + height * 0.3)), -0.045, 0, (lift + height * 0.3) / 2, case)
    )
    if rng.random() < 0.5:
        parts.append(at(rounded_box((0.18, width * 0.45, 0.016), 0.007), -0.02, 0, 0.008, case))
    else:
        parts.append(at(cylinder(0.11, 0.016, 48), -0.02, 0, 0.008, case))
    return Assembly(parts, SymmetryGroup.trivial())


def make_mug(rng: Rng) -> Assembly:
    """A cup with a wall, a handle towards the front, and a coloured inside."""
    radius, height = rng.uniform(0.036, 0.048), rng.uniform(0.08, 0.11)
    flare, wall = rng.uniform(0.85, 1.15), 0.004
    colour = pick(rng, (*PAINTS, *FABRICS))
    inside = WHITE if rng.random() < 0.5 else shade(colour, 0.75)
    low = radius * flare
    outer = lathe([(0, 0), (low * 0.94, 0), (low, 0.006), (radius, height)], 64)
    inner = lathe([(radius, height), (radius - wall, height), (low - wall, 0.01), (0, 0.008)], 64)
    reach, span = rng.uniform(0.022, 0.032), height * rng.uniform(0.26, 0.34)
    angles = np.linspace(-pi / 2, pi / 2, 24)
    rise = 0.5 + span / height * np.sin(angles)
    # Both ends stop half-way into the wall.
    path = np.stack(
        [low + (radius - low) * rise - wall / 2 + reach * np.cos(angles), 0 * angles, height * rise], axis=1
    )
    grip = tube(path, rng.uniform(0.0045, 0.0065))
    return Assembly([outer.coloured(colour), inner.coloured(inside), grip.coloured(colour)], SymmetryGroup.trivial())


def make_bottle(rng: Rng) -> Assembly:
    """A turned bottle with shoulder, neck, cap and a label band."""
    radius, height = rng.uniform(0.032, 0.045), rng.uniform(0.2, 0.3)
    shoulder, neck, start = rng.uniform(0.5, 0.68), rng.uniform(0.011, 0.016), rng.uniform(0.76, 0.86)
    colour = pick(rng, ((0.2, 0.42, 0.28), (0.45, 0.3, 0.16), GLASS, (0.75, 0.8, 0.82), *PAINTS))
    bend = [(0, 0.004), (radius * 0.8, 0), (radius, 0.008), (radius, shoulder * height)]
    blend = np.linspace(0, 1, 10)[1:]
    curve = 0.5 - 0.5 * np.cos(pi * blend)
    bend += [
        (radius + (neck - radius) * c, height * (shoulder + (start - shoulder) * b))
        for b, c in zip(blend, curve, strict=True)
    ]
    body = lathe([*bend, (neck, height * 0.95), (0, height * 0.95)], 64)
    cap = lathe([(neck * 1.2, height * 0.93), (neck * 1.25, height), (0, height)], 64)
    base, top = sorted(rng.uniform(0.12, 0.9, 2) * shoulder * height)
    label = lathe([(radius * 1.01, base), (radius * 1.01, max(top, base + 0.03))], 64)
    parts = [
        body.coloured(colour),
        cap.coloured(pick(rng, PAINTS + METALS)),
        label.coloured(pick(rng, (WHITE, *FABRICS))),
    ]
    return Assembly(parts, SymmetryGroup.axial())


def make_goblet(rng: Rng) -> Assembly:
    """A turned cup on a stem."""
    foot, stem, bowl = rng.uniform(0.03, 0.045), rng.uniform(0.05, 0.1), rng.uniform(0.05, 0.09)
    wide, rim = rng.uniform(0.034, 0.048), rng.uniform(0.65, 1.1)
    colour = pick(rng, METALS + PAINTS)
    angles = np.linspace(0.12, pi / 2, 9)
    base = 0.008 + stem
    cup = [(wide * np.sin(a), base + bowl * 0.55 * (1 - np.cos(a))) for a in angles]
    lip = (wide * rim, base + bowl)
    inner = [(max(r - 0.003, 0.0), z + 0.003) for r, z in cup]
    outer = [(0, 0), (foot, 0), (foot, 0.003), (0.008, 0.012), (0.005, 0.02), (0.005, base - 0.006), *cup, lip]
    inside = [lip, (lip[0] - 0.003, lip[1]), *inner[::-1], (0, base + 0.004)]
    parts = [lathe(outer, 64).coloured(colour), lathe(inside, 64).coloured(shade(colour, 0.8))]
    return Assembly(parts, SymmetryGroup.axial())


def make_teapot(rng: Rng) -> Assembly:
    """A round pot with lid and knob, the spout to the front and the handle behind."""
    wide, tall = rng.uniform(0.075, 0.095), rng.uniform(0.055, 0.085)
    colour = pick(rng, PAINTS + FABRICS)
    angles = np.linspace(-1.15, 1.15, 25)
    body = lathe([(0, -tall * 0.91), *((wide * np.cos(a), tall * np.sin(a)) for a in angles), (0, tall * 0.91)], 64)
    edge = wide * np.cos(1.15)
    lid = lathe([(edge * 1.08, tall * 0.9), (edge * 0.8, tall * 1.02), (0, tall * 1.1)], 48, crease=0.9)
    second = shade(colour, rng.uniform(0.6, 1.25))
    knob = at(ball(0.012, 12, 24), z=tall * 1.1 + 0.009, colour=second)
    way = np.linspace(0, 1, 16)
    lift = rng.uniform(0.8, 1.2)
    swing = np.stack([wide * (0.8 + 0.95 * way), 0 * way, tall * (-0.35 + lift * 1.5 * way**2)], axis=1)
    spout = tube(swing, 0.022 - 0.013 * way**0.7)
    turns = np.linspace(0.5 * pi + 0.3, 1.5 * pi - 0.3, 20)
    reach = rng.uniform(0.035, 0.05)
    loop = np.stack([-wide * 0.85 + reach * 1.2 * np.cos(turns), 0 * turns, tall * 0.62 * np.sin(turns)], axis=1)
    grip = tube(loop, 0.008)
    parts = [body.coloured(colour), lid.coloured(colour), knob, spout.coloured(colour), grip.coloured(second)]
    return Assembly(parts, SymmetryGroup.trivial())


def _rounded(profile: list[Point], times: int) -> list[Point]:
    """The profile with its corners cut repeatedly (Chaikin), ends kept."""
    points = np.array(profile)
    for _ in range(times):
        near, far = 0.75 * points[:-1] + 0.25 * points[1:], 0.25 * points[:-1] + 0.75 * points[1:]
        inner = np.stack([near, far], axis=1).reshape(-1, 2)[1:-1]
        points = np.concatenate([points[:1], inner, points[-1:]])
    return [(float(radius), float(z)) for radius, z in points]
