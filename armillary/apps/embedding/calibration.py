"""What `armillary relative` says beside the rotation: the density's one number, and what scores mean.

Both are read off pairs of views of shapes that were not trained on, once the student is trained; weights stay.
"""

from typing import Any

import torch

from armillary.apps.embedding.chain import stage_folder
from armillary.apps.embedding.run import EmbeddingRun
from armillary.evaluation.relative import fit_temperature, relative_rotation
from armillary.evaluation.relative_pairs import sample_pairs

PAIRS, SEED = 512, 7


def calibrate(run: EmbeddingRun) -> dict[str, Any]:
    """Write temperature and scores into the student's metadata, unless they are there; returns them."""
    known = run.student_metadata
    if "temperature" not in known:
        known = {**known, **_calibration(run)}
        run.student.save_pretrained(stage_folder(run.folder, "student"), known)
    return {key: known[key] for key in ("temperature", "pair_scores")}


def _calibration(run: EmbeddingRun) -> dict[str, Any]:
    views, generator = run.material.views("test"), torch.Generator().manual_seed(SEED)
    embeddings = run.embed(views)
    pairs = sample_pairs(views, max(PAIRS, len(views.info.categories)), generator=generator)
    first, second = embeddings[pairs.first], embeddings[pairs.second]
    # Views of shapes of different categories: the second of each pair beside the first of another.
    other = pairs.category != pairs.category.roll(1)
    unlike = embeddings[pairs.second.roll(1)][other]
    scores = {
        "same": relative_rotation(first, second).score,
        "different": relative_rotation(first[other], unlike).score,
    }
    return {
        "temperature": fit_temperature(first, second, pairs.truth),
        "pair_scores": {name: [score.mean().item(), score.std().item()] for name, score in scores.items()},
    }
