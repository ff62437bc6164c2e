"""The chain: shapes and pictures, teacher, student, synthesiser; each in a folder of its own, each taken up again.

::

    RUN/
      config.json       the whole configuration
      material/         shapes and pictures
      teacher/          run folders (training/run_folder.py), each with model/
      student/
      synthesiser/
      siamese/, absolute/     rivals of the student, where they are asked for
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path

from jaxtyping import Float
from torch import Tensor

from armillary.models.siamese_regression import SiameseRegressionConfig
from armillary.models.spherical_embedding import SphericalEmbedding
from armillary.models.spherical_teacher import SphericalTeacher
from armillary.training.embedding.absolute import train_absolute
from armillary.training.embedding.config import CHAIN, EmbeddingTrainConfig, StageName
from armillary.training.embedding.material import Material
from armillary.training.embedding.shape_set import ShapeSet
from armillary.training.embedding.siamese import SiameseStage
from armillary.training.embedding.student import StudentStage
from armillary.training.embedding.synthesiser import SynthesiserStage
from armillary.training.embedding.teacher import TeacherStage
from armillary.training.run_folder import check_folder, open_folder
from armillary.training.stage import run_stage

# Settings that the calls of one run may give anew.
BUDGETS = ("teacher_training", "student_training", "synthesiser_training")


def train_embedding(
    config: EmbeddingTrainConfig, folder: Path, stages: Sequence[StageName] = CHAIN, stop_after: int | None = None
) -> bool:
    """Train the stages in their order, or take the chain up where it stopped; whether all are done.

    Args:
        config: everything the result depends on.
        folder: of the run; one that holds a chain of the same configuration is taken up.
        stages: which of them; each needs those before it in the chain.
        stop_after: stop each stage after so many steps although its budget is not used up.
    """
    check_folder(folder, config.to_json(), BUDGETS)
    material = Material(folder / "material", config.material, config.teacher.side // 2 - 1)
    material.check()
    open_folder(folder, config.to_json())
    material.prepare()
    for name in stages:
        if not STAGES[name](config, folder, material, stop_after):
            return False
    return True


def load_maps(folder: Path, shapes: ShapeSet) -> Float[Tensor, "shapes channels coeffs"]:
    """The maps that the teacher of a run makes of shapes as they stand."""
    return SphericalTeacher.from_pretrained(folder / "teacher" / "model").forward_coeffs(shapes.coeffs).embedding


def _teacher(config: EmbeddingTrainConfig, folder: Path, material: Material, stop_after: int | None) -> bool:
    def make() -> TeacherStage:
        shapes, held_out = material.shapes("train"), material.shapes("test")
        network = replace(config.teacher, classes=len(shapes.categories)).build()
        return TeacherStage(network, shapes, held_out, config.turns)

    settings = {"source": config.material.source, "turns": config.turns}
    return run_stage(make, config.teacher_training, folder / "teacher", settings, stop_after)


def _student(config: EmbeddingTrainConfig, folder: Path, material: Material, stop_after: int | None) -> bool:
    def make() -> StudentStage:
        network = replace(config.student, **_sizes(config)).build()
        held_out = material.shapes("test")
        maps, held_out_maps = (load_maps(folder, shapes) for shapes in (material.shapes("train"), held_out))
        views = material.views("train"), maps, material.views("test"), held_out_maps, held_out.symmetries
        return StudentStage(network, *views, config.loss)

    settings = {"source": config.material.source, "loss": asdict(config.loss)}
    return run_stage(make, config.student_training, folder / "student", settings, stop_after)


def _synthesiser(config: EmbeddingTrainConfig, folder: Path, material: Material, stop_after: int | None) -> bool:
    def make() -> SynthesiserStage:
        network = replace(config.synthesiser, **_sizes(config)).build()
        maps = load_maps(folder, material.shapes("train"))
        student = SphericalEmbedding.from_pretrained(folder / "student" / "model")
        return SynthesiserStage(network, material.views("train"), maps, student, material.views("test"))

    settings = {"source": config.material.source}
    return run_stage(make, config.synthesiser_training, folder / "synthesiser", settings, stop_after)


def _siamese(config: EmbeddingTrainConfig, folder: Path, material: Material, stop_after: int | None) -> bool:
    def make() -> SiameseStage:
        rival = SiameseRegressionConfig(encoder=config.student.encoder, image_size=config.material.size)
        parts = [(material.views(part), material.shapes(part).symmetries) for part in ("train", "test")]
        return SiameseStage(rival.build(), *parts[0], *parts[1])

    settings = {"source": config.material.source}
    return run_stage(make, config.student_training, folder / "siamese", settings, stop_after)


def _absolute(config: EmbeddingTrainConfig, folder: Path, material: Material, stop_after: int | None) -> bool:
    return train_absolute(config, folder / "absolute", material.views("train"), stop_after)


STAGES: Mapping[StageName, Callable[[EmbeddingTrainConfig, Path, Material, int | None], bool]] = {
    "teacher": _teacher,
    "student": _student,
    "synthesiser": _synthesiser,
    "siamese": _siamese,
    "absolute": _absolute,
}


def _sizes(config: EmbeddingTrainConfig) -> dict[str, int]:
    """What student and synthesiser have from the teacher and the pictures."""
    block = config.teacher.embedding
    lmax = config.teacher.sides[block] // 2 - 1
    return {"channels": config.teacher.channels[block], "lmax": lmax, "image_size": config.material.size}
