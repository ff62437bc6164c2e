"""Whether the embedding of pictures carries shape: retrieval and few examples, of categories that no stage has seen."""

import torch

from armillary.apps.embedding.run import AT_ONCE, EmbeddingRun
from armillary.data.rendering import shapes_of
from armillary.evaluation.few_shot import WAYS, ShapeFigures, degree_descriptor, pixel_descriptor, shape_figures

# More than the five examples of an episode.
FEWEST_SHAPES = 6


@torch.no_grad()
def shape_findings(run: EmbeddingRun) -> list[ShapeFigures]:
    """Figures of the embedding, of the teacher's own maps, of rivals and of raw pixels.

    None where fewer than two categories, or fewer than six shapes of one, are kept for the end.
    """
    if "unseen" not in run.material.parts():
        return []
    views, shapes = run.material.views("unseen"), run.material.shapes("unseen")
    if len(shapes.categories) < 2 or int(shapes.category.bincount().min()) < FEWEST_SHAPES:
        return []
    images, shape = run.pictures(views), shapes_of(views)
    descriptors = {
        "student's embedding": degree_descriptor(run.embed(views)),
        "teacher's maps (given the mesh)": degree_descriptor(run.teacher.forward_coeffs(shapes.coeffs).embedding)[
            shape
        ],
        "raw pixels": pixel_descriptor(views.images),
    }
    if run.siamese is not None:
        found = torch.cat([run.siamese.features(part) for part in images.split(AT_ONCE)])
        descriptors["siamese rival's features"] = found
    return shape_figures(descriptors, views.category, shape, ways=min(WAYS, len(shapes.categories)))
