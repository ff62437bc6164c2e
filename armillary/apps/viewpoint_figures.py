"""What an evaluation of a viewpoint model adds: the angles of every view, and the table of the task's literature."""

from pathlib import Path

import torch
from jaxtyping import Float
from torch import Tensor

from armillary.data.atomic import write_atomically
from armillary.evaluation import Predictions, rotation_error
from armillary.evaluation.viewpoint_table import format_table, viewpoint_table, write_viewpoints
from armillary.so3 import matrix_to_viewpoint


def viewpoint_figures(
    folder: Path, predictions: Predictions, turns: Float[Tensor, "views 3 3"], legacy: bool = False
) -> str:
    """Write viewpoints.txt and viewpoint_table.txt; returns the table.

    Angles are those of the camera of the whole picture. Errors are to the labelled rotation itself, whatever the
    symmetry, as in the published tables.

    Args:
        folder: of the evaluation.
        predictions: in the cameras of the crops.
        turns: picture's camera to crop's.
        legacy: add the table of errors divided by the square root of 2.
    """
    rotations = turns.double().mT @ predictions.mode.double()
    viewpoints = torch.stack(matrix_to_viewpoint(rotations), -1)
    write_viewpoints(folder / "viewpoints.txt", predictions.names, viewpoints)
    error = rotation_error(predictions.mode, predictions.truth)
    names = predictions.info.categories
    tables = [
        format_table(viewpoint_table(error, predictions.category, names, old), old)
        for old in (False, True)[: 1 + legacy]
    ]
    text = "\n\n".join(tables)
    write_atomically(folder / "viewpoint_table.txt", f"{text}\n".encode())
    return text
