"""``armillary relative``: the turn between pictures of one object.

After the network one pair takes 4 ms for the rotation with four peaks and their scores, 30 ms with density, normaliser,
probabilities and entropy: processor time of one core, 64 channels up to degree 7 (`benchmarks/relative_pair.py`).
"""

import io
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
import tyro
from jaxtyping import Float
from torch import Tensor
from tqdm import tqdm

from armillary.apps.embedding.picture import model_picture
from armillary.apps.embedding.relation import Relation, load_student
from armillary.apps.machine import check_output, checked_device
from armillary.apps.parse import parse
from armillary.apps.predict import find_pictures
from armillary.data.atomic import write_atomically
from armillary.data.record import write_json

DESCRIPTION = """The rotation between pictures of one object: how what the second shows has to be turned to look as in
the first. No pose of either is known or needed. Further pictures are each compared with the first.

DIR gets relative.json (rotation, score, the highest peaks, entropy), relative.png (axes put on the first picture, and
turned as found on the other; the distribution of the rotation), relative.npz (its coefficients). RUN is the folder of a
chain of trainings, `armillary train embedding --out RUN`. The object should stand before a plain background or be cut
out by an alpha channel. A low score, as of two different objects, is said.

examples:
  armillary relative a.png b.png --model run --out turn
  armillary relative a.png b.png c.png --model run --peaks 8 --out turns
"""


@dataclass(frozen=True)
class RelativeCommand:
    """Options of relative rotation."""

    # Picture files, at least two, or folders of them.
    images: tyro.conf.Positional[tuple[Path, ...]]

    # A run folder of `armillary train embedding`.
    model: Path

    # The folder for the results.
    out: Path

    # How many peaks of the distribution to list.
    peaks: int = 4

    # Take pictures whole, without looking for the object in them.
    whole: bool = False

    # Where to compute: cpu, cuda, cuda:1, ...
    device: str = "cuda" if torch.cuda.is_available() else "cpu"


def main(arguments: Sequence[str], started: float) -> None:
    """Run the command."""
    command = parse(RelativeCommand, arguments, "armillary relative", description=DESCRIPTION)
    if command.peaks < 1:
        raise ValueError(f"expected at least one peak, got {command.peaks}; give --peaks 4")
    files = find_pictures(command.images)
    if len(files) < 2:
        raise ValueError(f"{files[0]}: expected at least two pictures, got one; name another of the same object")
    check_output(command.out)
    student = load_student(command.model, checked_device(command.device))
    bar = tqdm(files, desc="reading", unit="image", delay=1)
    pictures = torch.stack([model_picture(file, student.size, command.whole) for file in bar])
    first, *others = student.embed(pictures)
    relations = [student.relate(first, other) for other in tqdm(others, desc="comparing", unit="pair", delay=1)]
    png = _picture(files, pictures, relations, command.peaks)
    named = list(zip(files[1:], relations, strict=True))
    command.out.mkdir(parents=True, exist_ok=True)
    pairs = [
        {"first": str(files[0]), "second": str(file), **relation.to_json(command.peaks)} for file, relation in named
    ]
    write_atomically(command.out / "relative.png", png)
    write_atomically(command.out / "relative.npz", _archive(files, relations, student.temperature))
    write_json(command.out / "relative.json", {"model": str(command.model), "pairs": pairs})
    for record in pairs:
        print(
            f"{record['second']} to {record['first']}: {record['angle_deg']:.1f}° about "
            f"({', '.join(f'{x:.2f}' for x in record['axis'])}), {record['confidence_15_deg']:.0%} within 15°; "
            f"{record['verdict']}"
        )
    print(f"see {command.out / 'relative.png'}, relative.json and relative.npz")


def _picture(
    files: Sequence[Path], pictures: Float[Tensor, "pictures 3 size size"], relations: Sequence[Relation], peaks: int
) -> bytes:
    """A row for each pair: both pictures with axes that turn from one to the other, the distribution, the peaks."""
    from armillary.apps.plots.density_map import DensityMap
    from armillary.apps.plots.drawing import Drawing, drawings_png
    from armillary.apps.plots.triad import UPRIGHT, TextLines, TriadPicture

    rows: list[list[Drawing]] = []
    for file, picture, relation in zip(files[1:], pictures[1:], relations, strict=True):
        lines = ["peaks:  turn  prob.  score"]
        for peak in relation.peaks(min(peaks, 6)):
            lines.append(f"{peak['angle_deg']:11.1f}°  {peak['probability']:4.0%}   {peak['score']:.2f}")
        said = f"{relation.confidence:.0%} within 15°"
        rows.append(
            [
                TriadPicture(pictures[0], UPRIGHT, caption=files[0].name),
                TriadPicture(picture, relation.rotation.mT.to(UPRIGHT) @ UPRIGHT, caption=file.name),
                DensityMap(relation.density, caption=f"rotation from {file.name} to {files[0].name}: {said}"),
                TextLines(tuple(lines), caption="LOW SCORE: perhaps two objects" if relation.is_low else ""),
            ]
        )
    return drawings_png(rows)


def _archive(files: Sequence[Path], relations: Sequence[Relation], temperature: float) -> bytes:
    buffer = io.BytesIO()
    coeffs = torch.stack([relation.density.coeffs for relation in relations]).numpy()
    rotations = torch.stack([relation.rotation for relation in relations]).numpy()
    scores = np.asarray([relation.score for relation in relations])
    names = np.asarray([str(file) for file in files])
    np.savez(
        buffer, log_density_coeffs=coeffs, rotations=rotations, scores=scores, names=names, temperature=temperature
    )
    return buffer.getvalue()
