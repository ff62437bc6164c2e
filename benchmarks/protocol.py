"""The pictures of the comparisons: views to train on and views of the same kind that are kept apart.

- `symsol`: the five SYMSOL I solids, one camera, one light; other views of the same solids are the test.
- `zoo`: ten families of the zoo in the protocol of ModelNet10-SO(3): some members of each family are trained on, a
  few views each; the test shows members never seen. Errors are to the labelled rotation itself, as there.
- `objects`: an aeroplane, a car and a chair of the zoo; other views of the same objects are the test.
- `points:FOLDER`: the same with models given as points on their surface, drawn as shaded patches on white:
  FOLDER/CATEGORY_train.npz and FOLDER/CATEGORY_test.npz with `points` (models, points, 3), `scale` and `center`.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

from armillary.data import ImageStore
from armillary.data.rendering import rendered_store
from armillary.data.rendering.lighting import BackgroundKind
from armillary.data.shapes import Shape, make_shape, make_solid
from armillary.data.shapes.collection import folder_models, zoo_members

OBJECTS = ("aeroplane", "car", "chair")
SYMSOL_I = ("tet", "cube", "icosa", "cone", "cyl")
FAMILIES = ("aeroplane", "bed", "boat", "bookshelf", "car", "chair", "lamp", "monitor", "sofa", "table")
# Members of each family; those of the test have numbers of their own.
TRAINING_MEMBERS, TEST_MEMBERS, FIRST_TEST_MEMBER = 50, 10, 100_000
TRAINING_SEED, TEST_SEED = 0, 1
# Views of each solid that are kept apart, and of each model never seen.
TEST_VIEWS, TEST_VIEWS_OF_A_MODEL = 200, 4


@dataclass(frozen=True)
class Pictures:
    """Training and test views, and whether each reading of a label draws one that the symmetry makes equivalent."""

    training: ImageStore
    test: ImageStore
    equivalent_labels: bool


def pictures(data: str, size: int, views: int, folder: Path) -> Pictures:
    """The pictures of a protocol by its name, drawn once and kept in a folder."""
    name, _, source = data.partition(":")
    parts = [folder / f"{name}-{views}-{size}px" / part for part in ("training", "test")]
    if not all((part / "info.json").exists() for part in parts):
        for part, store in zip(parts, PROTOCOLS[name](size, views, source), strict=True):
            store.save(part)
    training, test = (ImageStore.load(part) for part in parts)
    return Pictures(training, test, equivalent_labels=name == "symsol")


def symsol(size: int, views: int, _source: str) -> tuple[ImageStore, ImageStore]:
    """So many views of each of five solids, and some others."""
    shapes = [make_solid(name) for name in SYMSOL_I]
    return _drawn(shapes, views, size, TRAINING_SEED), _drawn(shapes, TEST_VIEWS, size, TEST_SEED)


def objects(size: int, views: int, _source: str) -> tuple[ImageStore, ImageStore]:
    """So many views of each of three objects, and some others."""
    shapes = [Shape(name, make_shape(name).mesh) for name in OBJECTS]
    return _drawn(shapes, views, size, TRAINING_SEED), _drawn(shapes, TEST_VIEWS, size, TEST_SEED)


def zoo(size: int, views: int, _source: str) -> tuple[ImageStore, ImageStore]:
    """So many views of each of 50 members of ten families, and 10 views of each of 10 other members."""
    parts = (0, TRAINING_MEMBERS), (FIRST_TEST_MEMBER, TEST_MEMBERS)
    training, test = ([Shape(s.name, s.mesh) for s in zoo_members(FAMILIES, *part)] for part in parts)
    return _drawn(training, views, size, TRAINING_SEED), _drawn(test, 10, size, TEST_SEED)


def points(size: int, views: int, source: str) -> tuple[ImageStore, ImageStore]:
    """So many views of each training model, and 4 of each of the official test models."""
    training, test = (folder_models(source, split) for split in ("train", "test"))
    drawn = _drawn(training, views, size, TRAINING_SEED, "white")
    return drawn, _drawn(test, TEST_VIEWS_OF_A_MODEL, size, TEST_SEED, "white")


def _drawn(
    shapes: Sequence[Shape], views: int, size: int, seed: int, background: BackgroundKind = "black"
) -> ImageStore:
    return rendered_store(shapes, views, size, seed, margin=1.0, background=background)


PROTOCOLS: Mapping[str, Callable[[int, int, str], tuple[ImageStore, ImageStore]]] = MappingProxyType(
    {"symsol": symsol, "objects": objects, "zoo": zoo, "points": points}
)
