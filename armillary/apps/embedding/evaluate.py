"""``armillary evaluate embedding``: a chain measured on shapes that it has not seen."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
import tyro

from armillary.apps.embedding.relative_findings import relative_findings
from armillary.apps.embedding.run import EmbeddingRun
from armillary.apps.embedding.shape_findings import shape_findings
from armillary.apps.embedding.view_findings import view_findings
from armillary.apps.machine import check_output, flush_denormals, use_threads
from armillary.apps.parse import parse
from armillary.apps.report import Picture, page, picture_section, table_section
from armillary.data.atomic import write_atomically
from armillary.data.evenly import evenly_chosen
from armillary.data.record import write_json
from armillary.evaluation.few_shot import shape_table
from armillary.evaluation.relative_figures import category_table, relative_table
from armillary.models.spherical_teacher import block_errors
from armillary.so3 import random_rotations
from armillary.training.embedding.teacher import accuracy

DESCRIPTION = """Measure a chain of `armillary train embedding` on shapes that it has not seen.

DIR/tables.md, metrics.json and report.html: accuracy and equivariance error of the teacher; relative rotation of the
student, of its rivals and of the teacher's own maps; novel views against copying the input and the nearest known view;
whether the embedding tells shapes of categories never seen apart.

example:
  armillary evaluate embedding run --out evaluation
"""


@dataclass(frozen=True)
class EvaluateCommand:
    """Options of the evaluation."""

    # The folder of the chain.
    run: tyro.conf.Positional[Path]

    # The folder for the results.
    out: Path

    # Pairs of views, in each setting.
    pairs: int = 1000

    # Processor threads; by default one for each core.
    threads: int | None = None


def main(arguments: Sequence[str], started: float) -> None:
    """Run the command."""
    command = parse(EvaluateCommand, arguments, "armillary evaluate embedding", description=DESCRIPTION)
    check_output(command.out)
    use_threads(command.threads)
    flush_denormals()
    print(evaluate_embedding(command.run, command.out, command.pairs))
    print(f"see {command.out / 'report.html'}, tables.md and metrics.json")


def evaluate_embedding(folder: Path, out: Path, pairs: int) -> str:
    """Measure a chain; returns the tables as markdown, written to ``out`` with pictures.

    Args:
        folder: of the chain.
        out: for the results.
        pairs: of views, in each setting.
    """
    if pairs < 100:
        raise ValueError(f"expected --pairs of 100 or more, got {pairs}; medians of fewer mean little")
    run = EmbeddingRun(folder)
    relative = relative_findings(run, pairs)
    views, sheet = view_findings(run, pairs)
    carried = shape_findings(run)
    teacher = _teacher_record(run)
    tables = {
        "Teacher": _teacher_table(teacher),
        "Relative rotation": relative_table(relative),
        "Relative rotation, median error in degrees by category": category_table(relative[:1]),
        "Novel views": views.table(),
    }
    if carried:
        tables["Shapes of categories never seen"] = shape_table(carried)
    text = "\n\n".join(f"### {title}\n\n{table}" for title, table in tables.items()) + "\n"
    out.mkdir(parents=True, exist_ok=True)
    record = {"teacher": teacher, "relative": [one.to_json() for one in relative], "views": views.to_json()}
    write_json(out / "metrics.json", {**record, "shapes": [one.to_json() for one in carried]})
    write_atomically(out / "tables.md", text.encode())
    write_atomically(out / "views.png", sheet)
    sections = [table_section(title, table) for title, table in tables.items()]
    sections.append(picture_section(Picture("Views from other sides", sheet)))
    lead = "Measured on shapes that were not trained on."
    write_atomically(out / "report.html", page(f"Embedding of {folder.name}", lead, sections).encode())
    return text


@torch.no_grad()
def _teacher_record(run: EmbeddingRun) -> dict[str, object]:
    shapes, generator = run.material.shapes("test"), torch.Generator().manual_seed(0)
    turned = random_rotations(len(shapes), generator=generator)
    some = evenly_chosen(len(shapes), 64)
    errors = block_errors(run.teacher, shapes.coeffs[some], turned[some])
    return {
        "categories": len(shapes.categories),
        "shapes": len(shapes),
        "accuracy": accuracy(run.teacher, shapes),
        "accuracy_so3": accuracy(run.teacher, shapes, turned),
        "equivariance_errors": errors.tolist(),
    }


def _teacher_table(record: dict[str, object]) -> str:
    errors = record["equivariance_errors"]
    assert isinstance(errors, list)
    head = ["categories", "shapes", "accuracy", "turned", *(f"error, block {k + 1}" for k in range(len(errors)))]
    cells = [str(record["categories"]), str(record["shapes"])]
    cells += [f"{100 * record[name]:.1f} %" for name in ("accuracy", "accuracy_so3")]  # pyright: ignore
    lines = [head, ["---:"] * len(head), [*cells, *(f"{error:.1e}" for error in errors)]]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)
