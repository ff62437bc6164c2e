"""``armillary normals``: which of its words, and its help."""

from collections.abc import Sequence

from armillary.apps.words import run_word

WORDS = ("render", "train", "evaluate", "predict")

HELP = """usage: armillary normals render | train | evaluate | predict [OPTIONS]

Surface normals: from one picture to the direction of the surface at each of its pixels.

  armillary normals render --scenes 2000 --out rooms                  rooms with exact normals, to train on
  armillary normals render --scenes 200 --split test --out rooms      and others to measure on
  armillary normals train --data rooms --minutes 15 --out run         --kind flat or direct: the rivals
  armillary normals evaluate run --data rooms --out evaluation        figures and a sheet; several runs side by side
  armillary normals predict run photo.jpg more/ --out predictions     a picture of any size to colours and a 16-bit file

armillary normals WORD --help explains the options.
"""


def main(arguments: Sequence[str], started: float) -> None:
    """Run the command."""
    run_word("armillary.apps.normals", WORDS, HELP, arguments, started)
