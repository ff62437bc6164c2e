"""``armillary normals render``: furnished rooms with the exact normal of each pixel."""

import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import tyro

from armillary.apps.machine import check_output, use_threads
from armillary.apps.parse import parse
from armillary.data import Renderer
from armillary.data.normals import RoomSettings, write_rooms
from armillary.data.rendering.renderer import Backend

DESCRIPTION = """Render rooms: objects of the zoo on a floor between walls, from a person's height, in random light.

DIR/SPLIT gets image/, normal/ (16-bit PNG in the code of the Spherical Regression data) and valid/. The same command
again completes an interrupted data set or adds to it; another split has other rooms and other objects.

examples:
  armillary normals render --scenes 2000 --out rooms
  armillary normals render --scenes 200 --split test --out rooms
  armillary normals render --scenes 500 --height 240 --width 320 --out large
"""


@dataclass(frozen=True)
class RenderCommand:
    """Options of rendering rooms."""

    # The data set's folder.
    out: Path

    # How many rooms, one picture of each.
    scenes: int = 2000

    # Name of the part of the data set: train, val, test, ...
    split: str = "train"

    # Pictures and cameras.
    settings: tyro.conf.OmitArgPrefixes[RoomSettings] = field(default_factory=RoomSettings)

    # What draws: OpenGL through EGL (fast), torch (needs nothing), or whichever works.
    backend: Backend = "auto"

    # Processor threads; by default one for each core.
    threads: int | None = None


def main(arguments: Sequence[str], started: float) -> None:
    """Run the command."""
    command = parse(RenderCommand, arguments, "armillary normals render", description=DESCRIPTION)
    if command.scenes < 1:
        raise ValueError(f"expected --scenes of 1 or more, got {command.scenes}; give --scenes 2000")
    if command.split != Path(command.split).name or command.split in ("", ".."):
        raise ValueError(f"--split {command.split}: expected the name of a part, not a path; take train, val or test")
    check_output(command.out)
    use_threads(command.threads)
    renderer = Renderer(size=command.settings.size, backend=command.backend)
    print(renderer.note, file=sys.stderr)
    renderer.close()
    folder = write_rooms(command.out, command.scenes, command.settings, command.split, command.backend)
    next_word = "train" if command.split == "train" else "evaluate RUN"
    print(f"{command.scenes} rooms in {folder}; next: armillary normals {next_word} --data {command.out} --out DIR")
