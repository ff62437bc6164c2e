"""Files that are either whole or absent: written under a temporary name in the same folder, then renamed."""

import contextlib
import errno
import os
from pathlib import Path

_FULL = (errno.ENOSPC, errno.EDQUOT)


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
    temporary = path.with_name(f".{path.name}.tmp")
    try:
        temporary.write_bytes(content)
        os.replace(temporary, path)
    except OSError as error:
        # The disk may refuse even this; the name then still says that the file is temporary.
        with contextlib.suppress(OSError):
            temporary.unlink(missing_ok=True)
        if error.errno in _FULL:
            raise OSError(
                error.errno, "the disk is full: expected room for the file; free some and repeat the command", str(path)
            ) from None
        raise


def remove_temporaries(folder: Path) -> None:
    """Remove what an interrupted `write_atomically` left in a folder."""
    for leftover in folder.glob(".*.tmp"):
        leftover.unlink(missing_ok=True)
