"""Relative rotation of a chain measured: the student, the teacher's own maps as upper bound, and the rivals.

Settings are pairs of views of one instance or of two of a category, by a free or by an upright camera, of categories
that were trained on or not; shapes are never those of the training.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import torch
from torch import Tensor
from tqdm import tqdm

from armillary.apps.embedding.calibration import calibrate
from armillary.apps.embedding.run import AT_ONCE, EmbeddingRun
from armillary.data import ImageStore
from armillary.data.rendering import shapes_of
from armillary.evaluation.relative_figures import RelativeFigures, relative_figures
from armillary.evaluation.relative_pairs import Kind, Pairs, RelativeAnswers, answer_by_correlation, sample_pairs
from armillary.training.embedding.material import Part
from armillary.training.embedding.shape_set import ShapeSet

SEED = 11
# Pairs for which the teacher looks at turned shapes: rays are cast anew for each view.
TARGET_PAIRS = 300


@dataclass(frozen=True)
class Setting:
    """Which pairs.

    Example:
        >>> Setting("unseen", upright=True).name
        'unseen category, same instance, 2-DoF'
    """

    part: Part
    kind: Kind = "same"
    upright: bool = False

    @property
    def name(self) -> str:
        """In tables."""
        category = "unseen category, " if self.part == "unseen" else ""
        return f"{category}{self.kind} instance, {'2' if self.upright else '3'}-DoF"


KINDS: tuple[tuple[Part, Kind], ...] = (("test", "same"), ("test", "different"), ("unseen", "same"))
SETTINGS = tuple(Setting(part, kind, upright) for part, kind in KINDS for upright in (False, True))


def relative_findings(run: EmbeddingRun, count: int) -> list[RelativeFigures]:
    """Figures of all methods in all settings, so many pairs in each."""
    temperature, found = calibrate(run)["temperature"], []
    for setting in tqdm([one for one in SETTINGS if one.part in run.material.parts()], desc="measuring pairs"):
        views = run.material.views(setting.part, setting.upright)
        groups = run.material.shapes(setting.part).symmetries
        generator = torch.Generator().manual_seed(SEED)
        pairs = sample_pairs(views, count, setting.kind, groups=groups, generator=generator)
        chosen, pairs = _only(pairs)
        views = views[chosen]
        answers = {"student": answer_by_correlation(run.embed(views), pairs, temperature)}
        for name, answer in _rivals(run).items():
            answers[name] = answer(views, pairs)
        found += [relative_figures(name, setting.name, pairs, answer) for name, answer in answers.items()]
        if setting == SETTINGS[0]:
            few = pairs[:TARGET_PAIRS]
            found.append(relative_figures("teacher's own maps", setting.name, few, _target(run, setting, views, few)))
    return found


def _only(pairs: Pairs) -> tuple[Tensor, Pairs]:
    """The rows of the store that pairs show, and the pairs with rows counted among these."""
    chosen, place = torch.cat([pairs.first, pairs.second]).unique(return_inverse=True)
    first, second = place.chunk(2)
    poses = pairs.first_rotation, pairs.second_rotation
    return chosen, Pairs(first, second, *poses, pairs.category, pairs.categories, pairs.group, pairs.groups)


def _rivals(run: EmbeddingRun) -> dict[str, Callable[[ImageStore, Pairs], RelativeAnswers]]:
    known = (("siamese 6-D", run.siamese, _by_siamese), ("two absolute answers", run.absolute, _by_absolute))
    return {name: partial(by, run) for name, model, by in known if model is not None}


@torch.no_grad()
def _by_siamese(run: EmbeddingRun, views: ImageStore, pairs: Pairs) -> RelativeAnswers:
    assert run.siamese is not None
    images, model = run.pictures(views), run.siamese
    features = torch.cat([model.features(part) for part in images.split(AT_ONCE)])
    return RelativeAnswers(model.rotation(features[pairs.first], features[pairs.second]))


@torch.no_grad()
def _by_absolute(run: EmbeddingRun, views: ImageStore, pairs: Pairs) -> RelativeAnswers:
    assert run.absolute is not None
    images, model = run.pictures(views), run.absolute
    modes = torch.cat([model(part).mode for part in images.split(AT_ONCE)])
    return RelativeAnswers(modes[pairs.first] @ modes[pairs.second].mT)


@torch.no_grad()
def _target(run: EmbeddingRun, setting: Setting, views: ImageStore, pairs: Pairs) -> RelativeAnswers:
    """By the teacher's maps of the shapes as they are turned in the views, rays cast anew."""
    chosen, pairs = _only(pairs)
    shapes = run.material.meshes(setting.part)
    shown = [shapes[shape] for shape in shapes_of(views)[chosen].tolist()]
    turned = ShapeSet.cast(shown, run.material.lmax, views.rotations[chosen])
    return answer_by_correlation(run.teacher.forward_coeffs(turned.coeffs).embedding, pairs)
