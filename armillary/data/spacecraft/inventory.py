"""What a folder has of SPEED+ or SPEED: its parts, how many pictures each has, what is missing, faulty or cut off."""

import warnings
from collections.abc import Callable
from pathlib import Path

from armillary.data.published import Part
from armillary.data.spacecraft.opening import NESTED, spacecraft_splits
from armillary.data.spacecraft.photos import SpacecraftPhotos

# Pictures in the published lists.
_SPEEDPLUS = {"train": 47_966, "validation": 11_994, "lightbox": 6_740, "sunlamp": 2_791}
_SPEED = {"train": 12_000, "real": 5, "test": 2_998, "real_test": 300}


def spacecraft_inventory(path: Path) -> list[Part]:
    """The parts of a spacecraft data set; none if the path holds no such set.

    Example:
        >>> spacecraft_inventory(Path("no/such/folder"))
        []
    """
    splits = spacecraft_splits(path)
    if not splits:
        return []
    places = [path, *(path / name for name in NESTED)]
    # A domain alone promises nothing, nor does a satellite of our own, of which render.json tells.
    published = any((place / "camera.json").is_file() for place in places) and not (path / "render.json").is_file()
    expected: dict[str, int] = _SPEEDPLUS if published else {}
    if any((place / "images" / "train").is_dir() for place in places):
        expected = _SPEED
    lacking = [
        Part(name, 0, count, ("no labels or pictures",)) for name, count in expected.items() if name not in splits
    ]
    return [*(_count(name, opener, expected.get(name)) for name, opener in splits.items()), *lacking]


def _count(name: str, opener: Callable[[], object], expected: int | None) -> Part:
    try:
        with warnings.catch_warnings():
            # The problems say the same.
            warnings.simplefilter("ignore")
            reader = opener()
    except (ValueError, OSError) as error:
        return Part(name, 0, expected, (str(error),))
    assert isinstance(reader, SpacecraftPhotos)
    problems = (str(reader.faults),) if len(reader.faults) else ()
    outside = int(reader.partly_outside.sum())
    return Part(
        name, len(reader), expected, problems, kept=f"{outside:,} partly outside the picture" if outside else ""
    )
