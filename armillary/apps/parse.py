"""Command-line options from frozen dataclasses, with errors of one line.

tyro makes options and help out of the fields; what it says about a mistake is a box of text, which `parse` turns into a
`ValueError` that names the closest option.
"""

import contextlib
import difflib
import io
import re
from collections.abc import Iterable, Sequence
from typing import TypeVar

Command = TypeVar("Command")


def parse(
    kind: type[Command],
    arguments: Sequence[str],
    prog: str,
    description: str | None = None,
) -> Command:
    """Options as an instance of a frozen dataclass.

    Args:
        kind: the dataclass.
        arguments: the words after the command.
        prog: how the command is called, for the help.
        description: the help's opening; by default the docstring of ``kind``.

    Raises:
        ValueError: an unknown, missing or wrong option, in one line.
        SystemExit: after ``--help``.
    """
    import tyro

    config = (tyro.conf.AvoidSubcommands, tyro.conf.FlagCreatePairsOff)
    said = io.StringIO()
    try:
        with contextlib.redirect_stderr(said):
            return tyro.cli(kind, args=list(arguments), prog=prog, config=config, description=description)
    except SystemExit as stop:
        if not stop.code:
            raise
    raise ValueError(_one_line(said.getvalue(), prog, _known_options(kind, prog, config)))


def closest(word: str, known: Iterable[str]) -> str:
    """The end of a message about an unknown word: the nearest known one, or all of them.

    Example:
        >>> closest("phtos", ["photos", "mesh"])
        'did you mean photos?'
        >>> closest("zzz", ["photos", "mesh"])
        'expected one of photos, mesh'
    """
    known = list(known)
    near = difflib.get_close_matches(word, known, n=1, cutoff=0.5)
    return f"did you mean {near[0]}?" if near else f"expected one of {', '.join(known)}"


def _known_options(kind: type, prog: str, config: tuple) -> list[str]:
    import tyro

    said = io.StringIO()
    with contextlib.redirect_stdout(said), contextlib.suppress(SystemExit):
        tyro.cli(kind, args=["--help"], prog=prog, config=config)
    return sorted(set(re.findall(r"(?<![\w-])--[a-z][\w.-]*", said.getvalue())))


def _one_line(said: str, prog: str, known: list[str]) -> str:
    text = re.sub(r"\x1b\[[0-9;]*m", "", said)
    # The box around the message, drawn in dashes where the terminal knows no other lines.
    text = " ".join(re.sub(r"[│╭╮╰╯─]|-{5,}|(?<!\S)\|(?!\S)|(?<!\S)\+(?!\S)", " ", text).split())
    help_text = f"see {prog} --help"
    if "Unrecognized options:" in text:
        # tyro lists every word from the first unknown one on; options are the ones that begin with dashes.
        words = re.findall(r"--?[A-Za-z][\w.-]*", text.split("Unrecognized options:")[1].split("For full helptext")[0])
        unknown = [word for word in words if word not in known]
        if unknown:
            near = closest(unknown[0], known) if difflib.get_close_matches(unknown[0], known, cutoff=0.5) else ""
            return f"unknown option {unknown[0]}; {near + ' ' if near else ''}{help_text}"
        rest = text.split("Unrecognized options:")[1].split("For full helptext")[0].strip()
        return f"unexpected {rest}; {help_text}"
    if "Missing from" in text:
        words = re.findall(r"--[a-z][\w.-]*|\b[A-Z_]{3,}(?= )", text.split("Missing from")[1].split("For full")[0])
        missing = [word for word in words if word in known] or words[:1]
        return f"missing {', '.join(dict.fromkeys(missing))}; {help_text}"
    text = re.sub(r"'None', |'None'", "", text)
    text = re.split(r"Got errors:|Argument helptext:|For full helptext", text)[0]
    opening = r"^((Value error|Parsing error|Invalid choice|Missing argument|Error parsing \w+:) )+"
    return f"{re.sub(opening, '', text).strip()}; {help_text}"
