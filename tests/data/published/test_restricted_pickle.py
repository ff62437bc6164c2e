"""A pickle may hold numpy arrays and plain containers; whatever else it asks for is refused by name and never run."""

import pickle
from collections import OrderedDict
from pathlib import Path

import numpy as np
import pytest

from armillary.data.published.restricted_pickle import load_restricted, loads_restricted


class Shell:
    """Pickles into a call of a shell."""

    def __reduce__(self):
        import os

        return os.system, ("touch pickle_ran",)


# Written by Python 2.7, protocol 2: {"bed_0001.v001": numpy.array([0.5, -0.5, 0.5, 0.5])}; bytes are latin1 text there.
PYTHON2 = (
    b"\x80\x02}q\x00U\rbed_0001.v001q\x01cnumpy.core.multiarray\n_reconstruct\nq\x02cnumpy\nndarray\nq\x03K\x00\x85q\x04"
    b"U\x01bq\x05\x87q\x06Rq\x07(K\x01K\x04\x85q\x08cnumpy\ndtype\nq\tU\x02f8q\nK\x00K\x01\x87q\x0bRq\x0c(K\x03U\x01<q\r"
    b"NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00tq\x0eb\x89U \x00\x00\x00\x00\x00\x00\xe0?"
    b"\x00\x00\x00\x00\x00\x00\xe0\xbf\x00\x00\x00\x00\x00\x00\xe0?\x00\x00\x00\x00\x00\x00\xe0?q\x0ftq\x10bs."
)


def test_a_pickle_of_python_2_loads():
    loaded = loads_restricted(PYTHON2, "viewID2quat.pkl")
    assert list(loaded) == ["bed_0001.v001"]
    assert loaded["bed_0001.v001"].tolist() == [0.5, -0.5, 0.5, 0.5]


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
@pytest.mark.parametrize(
    "value",
    [
        {"a": np.arange(6.0).reshape(2, 3), "b": [1, 2.5, None, True, "text", b"\xff\x00"]},
        OrderedDict(x=np.float32(0.25), y=(np.int64(7), {1, 2})),
        np.array([("id", 3)], dtype=[("name", "U8"), ("count", "<i4")]),
        np.zeros((3, 0), dtype=np.uint8),
        np.asfortranarray(np.arange(6).reshape(2, 3)),
    ],
    ids=("containers", "scalars", "records", "empty", "fortran"),
)
def test_arrays_and_containers_come_back_as_they_were(value, protocol: int):
    loaded = loads_restricted(pickle.dumps(value, protocol), "a.pkl")
    assert type(loaded) is type(value)
    assert repr(loaded) == repr(value)


def test_anything_else_is_refused_by_name_and_does_not_run(tmp_path: Path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "bad.pkl").write_bytes(pickle.dumps({"quat": Shell()}))
    with pytest.raises(ValueError, match=r"bad\.pkl: expected numpy arrays.*asks for (posix|nt)\.system") as caught:
        load_restricted(tmp_path / "bad.pkl")
    assert "\n" not in str(caught.value) and not (tmp_path / "pickle_ran").exists()


@pytest.mark.parametrize(
    ("content", "asked"),
    [
        (b"c__builtin__\neval\n(S'1'\ntR.", "__builtin__.eval"),
        (b"cnumpy\nload\n(S'x'\ntR.", "numpy.load"),
        (b"cnumpy.core.multiarray\nfromfile\n.", "numpy.core.multiarray.fromfile"),
        (b"cbuiltins\ngetattr\n.", "builtins.getattr"),
        (b"\x80\x04\x8c\x05numpy\x8c\x0ddtype.__new__\x93.", "numpy.dtype.__new__"),
    ],
)
def test_names_near_the_allowed_ones_are_refused(content: bytes, asked: str):
    with pytest.raises(ValueError, match=f"asks for {asked};"):
        loads_restricted(content, "a.pkl")


def test_an_array_of_objects_goes_through_the_same_gate():
    array = np.empty(1, dtype=object)
    array[0] = Shell()
    with pytest.raises(ValueError, match="system"):
        loads_restricted(pickle.dumps(array), "a.pkl")


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"not a pickle",
        PYTHON2[:-40],
        PYTHON2[:60],
        b"cnumpy\nndarray\n(K\x05tR.",
        b"c_codecs\nencode\n(S'a'\nS'zip'\ntR.",
    ],
)
def test_damage_is_told_in_one_line(content: bytes):
    with pytest.raises(ValueError, match="a.pkl: expected numpy arrays and plain containers, got a damaged") as caught:
        loads_restricted(content, "a.pkl")
    assert "\n" not in str(caught.value)


def test_a_missing_file_is_named(tmp_path: Path):
    with pytest.raises(FileNotFoundError, match=r"gone\.pkl: expected a pickle"):
        load_restricted(tmp_path / "gone.pkl")
