"""Rendered rooms written to a `NormalFolder`; the same call again completes what was interrupted."""

import dataclasses
from dataclasses import asdict
from pathlib import Path

from tqdm import tqdm

from armillary.data.atomic import remove_temporaries
from armillary.data.normals.normal_folder import IMAGE, NORMAL, VALID, write_sample
from armillary.data.normals.room import RoomRenderer, RoomSettings
from armillary.data.record import read_json, write_json

RECORD = "rooms.json"


def write_rooms(
    folder: Path, count: int, settings: RoomSettings, split: str = "train", backend: str = "auto", progress: bool = True
) -> Path:
    """Render rooms 0 to count - 1 of a part into ``folder/split``; returns that folder.

    Args:
        folder: the data set.
        count: how many; more than there are adds to them.
        settings: pictures and cameras; those of an interrupted call.
        split: name of the part.
        backend: of the renderer.
        progress: show a bar.
    """
    target = folder / split
    _check_record(target, settings, split)
    for part in (IMAGE, NORMAL, VALID):
        (target / part).mkdir(parents=True, exist_ok=True)
        remove_temporaries(target / part)
    write_json(target / RECORD, {"split": split, **asdict(settings)})
    missing = [index for index in range(count) if not (target / NORMAL / f"{index:06d}.png").exists()]
    rooms = RoomRenderer(settings, split, backend)
    for index in tqdm(missing, desc="rendering", unit="room", disable=not progress, delay=1.0):
        write_sample(target, rooms.render(index))
    rooms.close()
    return target


def _check_record(target: Path, settings: RoomSettings, split: str) -> None:
    path = target / RECORD
    if not path.exists():
        if target.is_dir() and any(target.iterdir()):
            raise ValueError(f"{target}: expected an empty folder or rendered rooms, got other files; choose another")
        return
    before = read_json(path, "delete the folder and render again")
    fields = [field.name for field in dataclasses.fields(RoomSettings)]
    now = {**asdict(settings), "fov_deg": [*settings.fov_deg]}
    different = [name for name in fields if before.get(name) != now[name]]
    if different:
        raise ValueError(
            f"{target}: holds rooms of another {', '.join(different)}; give their options, or choose another folder"
        )
