"""Draws docs/pictures/rooms.png: rendered rooms above their normals."""

import io
from pathlib import Path

import torch
from PIL import Image

from armillary.apps.plots.normal_map import normal_colours
from armillary.data.atomic import write_atomically
from armillary.data.normals import RoomRenderer, RoomSettings

ROOMS = (1, 2, 6, 8)

if __name__ == "__main__":
    rooms = RoomRenderer(RoomSettings(height=150, width=200))
    samples = [rooms.render(index) for index in ROOMS]
    pictures = torch.cat([(255 * sample.image).byte().permute(1, 2, 0) for sample in samples], 1)
    normals = torch.cat([normal_colours(sample.normals, sample.mask) for sample in samples], 1)
    buffer = io.BytesIO()
    Image.fromarray(torch.cat([pictures, normals]).numpy()).save(buffer, "PNG", optimize=True)
    write_atomically(Path(__file__).with_name("rooms.png"), buffer.getvalue())
