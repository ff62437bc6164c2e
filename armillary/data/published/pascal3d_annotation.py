"""One object of a PASCAL3D+ annotation file, and the rules by which the published protocol leaves objects out.

Annotations/car_imagenet/n02814533_10001.mat
  record
    objects                  one struct or several; the protocol takes the first
      class                  name of the category
      bbox                   left, top, right, bottom, pixels
      occluded, truncated, difficult   0 or 1
      viewpoint              empty where nobody annotated it
        azimuth, elevation, theta      degrees
        distance             0 where only the side that is seen was annotated
        azimuth_coarse, elevation_coarse   degrees, that side
        focal, viewport      their product is the focal length in pixels: 1 and 3000
        px, py               principal point, pixels
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np

# Why the protocol leaves an object out; what is not annotated for good is a fault.
Exclusion = Literal["occluded", "truncated", "difficult"]
EXCLUSIONS: tuple[Exclusion, ...] = ("occluded", "truncated", "difficult")
_VIEWPOINT = ("azimuth", "elevation", "theta", "distance", "px", "py")


@dataclass(frozen=True)
class Annotation:
    """What is known of an object; `viewpoint` is None where it was not annotated, or coarsely."""

    category: str
    # Left, top, right, bottom, pixels.
    box: tuple[float, float, float, float]
    flags: frozenset[str]
    viewpoint: dict[str, float] | None = None
    # Azimuth and elevation of the side that is seen, degrees, where nothing more was annotated.
    coarse: tuple[float, float] | None = None

    @property
    def empty(self) -> bool:
        """Whether the box holds no pixel."""
        left, top, right, bottom = self.box
        return not (int(left) < int(right) and int(top) < int(bottom))


def read_annotations(path: Path) -> list[Annotation]:
    """The objects of an annotation file, in its order."""
    import scipy.io

    try:
        record = scipy.io.loadmat(str(path), simplify_cells=True, variable_names=["record"])["record"]
        objects = record["objects"]
        return [_annotation(entry) for entry in ([objects] if isinstance(objects, dict) else list(objects))]
    except FileNotFoundError as error:
        raise FileNotFoundError(
            f"{path}: expected an annotation, got no such file; unpack the data set again"
        ) from error
    # A damaged file fails in scipy in many ways.
    except Exception as error:
        reason = " ".join(str(error).split())[:80] or type(error).__name__
        raise ValueError(f"{path}: expected an annotation of PASCAL3D+, got '{reason}'; unpack it again") from error


def _annotation(entry: dict[str, Any]) -> Annotation:
    box = np.asarray(entry["bbox"], dtype=np.float64).reshape(-1)
    if box.shape != (4,) or not np.isfinite(box).all():
        raise ValueError(f"a box {box.tolist()}")
    left, top, right, bottom = box.tolist()
    flags = frozenset(name for name in EXCLUSIONS if _number(entry.get(name, 0)))
    view = entry.get("viewpoint")
    return Annotation(str(entry["class"]), (left, top, right, bottom), flags, _viewpoint(view), _coarse(view))


def _coarse(entry: object) -> tuple[float, float] | None:
    """Azimuth and elevation of the side that is seen, where nothing more is known; 0 where that has no elevation."""
    if not isinstance(entry, dict) or _number(entry.get("distance")):
        return None
    azimuth, elevation = _number(entry.get("azimuth_coarse")), _number(entry.get("elevation_coarse", 0))
    return None if azimuth is None or elevation is None else (azimuth, elevation)


def _viewpoint(entry: object) -> dict[str, float] | None:
    """The numbers of a precise viewpoint; focal length and viewport are 1 and 3000 where they are left out."""
    if not isinstance(entry, dict):
        return None
    numbers = {name: _number(entry.get(name)) for name in _VIEWPOINT}
    numbers |= {"focal": _number(entry.get("focal", 1)), "viewport": _number(entry.get("viewport", 3000))}
    known = {name: number for name, number in numbers.items() if number is not None and np.isfinite(number)}
    sound = len(known) == len(numbers) and known["distance"] != 0 and known["focal"] * known["viewport"] > 0
    return known if sound else None


def _number(value: object) -> float | None:
    """A number, wrapped in however many arrays."""
    array = np.asarray(value if value is not None else [])
    return float(array.reshape(-1)[0]) if array.size == 1 and array.dtype.kind in "buif" else None
