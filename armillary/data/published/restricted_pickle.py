"""Pickles of numpy arrays and plain containers, and of nothing else.

A pickle is a program: it may ask for any function of any module and call it. Of the functions a pickle of arrays needs
there are a few, and each is replaced here by one that does no more than it must; any other name is refused. Pickles of
Python 2 load: their strings are read as latin1, and the modules' old names are known.

Reference: pickle, "Restricting globals", https://docs.python.org/3/library/pickle.html#restricting-globals
"""

import io
import pickle
from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

# What stands for numpy.ndarray while a pickle is read: `_reconstruct` takes it, calling it is an error.
_ARRAY = object()
_ALLOWED = "expected numpy arrays and plain containers"


def _reconstruct(kind: object, shape: tuple, typecode: str | bytes) -> np.ndarray:
    """The empty array that numpy's pickles begin with; their next step fills it."""
    if kind is not _ARRAY:
        raise pickle.UnpicklingError(f"expected an array, got {kind!r:.40}")
    return np.empty(0, dtype=np.int8)


def _dtype(text: str | bytes, *flags: object) -> np.dtype:
    """A type of numbers from its name ('f8')."""
    return np.dtype(text.decode("ascii") if isinstance(text, bytes) else text)


def _scalar(dtype: np.dtype, content: bytes | str) -> Any:  # noqa: ANN401
    """One number from its bytes."""
    raw = content.encode("latin1") if isinstance(content, str) else content
    return np.frombuffer(raw, dtype=dtype, count=1)[0]


def _from_buffer(content: bytes | bytearray, dtype: np.dtype, shape: tuple, order: str) -> np.ndarray:
    """An array from its bytes (protocol 5)."""
    return np.frombuffer(content, dtype=dtype).reshape(shape, order="F" if order == "F" else "C")


def _encode(text: str, codec: str = "latin1") -> bytes:
    """Bytes, as Python 3 writes them in Python 2's protocol."""
    if codec not in ("latin1", "latin-1"):
        raise pickle.UnpicklingError(f"expected bytes as latin1, got {codec!r:.40}")
    return text.encode("latin1")


_NUMPY = {"_reconstruct": _reconstruct, "scalar": _scalar}
_BUILTINS: dict[str, Callable] = {
    kind.__name__: kind for kind in (set, frozenset, bytes, bytearray, complex, list, dict)
}
_NAMES: dict[str, dict[str, object]] = {
    "numpy": {"ndarray": _ARRAY, "dtype": _dtype},
    # numpy 1 and numpy 2.
    "numpy.core.multiarray": {**_NUMPY},
    "numpy._core.multiarray": {**_NUMPY},
    "numpy.core.numeric": {"_frombuffer": _from_buffer},
    "numpy._core.numeric": {"_frombuffer": _from_buffer},
    "_codecs": {"encode": _encode},
    "collections": {"OrderedDict": OrderedDict},
    # Python 2 and Python 3.
    "__builtin__": {**_BUILTINS},
    "builtins": {**_BUILTINS},
}


class _Unpickler(pickle.Unpickler):
    """Knows the names above."""

    def find_class(self, module: str, name: str, /) -> Any:  # noqa: ANN401
        try:
            return _NAMES[module][name]
        except KeyError:
            raise _RefusedNameError(f"{module}.{name}") from None


class _RefusedNameError(pickle.UnpicklingError):
    """A pickle asks for a name that is not among those allowed."""


def loads_restricted(content: bytes, source: str) -> Any:  # noqa: ANN401
    """What a pickle holds, if that is arrays and plain containers.

    Args:
        content: the pickle.
        source: the file, for messages.

    Example:
        >>> loads_restricted(pickle.dumps({"a": np.zeros(2)}), "a.pkl")
        {'a': array([0., 0.])}
        >>> loads_restricted(pickle.dumps(Path.cwd), "a.pkl")
        Traceback (most recent call last):
        ...
        ValueError: a.pkl: expected numpy arrays and plain containers, got a pickle that asks for builtins.getattr; \
it was not loaded, and nothing in it ran: download the file again from where the data set is published
    """
    try:
        return _Unpickler(io.BytesIO(content), encoding="latin1").load()
    except _RefusedNameError as error:
        raise ValueError(
            f"{source}: {_ALLOWED}, got a pickle that asks for {error}; it was not loaded, and nothing in it ran: "
            "download the file again from where the data set is published"
        ) from error
    # A damaged pickle fails in as many ways as there are instructions.
    except Exception as error:
        reason = " ".join(str(error).split())[:80] or type(error).__name__
        raise ValueError(f"{source}: {_ALLOWED}, got a damaged pickle ({reason}); download it again") from error


def load_restricted(path: Path) -> Any:  # noqa: ANN401
    """What a pickle file holds, if that is arrays and plain containers."""
    try:
        content = path.read_bytes()
    except FileNotFoundError as error:
        raise FileNotFoundError(f"{path}: expected a pickle, got no such file; download it again") from error
    return loads_restricted(content, str(path))
