"""Picture files in an LMDB environment: a folder with data.mdb that maps names to the bytes of JPEG files.

LMDB maps its file into memory and trusts it: reading a file that is shorter than its own count of pages ends the
process. So that count is compared with the file's size before anything is read. A database is opened anew in each
process (an environment must not cross a fork) and once in it.
"""

import contextlib
import functools
import os
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from lmdb import Environment, Transaction

_TOLD = "expected an LMDB environment, got '{}'; unpack the data set again"


class PictureDatabase:
    """The pictures of an LMDB folder, by name; read-only, needs no write permission, may be pickled to other processes.

    Args:
        folder: holds data.mdb.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._environment()

    def names(self) -> set[str]:
        """The names of all pictures (their contents are not touched)."""
        with self._reading() as transaction, transaction.cursor() as cursor:
            return {bytes(key).decode("utf-8", "replace") for key in cursor.iternext(keys=True, values=False)}

    def __len__(self) -> int:
        return self._environment().stat()["entries"]

    def __getitem__(self, name: str) -> bytes:
        with self._reading() as transaction:
            content = transaction.get(name.encode())
        if content is None:
            raise KeyError(name)
        return bytes(content)

    @contextlib.contextmanager
    def _reading(self) -> "Iterator[Transaction]":
        import lmdb

        try:
            with self._environment().begin() as transaction:
                yield transaction
        except lmdb.Error as error:
            raise ValueError(f"{self.folder}: {_TOLD.format(_reason(error))}") from error

    def _environment(self) -> "Environment":
        file = self.folder / "data.mdb"
        try:
            status = file.stat()
        except OSError as error:
            raise FileNotFoundError(f"{file}: expected an LMDB file, got none; unpack the data set again") from error
        return _open(str(self.folder), status.st_ino, status.st_size, status.st_mtime_ns, os.getpid())


# Opening the same environment twice in one process breaks it, so the readers of one folder share it.
@functools.lru_cache(maxsize=16)
def _open(folder: str, inode: int, size: int, modified: int, process: int) -> "Environment":
    import lmdb

    try:
        environment = lmdb.open(folder, readonly=True, lock=False, readahead=False, meminit=False, create=False)
    except lmdb.Error as error:
        raise ValueError(f"{folder}: {_TOLD.format(_reason(error))}") from error
    expected = (environment.info()["last_pgno"] + 1) * environment.stat()["psize"]
    if size < expected:
        environment.close()
        raise ValueError(
            f"{folder}/data.mdb: expected {expected:,} bytes, got {size:,}: the file is truncated; download it again"
        )
    return environment


def _reason(error: Exception) -> str:
    return " ".join(str(error).split())[:100]
