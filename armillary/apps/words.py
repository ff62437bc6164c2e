"""Commands of several words: ``armillary normals train``, each word a file of the command's folder."""

from collections.abc import Sequence
from importlib import import_module

from armillary.apps.parse import closest


def run_word(package: str, words: Sequence[str], usage: str, arguments: Sequence[str], started: float) -> None:
    """Run ``package.WORD.main`` with the rest of the arguments, or print the usage where there is no word.

    Args:
        package: Of the command, as "armillary.apps.normals".
        words: Those it knows.
        usage: What it prints when asked for help.
        arguments: After the command.
        started: When it began.

    Example:
        >>> run_word("armillary.apps.normals", ("render", "train"), "usage: ...", ["trian"], 0.0)
        Traceback (most recent call last):
        ...
        ValueError: unknown word trian; did you mean train?
    """
    if not arguments or arguments[0] in ("-h", "--help"):
        print(usage)
        return
    if arguments[0] not in words:
        raise ValueError(f"unknown word {arguments[0]}; {closest(arguments[0], words)}")
    import_module(f"{package}.{arguments[0]}").main(arguments[1:], started)
