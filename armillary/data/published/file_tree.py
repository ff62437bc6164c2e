"""Files of a data set, in a folder or in a zip file that was never unpacked."""

import io
import os
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import IO


class FileTree:
    """Files by their path below a root; a zip file is opened anew in each process, and once in it.

    Args:
        root: a folder, or a zip file.
        below: a folder in it to begin from.
    """

    def __init__(self, root: Path, below: str = "") -> None:
        self.root = root
        self.below = below and below.rstrip("/") + "/"
        self._archive: tuple[int, zipfile.ZipFile] | None = None

    def __getstate__(self) -> dict[str, object]:
        return {**self.__dict__, "_archive": None}

    def __str__(self) -> str:
        return str(self.root / self.below) if self.below else str(self.root)

    def moved(self, below: str) -> "FileTree":
        """The tree that begins in a folder of this one."""
        tree = FileTree(self.root, f"{self.below}{below}")
        tree._archive = self._archive
        return tree

    def has(self, name: str) -> bool:
        """Whether there is a file."""
        if self.root.is_dir():
            return (self.root / f"{self.below}{name}").is_file()
        return f"{self.below}{name}" in self._zip().NameToInfo

    def files(self, folder: str) -> set[str]:
        """Names of the files right below a folder."""
        prefix = f"{self.below}{folder}/"
        if self.root.is_dir():
            place = self.root / prefix
            return {entry.name for entry in os.scandir(place)} if place.is_dir() else set()
        names = (name[len(prefix) :] for name in self._zip().namelist() if name.startswith(prefix))
        return {name for name in names if name and "/" not in name}

    def open(self, name: str) -> IO[bytes] | io.BufferedIOBase:
        """A file, to be read."""
        try:
            if self.root.is_dir():
                return (self.root / f"{self.below}{name}").open("rb")
            return self._zip().open(f"{self.below}{name}")
        except (KeyError, FileNotFoundError) as error:
            raise FileNotFoundError(f"{self}/{name}: expected a file, got none; unpack the data set again") from error

    def read(self, name: str) -> bytes:
        """A file's content."""
        with self.open(name) as file:
            try:
                return file.read()
            except (zipfile.BadZipFile, EOFError, OSError) as error:
                raise ValueError(f"{self}/{name}: expected a whole file, got '{error}'; download it again") from error

    def _zip(self) -> zipfile.ZipFile:
        process = os.getpid()
        if self._archive is None or self._archive[0] != process:
            try:
                self._archive = process, zipfile.ZipFile(self.root)
            except (zipfile.BadZipFile, OSError) as error:
                raise ValueError(f"{self.root}: expected a zip file, got '{error}'; download it again") from error
        return self._archive[1]


def find_tree(path: Path, holds: Callable[[FileTree], bool], nested: tuple[str, ...]) -> FileTree | None:
    """The place in a folder or zip file where a data set begins: at its top, or in one of the nested folders."""
    if not (path.is_dir() or (path.suffix == ".zip" and zipfile.is_zipfile(path))):
        return None
    top = FileTree(path)
    if path.is_file():
        # Opened once for all places.
        top.has("")
    return next((tree for below in ("", *nested) if holds(tree := top.moved(below))), None)
