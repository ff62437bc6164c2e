"""Whether the embedding of pictures carries shape: retrieval and few examples, of categories that no stage has seen."""

import torch

from armillary.apps.embedding.run import AT_ONCE, EmbeddingRun
from armillary.evaluation.few_shot import WAYS, ShapeFigures, degree_descriptor, pixel_descriptor, shape_figures
from armillary.training.embedding.student import shapes_of


@torch.no_grad()
def shape_findings(run: EmbeddingRun) -> list[ShapeFigures]:
    """Figures of the embedding, of the teacher's own maps, of rivals and of raw pixels; none without two categories."""
    if "unseen" not in run.material.parts() or len(run.material.shapes("unseen").categories) < 2:
        return []
    views, shapes = run.material.views("unseen"), run.material.shapes("unseen")
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
