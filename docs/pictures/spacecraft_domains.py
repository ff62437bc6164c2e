"""Draws docs/pictures/spacecraft_domains.png: the rendered satellite in its three domains, each pose in all of them."""

import io
from pathlib import Path

import torch
from PIL import Image

from armillary.data.atomic import write_atomically
from armillary.data.spacecraft.domain import DOMAINS
from armillary.data.spacecraft.scene import SatelliteSettings, draw_poses, stream
from armillary.data.spacecraft.studio import SatelliteStudio

SHOWN = (2, 5, 10, 12, 14)

if __name__ == "__main__":
    settings = SatelliteSettings(width=240, height=150)
    rows = []
    for name in DOMAINS:
        studio = SatelliteStudio(settings, name)
        shots = studio.photograph(draw_poses(settings, "sheet", 0), stream(1, name, 0, "look"))
        rows.append(torch.cat([shots.grey[index] for index in SHOWN], 1))
        studio.close()
    buffer = io.BytesIO()
    Image.fromarray(torch.cat(rows).numpy()).save(buffer, "PNG", optimize=True)
    write_atomically(Path(__file__).with_name("spacecraft_domains.png"), buffer.getvalue())
