"""The pictures of the comparisons: views to train on and views of the same kind that are kept apart.

- `symsol`: the five SYMSOL I solids, one camera, one light; other views of the same solids are the test.
- `zoo`: ten families of the zoo in the protocol of ModelNet10-SO(3): some members of each family are trained on, a
  few views each; the test shows members never seen. Errors are to the labelled rotation itself, as there.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

from armillary.data import ImageStore
from armillary.data.rendering import rendered_store
from armillary.data.shapes import Shape, make_shape, make_solid

SYMSOL_I = ("tet", "cube", "icosa", "cone", "cyl")
FAMILIES = ("aeroplane", "bed", "boat", "bookshelf", "car", "chair", "lamp", "monitor", "sofa", "table")
# Members of each family; those of the test have numbers of their own.
TRAINING_MEMBERS, TEST_MEMBERS, FIRST_TEST_MEMBER = 50, 10, 100_000
TRAINING_SEED, TEST_SEED = 0, 1
# Views of each solid that are kept apart.
TEST_VIEWS = 200


@dataclass(frozen=True)
class Pictures:
    """Training and test views, and whether each reading of a label draws one that the symmetry makes equivalent."""

    training: ImageStore
    test: ImageStore
    equivalent_labels: bool


def pictures(data: str, size: int, views: int, folder: Path) -> Pictures:
    """The pictures of a protocol by its name, drawn once and kept in a folder."""
    parts = [folder / f"{data}-{views}-{size}px" / part for part in ("training", "test")]
    if not all((part / "info.json").exists() for part in parts):
        for part, store in zip(parts, PROTOCOLS[data](size, views), strict=True):
            store.save(part)
    training, test = (ImageStore.load(part) for part in parts)
    return Pictures(training, test, equivalent_labels=data == "symsol")


def symsol(size: int, views: int) -> tuple[ImageStore, ImageStore]:
    """So many views of each of five solids, and some others."""
    shapes = [make_solid(name) for name in SYMSOL_I]
    return _drawn(shapes, views, size, TRAINING_SEED), _drawn(shapes, TEST_VIEWS, size, TEST_SEED)


def zoo(size: int, views: int) -> tuple[ImageStore, ImageStore]:
    """So many views of each of 50 members of ten families, and 10 views of each of 10 other members."""
    training, test = _members(0, TRAINING_MEMBERS), _members(FIRST_TEST_MEMBER, TEST_MEMBERS)
    return _drawn(training, views, size, TRAINING_SEED), _drawn(test, 10, size, TEST_SEED)


def _drawn(shapes: Sequence[Shape], views: int, size: int, seed: int) -> ImageStore:
    return rendered_store(shapes, views, size, seed, margin=1.0)


def _members(first: int, count: int) -> list[Shape]:
    made = [(family, make_shape(family, seed)) for family in FAMILIES for seed in range(first, first + count)]
    return [Shape(family, shape.mesh) for family, shape in made]


PROTOCOLS: Mapping[str, Callable[[int, int], tuple[ImageStore, ImageStore]]] = MappingProxyType(
    {"symsol": symsol, "zoo": zoo}
)
