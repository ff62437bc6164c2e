"""Files that are either whole or absent: written under a temporary name in the same folder, then renamed."""

import contextlib
import errno
import os
from collections.abc import Iterator
from pathlib import Path

_FULL = (errno.ENOSPC, errno.EDQUOT)
_TOLD = "the disk is full: expected room for the file; free some and repeat the command"


def write_atomically(path: Path, content: bytes) -> None:
    """Write a file whole, or leave what was there and raise; a full disk is told in one line.

    Example:
        >>> import tempfile
        >>> folder = tempfile.TemporaryDirectory()
        >>> write_atomically(Path(folder.name) / "a.json", b"{}")
        >>> os.listdir(folder.name)
        ['a.json']
        >>> folder.cleanup()
    """
    with replacing(path) as temporary:
        temporary.write_bytes(content)


@contextlib.contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """A temporary file beside ``path`` to be written in the block; then it takes the name, or goes on an error.

    Example:
        >>> import tempfile
        >>> folder = tempfile.TemporaryDirectory()
        >>> with replacing(Path(folder.name) / "a.txt") as temporary:
        ...     length = temporary.write_text("whole")
        >>> (Path(folder.name) / "a.txt").read_text()
        'whole'
        >>> folder.cleanup()
    """
    temporary = path.with_name(f".{path.name}.tmp")
    try:
        with naming_when_full(path):
            yield temporary
            os.replace(temporary, path)
    except BaseException:
        # The disk may refuse even this; the name then still says that the file is temporary.
        with contextlib.suppress(OSError):
            temporary.unlink(missing_ok=True)
        raise


@contextlib.contextmanager
def naming_when_full(path: Path) -> Iterator[None]:
    """Name the file or folder in the error of a full disk: a failing write knows only its number."""
    try:
        yield
    except OSError as error:
        if error.errno not in _FULL or error.strerror == _TOLD:
            raise
        raise OSError(error.errno, _TOLD, str(path)) from None


def remove_temporaries(folder: Path) -> None:
    """Remove what an interrupted `write_atomically` left in a folder."""
    for leftover in folder.glob(".*.tmp"):
        leftover.unlink(missing_ok=True)
