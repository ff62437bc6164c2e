"""Everything a chain of trainings depends on."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from typing import Any, Literal

from armillary.data.rendering.lighting import BackgroundKind
from armillary.data.rendering.scene import LightKind
from armillary.data.shapes import FAMILIES
from armillary.models.spherical_embedding import SphericalEmbeddingConfig
from armillary.models.spherical_teacher import SphericalTeacherConfig
from armillary.models.view_synthesis import ViewSynthesisConfig
from armillary.training.embedding.student import MapLoss
from armillary.training.embedding.teacher import Turns
from armillary.training.stage import StageConfig

# Half the side of the published network and a block less on each scale: on the zoo no worse, and three times as fast.
TEACHER = SphericalTeacherConfig(side=32, channels=(16, 32, 32, 64, 64, 64), halve=(2, 4), embedding=3)
# Families of the zoo that neither teacher nor student sees.
UNSEEN = ("bed", "goblet", "hammer", "rocket", "teapot")
# The stages in their order; rivals are trained on the student's pictures to compare with.
StageName = Literal["teacher", "student", "synthesiser", "siamese", "absolute"]
CHAIN: tuple[StageName, ...] = ("teacher", "student", "synthesiser")
RIVALS: tuple[StageName, ...] = ("siamese", "absolute")


@dataclass(frozen=True)
class MaterialConfig:
    """Shapes and pictures."""

    # zoo, or a folder of models by category and split (data/shapes/collection.py).
    source: str = "zoo"
    # Categories that are kept for the end; with a folder none by default.
    unseen: tuple[str, ...] = UNSEEN
    # Members of each family of the zoo that are trained on.
    members: int = 150
    # Other members of each family, and of each unseen one, to measure on.
    test_members: int = 20
    # Pictures of each shape that is trained on.
    views: int = 40
    # Pictures of each shape that is measured on.
    test_views: int = 10
    # Width and height of the pictures, pixels.
    size: int = 48
    # Light: the same for all pictures, or random for each.
    lights: LightKind = "studio"
    # What stands behind the object.
    background: BackgroundKind = "black"
    # Of the views.
    seed: int = 0

    def __post_init__(self) -> None:
        if min(self.members, self.views) < 1 or min(self.test_members, self.test_views) < 2 or self.size < 16:
            raise ValueError(
                "expected members and views of at least 1, test_members and test_views of 2 and size of 16, got "
                f"{self.members}, {self.views}, {self.test_members}, {self.test_views} and {self.size}; correct them"
            )
        if self.source == "zoo":
            unknown = [name for name in self.unseen if name not in FAMILIES]
            if unknown:
                raise ValueError(f"expected unseen families among {', '.join(FAMILIES)}, got {unknown[0]}; correct it")

    def seen(self) -> tuple[str, ...]:
        """Families of the zoo that are trained on."""
        return tuple(name for name in FAMILIES if name not in self.unseen)


@dataclass(frozen=True)
class EmbeddingTrainConfig:
    """One chain: shapes and pictures, a teacher, a student, a synthesiser, and rivals of the student.

    Example:
        >>> EmbeddingTrainConfig().material.seen()[:3]
        ('aeroplane', 'boat', 'bolt')
    """

    material: MaterialConfig = field(default_factory=MaterialConfig)
    # The teacher; its classes are the categories.
    teacher: SphericalTeacherConfig = TEACHER
    # Rotations of the teacher's training: any, or about the axis objects stand on.
    turns: Turns = "so3"
    # The student; its channels, degree and picture size follow from the others.
    student: SphericalEmbeddingConfig = SphericalEmbeddingConfig(width=16)
    # The student's loss.
    loss: MapLoss = field(default_factory=MapLoss)
    # The synthesiser; its channels, degree and picture size follow from the others.
    synthesiser: ViewSynthesisConfig = ViewSynthesisConfig(palette=4)
    # How the teacher is trained.
    teacher_training: StageConfig = StageConfig(minutes=3.0, batch_size=16, learning_rate=3e-3, weight_decay=1e-4)
    # How the student and its rivals are trained.
    student_training: StageConfig = StageConfig(minutes=25.0, learning_rate=5e-3, precision="bf16-mixed")
    # How the synthesiser is trained.
    synthesiser_training: StageConfig = StageConfig(minutes=20.0, batch_size=32)

    def to_json(self) -> dict[str, Any]:
        """Plain values that `json.dump` takes."""
        return asdict(self)

    @classmethod
    def from_json(cls, record: Mapping[str, Any]) -> "EmbeddingTrainConfig":
        """The inverse of `to_json`, lists made tuples again.

        Example:
            >>> config = EmbeddingTrainConfig()
            >>> EmbeddingTrainConfig.from_json(config.to_json()) == config
            True
        """
        default = cls()
        values = {
            part.name: type(getattr(default, part.name))(**_tuples(record[part.name]))
            for part in fields(cls)
            if part.name in record and part.name != "turns"
        }
        return cls(**values, turns=record.get("turns", "so3"))


def _tuples(record: Mapping[str, Any]) -> dict[str, Any]:
    return {key: tuple(value) if isinstance(value, list) else value for key, value in record.items()}
