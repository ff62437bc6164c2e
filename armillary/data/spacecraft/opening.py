"""Which spacecraft data set a folder holds, and what opens each of its splits."""

from collections.abc import Callable
from pathlib import Path

from armillary.data.published import OnFault
from armillary.data.sample import Reader
from armillary.data.spacecraft.speed import PARTS, open_speed
from armillary.data.spacecraft.speedplus import LISTS, is_label_list, open_speedplus
from armillary.data.spacecraft.speedplus_table import open_speedplus_table, size_of, small_pictures

Openers = dict[str, Callable[[], Reader]]
# Folders in which archives nest their content.
NESTED = ("speedplusv2", "speedplus", "speed")


def spacecraft_splits(path: Path, on_fault: OnFault = "skip") -> Openers:
    """What opens each split of SPEED+ (as published, as tables, one domain) or SPEED; empty if the path holds none.

    Example:
        >>> spacecraft_splits(Path("no/such/folder"))
        {}
    """
    for place in (path, *(path / name for name in NESTED)):
        if place.is_dir():
            found = _speed(place, on_fault) or _speedplus(place, on_fault) or _domain(place, on_fault)
            if found:
                return found
    return {}


def _speed(folder: Path, on_fault: OnFault) -> Openers:
    def opener(part: str) -> Callable[[], Reader]:
        return lambda: open_speed(folder, part, on_fault=on_fault)

    if not (folder / "images" / "train").is_dir():
        return {}
    return {part: opener(part) for part in PARTS if is_label_list(folder / f"{part}.json")}


def _speedplus(folder: Path, on_fault: OnFault) -> Openers:
    """All domains below a folder."""
    known, found = (folder / "camera.json").is_file(), {}
    for domain in sorted((child for child in folder.iterdir() if child.is_dir()), key=_order):
        parts = _domain(domain, on_fault)
        if not parts and known and (domain / "images").is_dir():
            found[domain.name] = _without_labels(domain)
        found.update({_split(domain.name, part): opener for part, opener in parts.items()})
    return found


def _domain(folder: Path, on_fault: OnFault) -> Openers:
    """The lists of one domain, and its tables, by the name of the part."""

    def opener(part: str) -> Callable[[], Reader]:
        return lambda: open_speedplus(folder, part, on_fault=on_fault)

    def table_opener(part: str) -> Callable[[], Reader]:
        return lambda: open_speedplus_table(folder, part, on_fault=on_fault)

    found: Openers = {part: opener(part) for part in LISTS if is_label_list(folder / f"{part}.json")}
    small = small_pictures(folder)
    if small is not None:
        tables = [part for part in LISTS if (folder / "labels" / f"{part}.csv").is_file()]
        ending = f"-{size_of(small)}" if found else ""
        found.update({f"{part}{ending}": table_opener(part) for part in tables})
    return found


def _split(domain: str, part: str) -> str:
    """The name of a part of SPEED+.

    Example:
        >>> _split("synthetic", "train"), _split("sunlamp", "test"), _split("clean", "train")
        ('train', 'sunlamp', 'clean-train')
    """
    if domain == "synthetic" and not part.startswith("test"):
        return part
    return f"{domain}{part.removeprefix('test')}" if part.startswith("test") else f"{domain}-{part}"


def _order(domain: Path) -> tuple[bool, str]:
    return domain.name != "synthetic", domain.name


def _without_labels(domain: Path) -> Callable[[], Reader]:
    def refuse() -> Reader:
        lists = ", ".join(f"{part}.json" for part in LISTS)
        raise FileNotFoundError(f"{domain}: expected labels in one of {lists}, got none; unpack the data set again")

    return refuse
