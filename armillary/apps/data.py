"""``armillary data``: published data sets listed, checked, converted, and looked at."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

import torch
import tyro

from armillary.apps.parse import closest, parse
from armillary.data import Reader, dataset_splits, open_dataset
from armillary.data.atomic import write_atomically
from armillary.data.published import (
    CATALOGUE,
    Modelnet10Lmdb,
    Modelnet10Npz,
    OnFault,
    Pascal3d,
    RenderForCnn,
    Symsol,
    convert_modelnet10,
    seen_rotations,
    take_inventory,
)
from armillary.data.published.modelnet10 import PARTS, modelnet10_parts
from armillary.data.spacecraft import SpacecraftPhotos, spacecraft_inventory

HELP = """usage: armillary data [list | check | convert | sheet] [OPTIONS]

Published data sets: what they are, where to get them, what a folder has of them, and what they look like.

  armillary data list                          what is known, with address, size and checksum
  armillary data check FOLDER                  what a folder has of a data set and what is missing
  armillary data convert SOURCE TARGET         ModelNet10-SO(3): LMDB to npz or npz to LMDB
  armillary data sheet FOLDER --out sheet.png  a contact sheet (or .html): names, categories, axes

armillary data WORD --help explains the options.
"""


@dataclass(frozen=True)
class CheckCommand:
    """Say what a folder has of a published data set, what is missing and what is faulty."""

    # The data set.
    folder: tyro.conf.Positional[Path]

    # End with status 2 if anything is missing.
    strict: bool = False


@dataclass(frozen=True)
class ConvertCommand:
    """Convert ModelNet10-SO(3) between LMDB folders and npz files: one of them, or a folder with all parts."""

    # An LMDB folder, an npz file, or a folder of either.
    source: tyro.conf.Positional[Path]

    # What to make: ends in .npz or .lmdb, or is a folder for all parts.
    target: tyro.conf.Positional[Path]

    # Compress the npz file as the original does: a third of the size, but read whole instead of mapped.
    compress: bool = False

    # What to do about faulty views: skip them with a note, or fail.
    on_fault: OnFault = "skip"


@dataclass(frozen=True)
class SheetCommand:
    """Draw a contact sheet: pictures with their names, categories and object axes, as PNG or HTML."""

    # Any data set that --data of armillary train takes.
    folder: tyro.conf.Positional[Path]

    # The file to write: .png holds one page, .html one or all.
    out: Path

    # Part of the data set; by default train, if there is one.
    split: str | None = None

    # Show only these categories.
    category: tuple[str, ...] = ()

    # Show only samples whose names hold this text.
    name: str = ""

    # Tiles in a column and in a row of a page.
    rows: int = 5
    columns: int = 6

    # Longer side of a picture, pixels.
    side: int = 150

    # Which page, from 1; -1 is the last. 0 in HTML: all of them.
    page: int = 1

    # Show the samples in a random order, the same for the same seed.
    shuffle: int | None = None

    # ModelNet10-SO(3): draw the stored rotation R, or S R^T S, which others take for the rotation object to camera.
    label: Literal["stored", "seen"] = "stored"

    # Leave the object axes out.
    no_axes: bool = False

    # What to do about faulty samples: skip them with a note, or fail.
    on_fault: OnFault = "skip"


def main(arguments: Sequence[str], started: float) -> None:
    """Run the command."""
    words = list(arguments)
    if words and words[0] in ("-h", "--help"):
        print(HELP)
        return
    commands: dict[str, Callable[[list[str]], None]] = {"list": _list, "check": _check, "convert": _convert}
    commands["sheet"] = _sheet
    word = words[0] if words else "list"
    if word not in commands:
        raise ValueError(f"unknown word {word}; {closest(word, commands)}")
    commands[word](words[1:])


def _list(arguments: list[str]) -> None:
    if arguments:
        raise ValueError(f"unexpected {arguments[0]}; see armillary data --help")
    print("\n\n".join(str(entry) for entry in CATALOGUE))


def _check(arguments: list[str]) -> None:
    command = parse(CheckCommand, arguments, "armillary data check")
    parts = spacecraft_inventory(command.folder) or take_inventory(command.folder)
    for part in parts:
        print(part)
    incomplete = [part.name for part in parts if not part.complete]
    print(f"{len(parts) - len(incomplete)} of {len(parts)} parts complete")
    if incomplete and command.strict:
        raise ValueError(f"{command.folder}: expected whole parts, got {', '.join(incomplete)} incomplete; see above")


def _convert(arguments: list[str]) -> None:
    command = parse(ConvertCommand, arguments, "armillary data convert")
    if not command.source.exists():
        raise FileNotFoundError(f"{command.source}: expected an LMDB folder or npz file, got none; check the path")
    for source, target in _conversions(command.source, command.target):
        count = convert_modelnet10(source, target, command.on_fault, command.compress)
        print(f"{count} views in {target}")


def _conversions(source: Path, target: Path) -> list[tuple[Path, Path]]:
    """What is made into what: one pair, or all parts of a folder."""
    parts = modelnet10_parts(source) if source.is_dir() else {}
    if not parts or target.suffix in (".npz", ".lmdb"):
        return [(source, target)]
    form = 0 if next(iter(parts.values())).suffix == ".npz" else 1
    return [(part, target / PARTS[split][form]) for split, part in parts.items()]


def _sheet(arguments: list[str]) -> None:
    from armillary.apps.contact_sheet import make_tile, sheet_html, sheet_png

    command = parse(SheetCommand, arguments, "armillary data sheet")
    kind = command.out.suffix.lower()
    if kind not in (".png", ".html"):
        raise ValueError(f"{command.out}: expected a file that ends in .png or .html; name one")
    if min(command.rows, command.columns) < 1 or command.side < 16:
        raise ValueError("expected --rows and --columns of 1 or more and --side of 16 or more")
    reader = _open(command)
    if command.label == "seen" and not isinstance(reader, Modelnet10Lmdb | Modelnet10Npz):
        raise ValueError(f"--label seen: expected ModelNet10-SO(3), got {reader.info.name}; leave the option out")
    chosen = _chosen(reader, command)
    pages = [list(page) for page in torch.tensor(chosen).split(command.rows * command.columns)]
    shown = _pages(command.page, len(pages), kind)
    titles, tiles = [], []
    for number in shown:
        samples = [reader[int(index)] for index in pages[number]]
        if command.label == "seen":
            samples = [replace(sample, rotation=seen_rotations(sample.rotation)) for sample in samples]
        flat = any(sample.translation is None or sample.intrinsics is None for sample in samples)
        titles.append(
            f"{reader.info.name}: {len(chosen)} samples, page {number + 1} of {len(pages)}"
            + ("; no camera is stated, axes without perspective" if flat and not command.no_axes else "")
        )
        categories = reader.info.categories
        tiles.append([make_tile(s, categories[s.category], command.side, not command.no_axes) for s in samples])
    command.out.parent.mkdir(parents=True, exist_ok=True)
    if kind == ".png":
        content = sheet_png(tiles[0], titles[0], command.columns, command.side)
    else:
        content = sheet_html(tiles, titles, command.side).encode()
    write_atomically(command.out, content)
    print(f"{command.out}: {sum(map(len, tiles))} of {len(chosen)} samples, page {_told(shown)} of {len(pages)}")


def _open(command: SheetCommand) -> Reader:
    splits = dataset_splits(command.folder)
    split = command.split or ("train" if "train" in splits else None)
    return open_dataset(command.folder, split or (splits[0] if splits else None), command.on_fault)


def _pages(page: int, count: int, kind: str) -> list[int]:
    if page == 0 and kind == ".html":
        return list(range(count))
    number = page - 1 if page > 0 else count + page
    if page == 0 or not 0 <= number < count:
        raise ValueError(f"--page {page}: expected 1 to {count}, or -1 for the last; name one of them")
    return [number]


def _told(shown: list[int]) -> str:
    return str(shown[0] + 1) if len(shown) == 1 else f"1 to {len(shown)}"


def _chosen(reader: Reader, command: SheetCommand) -> list[int]:
    """The samples that the filters let through, in the order to show them."""
    categories = reader.info.categories
    unknown = [name for name in command.category if name not in categories]
    if unknown:
        raise ValueError(f"--category {unknown[0]}: no such category; {closest(unknown[0], categories)}")
    wanted = {categories.index(name) for name in command.category} or {*range(len(categories))}
    order = list(range(len(reader)))
    if command.shuffle is not None:
        order = torch.randperm(len(reader), generator=torch.Generator().manual_seed(command.shuffle)).tolist()
    if command.category or command.name:
        order = [index for index in order if _passes(reader, index, wanted, command.name)]
    if not order:
        raise ValueError(f"{command.folder}: expected samples that pass --category and --name, got none; widen them")
    return order


def _passes(reader: Reader, index: int, wanted: set[int], text: str) -> bool:
    # Published data sets know names and categories without decoding the picture.
    if isinstance(reader, Modelnet10Lmdb | Modelnet10Npz | Symsol | Pascal3d | RenderForCnn | SpacecraftPhotos):
        return int(reader.categories[index]) in wanted and text in reader.names[index]
    sample = reader[index]
    return sample.category in wanted and text in sample.name
