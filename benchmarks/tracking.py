"""A tumbling symmetric body without a network: single frames, the filter, the smoother; flips, and frames per second.

Run ``python benchmarks/tracking.py --out FOLDER`` (options: ``--films``, ``--frames``). A rigid body tumbles freely at
10 to 30 degrees/s, 10 frames/s. Each frame gives a density of lmax 8 with a peak at every equivalent of the true pose,
each off by 8 degrees on average and of random height; 5 % of the frames show another rotation, and one second is
missing.
Errors are to the nearest equivalent; a flip is a turn between frames that differs from the true one by more than 60
degrees, after the first second. Time is processor time of one thread, without what makes the densities. Targets: the
filter at most half the error of single frames, no flips, 30 frames/s. FOLDER gets tracking.json and tracking.png.
"""

import argparse
import json
import time
from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor

from armillary.apps.plots.drawing import Drawing, drawings_png
from armillary.apps.plots.timeline import Timeline
from armillary.distributions import HarmonicDistribution
from armillary.evaluation.film import score_film
from armillary.so3 import SymmetryGroup, geodesic_distance
from armillary.tracking import Camera, Observation, RotationFilter, Track, Tumble, random_tumble, track

GROUPS = {
    "C1": SymmetryGroup.trivial(),
    "C2": SymmetryGroup.cyclic(2),
    "D4": SymmetryGroup.dihedral(4),
    "O": SymmetryGroup.octahedral(),
}
GAP = (12.0, 13.0)  # seconds without frames
TARGETS = {"error": 0.5, "flips": 0, "fps": 30.0}


class Film(NamedTuple):
    """A film with all that was said of it."""

    group: SymmetryGroup
    truth: Tumble
    alone: Tensor
    track: Track
    seconds: float


def follow(group: SymmetryGroup, seed: int, frames: int = 300) -> Film:
    """One film: simulated, and followed without knowledge of the symmetry."""
    generator = torch.Generator().manual_seed(seed)
    truth = random_tumble(frames, generator=generator)
    densities, _ = Camera(group).film(truth.rotation, generator=generator)
    alone = torch.cat([density.mode.double()[None] for density in densities])
    seen = [
        Observation(float(when), None if GAP[0] <= when < GAP[1] else HarmonicDistribution(density.coeffs))
        for when, density in zip(truth.time, densities, strict=True)
    ]
    track([Observation(0.0, densities[0]), Observation(0.1, densities[1])])  # tables are made once a process
    started = time.process_time()
    found = track(seen, RotationFilter())
    return Film(group, truth, alone, found, time.process_time() - started)


def row(film: Film) -> dict[str, float]:
    """Mean error in degrees and flips of single frames, filter and smoother; frames/s."""
    answers = {"single": film.alone, "filter": film.track.filtered, "smoothed": film.track.rotation}
    scores = score_film(answers, film.truth.rotation, film.truth.time, film.group)
    errors = {name: score.mean_deg for name, score in scores.items()}
    turns = {f"{name}_flips": score.flips for name, score in scores.items()}
    return {**errors, **turns, "fps": len(film.track) / film.seconds}


def drawing(name: str, film: Film) -> list[list[Drawing]]:
    """The angle to the first pose, and the error, over time."""
    first, when = film.truth.rotation[0], film.truth.time
    alone, found = film.alone, film.track

    def error(rotation: Tensor) -> Tensor:
        return film.group.distance(rotation, film.truth.rotation).rad2deg()

    # The branch that is followed, for the whole film: the true rotation turned by one element.
    each = film.group.equivalents(film.truth.rotation)
    branch = int(geodesic_distance(each, found.rotation[:, None]).mean(0).argmin())
    angles = [geodesic_distance(first, rotation).rad2deg() for rotation in (alone, found.filtered, each[:, branch])]
    lines = {"filter": angles[1], "truth, same branch": angles[2]}
    return [
        [
            Timeline(
                when, {"single frames": angles[0]}, lines, "° from the first pose", (0.0, 215.0), (GAP,), caption=name
            )
        ],
        [
            Timeline(
                when,
                {"single frames": error(alone)},
                {"filter": error(found.filtered), "smoothed": error(found.rotation)},
                "error, °",
                (0.0, 40.0),
                (GAP,),
            )
        ],
    ]


def main() -> None:
    """Print the table, keep it and draw one film of C2 and of D4."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--films", type=int, default=5)
    parser.add_argument("--frames", type=int, default=300)
    parser.add_argument("--out", type=Path)
    options = parser.parse_args()
    torch.set_num_threads(1)
    rows: dict[str, dict[str, float]] = {}
    pictures: list[list[Drawing]] = []
    print("group   mean error, degrees              flips > 60 degrees          frames/s")
    print("        single  filter  smoothed         single  filter  smoothed")
    for name, group in GROUPS.items():
        films = [follow(group, seed, options.frames) for seed in range(options.films)]
        each = [row(film) for film in films]
        mean = {key: sum(one[key] for one in each) / len(each) for key in each[0]}
        rows[name] = {**mean, "worst_ratio": max(one["filter"] / one["single"] for one in each)}
        errors = f"{mean['single']:6.2f}  {mean['filter']:6.2f}  {mean['smoothed']:8.2f}"
        turns = f"{mean['single_flips']:6.1f}  {mean['filter_flips']:6.1f}  {mean['smoothed_flips']:8.1f}"
        print(f"{name:<6}  {errors}         {turns}  {mean['fps']:8.0f}", flush=True)
        if name in ("C2", "D4"):
            pictures += drawing(f"{name}: seed 0", films[0])
    if options.out is not None:
        options.out.mkdir(parents=True, exist_ok=True)
        (options.out / "tracking.json").write_text(json.dumps({"targets": TARGETS, "rows": rows}, indent=2) + "\n")
        (options.out / "tracking.png").write_bytes(drawings_png(pictures))


if __name__ == "__main__":
    main()
