"""The ``armillary`` command: which command, its options, and errors of one line.

Nothing heavy is imported before the command is known, so help answers at once.
"""

import errno
import os
import sys
import time
import warnings
from collections.abc import Sequence
from importlib import import_module

# When the command began: budgets in minutes count from here, imports included.
STARTED = time.perf_counter()

COMMANDS = {
    "demo": "the whole idea in ten minutes: render five solids, train, evaluate, write a report",
    "render": "make a data set (BOP format) from meshes or procedural shapes",
    "train": "train a model on a data set: rendered, photographs, BOP; or `train embedding`",
    "evaluate": "measure a trained model on held-out data, or `evaluate embedding`: metrics.json and report.html",
    "predict": "orientation of the object in pictures: a plot and a JSON for each",
    "track": "an object through the frames of a film: smoothed poses, a plot over time, a strip of pictures",
    "normals": "surface normals of pictures: render rooms, train, evaluate, predict",
    "spacecraft": "six-degree poses of a spacecraft from whole frames: render, train, evaluate, predict",
    "turn": "a picture of an object, seen from other sides: a page with a slider, a GIF",
    "relative": "the rotation between pictures of one object: score, peaks, a density, axes on both",
    "sphere": "meshes, points and voxels as functions on the sphere: arrays and a picture",
    "data": "published data sets: list, check, convert and look at them",
    "bench": "figures of papers, drawn again: gradient norms of Spherical Regression",
    "convert-checkpoint": "a checkpoint of the original Image2Sphere to a model folder",
}

# The file of each command, where it is not that of its name.
MODULES = {name: name.replace("-", "_") for name in COMMANDS} | {
    "relative": "embedding.relative",
    "turn": "embedding.turn",
    "train embedding": "embedding.train",
    "evaluate embedding": "embedding.evaluate",
}

HELP = f"""usage: armillary COMMAND [OPTIONS]

From one image of an object to a probability distribution over its 3D rotation.

commands:
{chr(10).join(f"  {name:<20}{summary}" for name, summary in COMMANDS.items())}

examples:
  armillary demo --out demo
  armillary render tet cube part.stl --views 2000 --out rendered
  armillary train --data rendered --minutes 15 --out run
  armillary evaluate run --data held_out --out evaluation
  armillary predict run photo.jpg more_photos/ --out predictions

armillary COMMAND --help explains a command's options. A mistake ends with one line and exit status 2;
ARMILLARY_TRACEBACK=1 in the environment shows where it was noticed.
"""


# What to do about an error of the operating system.
REMEDIES = {
    errno.ENOSPC: "free some space or choose another folder",
    errno.EDQUOT: "free some space or choose another folder",
    errno.EACCES: "check the permissions",
    errno.EROFS: "choose a folder that can be written to",
    errno.EEXIST: "a file is in the way: choose another folder",
    errno.ENOTDIR: "a file is in the way: choose another folder",
    errno.EISDIR: "expected a file, got a folder; name a file",
    errno.ENOENT: "check the path",
}


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; returns the exit status (0 done, 2 the user can mend it, 130 interrupted)."""
    words = list(sys.argv[1:] if arguments is None else arguments)
    try:
        with warnings.catch_warnings():
            warnings.showwarning = _note
            _run(words)
    except (ValueError, OSError) as error:
        if os.environ.get("ARMILLARY_TRACEBACK"):
            raise
        print(f"armillary: error: {_one_line(error)}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("armillary: interrupted; the same command takes up render and train where they stopped", file=sys.stderr)
        return 130
    return 0


def _run(words: list[str]) -> None:
    if not words or words[0] in ("-h", "--help", "help"):
        print(HELP)
        return
    if words[0] in ("-V", "--version"):
        from armillary import __version__

        print(__version__)
        return
    pair = " ".join(words[:2])
    name, rest = (pair, words[2:]) if pair in MODULES else (words[0], words[1:])
    if name not in MODULES:
        from armillary.apps.parse import closest

        raise ValueError(f"unknown command {name}; {closest(name, COMMANDS)}")
    import_module(f"armillary.apps.{MODULES[name]}").main(rest, STARTED)


def _note(message: Warning | str, *place: object) -> None:
    """A warning as one line, in place of Python's two: the user cares for the file named, not for our source line."""
    print(f"armillary: note: {' '.join(str(message).split())}", file=sys.stderr)


def _one_line(error: Exception) -> str:
    if isinstance(error, OSError) and error.strerror:
        name = f"{error.filename}: " if error.filename else ""
        plain = error.errno is not None and error.strerror == os.strerror(error.errno)
        remedy = f"; {REMEDIES[error.errno]}" if plain and error.errno in REMEDIES else ""
        return f"{name}{error.strerror}{remedy}"
    return " ".join(str(error).split()) or type(error).__name__


if __name__ == "__main__":
    sys.exit(main())
