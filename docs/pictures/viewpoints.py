"""Draws docs/pictures/viewpoints.png: test views with the object axes of the predicted viewpoint.

Takes the data set and the evaluation of docs/spherical_regression.md: viewpoints.py STANDING EVALUATION
"""

import sys
from dataclasses import replace
from pathlib import Path

import torch

from armillary.apps.contact_sheet import Tile, make_tile, sheet_png
from armillary.data import Sample, open_dataset
from armillary.data.atomic import write_atomically
from armillary.evaluation.viewpoint_table import read_viewpoints
from armillary.so3 import geodesic_distance, matrix_to_viewpoint, viewpoint_to_matrix

SHOWN, COLUMNS, SIDE = 12, 6, 168


def angles(viewpoint: torch.Tensor) -> str:
    """Azimuth, elevation and tilt of radians, in degrees."""
    azimuth, elevation, tilt = viewpoint.rad2deg().tolist()
    return f"{round(azimuth) % 360}°, {elevation:.0f}°, {tilt:.0f}°"


def tile(sample: Sample, viewpoint: torch.Tensor) -> Tile:
    """A view with the axes, angles and error of its prediction."""
    predicted = viewpoint_to_matrix(*viewpoint)
    error = geodesic_distance(predicted, sample.rotation.double()).rad2deg().item()
    truth = torch.stack(matrix_to_viewpoint(sample.rotation.double()))
    drawn = make_tile(replace(sample, rotation=predicted.float()), "", SIDE)
    return Tile(drawn.picture, f"a, e, t: {angles(viewpoint)}", f"truth: {angles(truth)}", f"error {error:.0f}°")


if __name__ == "__main__":
    reader = open_dataset(sys.argv[1], "test")
    names, viewpoints = read_viewpoints(Path(sys.argv[2]) / "viewpoints.txt")
    chosen = torch.linspace(0, len(reader) - 1, SHOWN).round().long().tolist()
    samples = [reader[index] for index in chosen]
    assert [sample.name for sample in samples] == [names[index] for index in chosen]
    tiles = [tile(sample, viewpoints[index]) for sample, index in zip(samples, chosen, strict=True)]
    page = sheet_png(tiles, "Predicted viewpoints of test views", COLUMNS, SIDE)
    write_atomically(Path(__file__).with_name("viewpoints.png"), page)
