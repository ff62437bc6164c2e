"""Draws docs/pictures/track.png and track-strip.png: a tumbling cube as a film, followed by a model of cubes.

Takes a run trained on cubes: track.py RUN FOLDER, where ``armillary render cube --views 2000 --out cubes`` and
``armillary train --data cubes --minutes 5 --out RUN`` make one; FOLDER gets the film.
"""

import shutil
import sys
from pathlib import Path

import torch
from PIL import Image

from armillary.apps.cli import main
from armillary.data import make_solid
from armillary.data.camera import intrinsics_from_focal
from armillary.data.rendering.renderer import Renderer
from armillary.tracking import random_tumble

FRAMES, SIZE = 60, 96
MISSING, BLANK = range(30, 36), 45


def film(folder: Path) -> Path:
    """Pictures of a cube that tumbles, half a second of them missing and one of a blank wall; their table."""
    truth, mesh = random_tumble(FRAMES, generator=torch.Generator().manual_seed(3)), make_solid("cube").mesh
    away = torch.tensor([0.0, 0.0, 6.0 * mesh.bounding_sphere()[1]]).expand(FRAMES, 3)
    intrinsics, grey = intrinsics_from_focal(2.4 * SIZE, SIZE), torch.full((3,), 0.5)
    rendered = Renderer(SIZE, backend="torch").render(mesh, truth.rotation, away, intrinsics, background=grey)
    folder.mkdir(parents=True, exist_ok=True)
    rows = ["file,time"]
    for index, picture in enumerate(rendered.rgb):
        shown = picture if index != BLANK else torch.full_like(picture, 127)
        rows.append(f"{index}.png,{index / 10}" if index not in MISSING else f",{index / 10}")
        if index not in MISSING:
            Image.fromarray(shown.numpy()).save(folder / f"{index}.png")
    (folder / "film.csv").write_text("\n".join(rows) + "\n")
    return folder / "film.csv"


if __name__ == "__main__":
    folder = Path(sys.argv[2])
    words = ["track", str(film(folder)), "--model", sys.argv[1], "--out", str(folder / "out")]
    if main(words):
        sys.exit(2)
    for name, target in {"track.png": "track.png", "strip.png": "track-strip.png"}.items():
        shutil.copy(folder / "out" / name, Path(__file__).with_name(target))
