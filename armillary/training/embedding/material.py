"""What a chain is trained and measured on: shapes and their pictures, made once and kept.

::

    RUN/material/
      train/        shapes.npz (ShapeSet), views/ (ImageStore)
      test/         other shapes of the same categories
      unseen/       shapes of categories that are not trained on
      test-upright/, unseen-upright/     the same shapes, seen by a camera on the view sphere: views/ alone
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from armillary.data import ImageStore
from armillary.data.rendering import rendered_store
from armillary.data.shapes import Shape
from armillary.data.shapes.collection import folder_models, model_paths, zoo_members
from armillary.training.embedding.config import MaterialConfig
from armillary.training.embedding.shape_set import ShapeSet

Part = Literal["train", "test", "unseen"]
PARTS: tuple[Part, ...] = ("train", "test", "unseen")
# Members of the zoo with numbers from here on are for tests.
FIRST_TEST_MEMBER = 100_000
UPRIGHT = "-upright"


@dataclass(frozen=True)
class Material:
    """The folder of shapes and pictures; what is not there is made when it is asked for."""

    folder: Path
    config: MaterialConfig
    # Largest degree of the shapes' maps.
    lmax: int

    def parts(self) -> tuple[Part, ...]:
        """Without "unseen" where no category is kept."""
        return PARTS if self.config.unseen else PARTS[:2]

    def check(self) -> None:
        """ValueError where the source has no models."""
        if self.config.source != "zoo":
            for split in ("train", "test"):
                model_paths(self.config.source, split, self.config.unseen)

    def prepare(self) -> None:
        """Make whatever is missing, each shape once."""
        for part in self.parts():
            shapes = None
            paths = [self._views(part, upright) for upright in ((False,) if part == "train" else (False, True))]
            if not self._shapes(part).exists():
                shapes = self._make(part)
                ShapeSet.cast(shapes, self.lmax).save(self._shapes(part))
            for upright, path in enumerate(paths):
                if not (path / "info.json").exists():
                    shapes = shapes or self._make(part)
                    self._draw(shapes, part, bool(upright)).save(path)

    def shapes(self, part: Part) -> ShapeSet:
        """The shapes of a part."""
        return ShapeSet.load(self._shapes(part))

    def views(self, part: Part, upright: bool = False) -> ImageStore:
        """The pictures of a part; those of an upright camera where asked for, which "train" has not."""
        return ImageStore.load(self._views(part, upright))

    def meshes(self, part: Part) -> list[Shape]:
        """The shapes themselves, made again."""
        return self._make(part)

    def _shapes(self, part: Part) -> Path:
        return self.folder / part / "shapes.npz"

    def _views(self, part: Part, upright: bool) -> Path:
        return self.folder / f"{part}{UPRIGHT if upright else ''}" / "views"

    def _make(self, part: Part) -> list[Shape]:
        config = self.config
        if config.source == "zoo":
            families = config.unseen if part == "unseen" else config.seen()
            first, count = (0, config.members) if part == "train" else (FIRST_TEST_MEMBER, config.test_members)
            return zoo_members(families, first, count)
        split = "train" if part == "train" else "test"
        shapes = folder_models(config.source, split, config.unseen if part == "unseen" else ())
        shapes = [shape for shape in shapes if (shape.name in config.unseen) == (part == "unseen")]
        # As members of the zoo are: about the middle of a bounding sphere of radius 1.
        return [replace(shape, mesh=shape.mesh.centred().scaled()) for shape in shapes]

    def _draw(self, shapes: Sequence[Shape], part: Part, upright: bool) -> ImageStore:
        config = self.config
        return rendered_store(
            shapes,
            config.views if part == "train" else config.test_views,
            config.size,
            # Another seed for each part.
            config.seed + 2 * PARTS.index(part) + upright,
            margin=1.0,
            lights=config.lights,
            background=config.background,
            poses="viewsphere" if upright else "uniform",
        )
