"""``armillary spacecraft``: which of its words, and its help."""

from collections.abc import Sequence

from armillary.apps.words import run_word

WORDS = ("render", "train", "evaluate", "predict")

HELP = """usage: armillary spacecraft render | train | evaluate | predict [OPTIONS]

Six-degree poses of a spacecraft: from a whole frame to a density over rotations and a position in metres.

  armillary spacecraft render --out satellite                         a satellite in three lights, laid out as SPEED+
  armillary spacecraft train --data satellite --minutes 25 --out run  a detector and a pose model, on synthetic alone
  armillary spacecraft evaluate run --data satellite --out scores     Kelvins scores by domain; --adapt to each domain
  armillary spacecraft predict run frame.png --out predictions        pose as JSON, and the model drawn over the frame

armillary spacecraft WORD --help explains the options.
"""


def main(arguments: Sequence[str], started: float) -> None:
    """Run the command."""
    run_word("armillary.apps.spacecraft", WORDS, HELP, arguments, started)
