"""``armillary spacecraft``: which of its words, and its help."""

from collections.abc import Sequence

from armillary.apps.parse import closest

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
    words = list(arguments)
    if not words or words[0] in ("-h", "--help"):
        print(HELP)
        return
    word, rest = words[0], words[1:]
    if word == "render":
        from armillary.apps.spacecraft.render import main as command
    elif word == "train":
        from armillary.apps.spacecraft.train import main as command
    elif word == "evaluate":
        from armillary.apps.spacecraft.evaluate import main as command
    elif word == "predict":
        from armillary.apps.spacecraft.predict import main as command
    else:
        raise ValueError(f"unknown word {word}; {closest(word, WORDS)}")
    command(rest, started)
