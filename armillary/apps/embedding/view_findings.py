"""Novel views of a chain measured: drawn from the turned embedding, against the input itself and the nearest view."""

import torch

from armillary.apps.embedding.run import EmbeddingRun
from armillary.apps.plots.view_sheet import compared_views, view_sheet_png
from armillary.data.evenly import evenly_chosen
from armillary.evaluation.novel_views import NovelViewFigures, nearest_known_view, novel_view_figures
from armillary.evaluation.relative_pairs import sample_pairs
from armillary.harmonics import rotate_s2
from armillary.training.embedding.synthesiser import draw_views

SEED, SHOWN = 13, 8


def view_findings(run: EmbeddingRun, count: int) -> tuple[NovelViewFigures, bytes]:
    """Figures of so many pairs of views of shapes never seen, and a sheet of some of them."""
    views, known = run.material.views("test"), run.material.views("train")
    pairs = sample_pairs(views, count, generator=torch.Generator().manual_seed(SEED))
    relative = pairs.second_rotation @ pairs.first_rotation.mT
    inputs, truth = (run.pictures(views[index]) for index in (pairs.first, pairs.second))
    nearest = nearest_known_view(pairs.second_rotation, known.rotations, pairs.category, known.category)
    turned = rotate_s2(run.embed(views[pairs.first]), relative[:, None])
    drawn = draw_views(run.synthesiser, turned, inputs)
    answers = {"drawn": drawn, "copy": inputs, "nearest view": run.pictures(known[nearest])}
    figures = novel_view_figures(relative, truth, answers)
    shown = evenly_chosen(count, SHOWN)
    names = [pairs.categories[index] for index in pairs.category[shown].tolist()]
    some = {name: pictures[shown] for name, pictures in answers.items()}
    return figures, view_sheet_png(*compared_views(inputs[shown], truth[shown], some, relative[shown], names))
