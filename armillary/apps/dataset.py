"""Which part of a data set a command means: a split, or a sample of its views."""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Int

from armillary.data import Reader, Sample, dataset_splits, open_dataset


def open_split(path: str, split: str | None, preferred: Sequence[str]) -> Reader:
    """The reader of a data set: of the named split, else of the first preferred one it has.

    Args:
        path: file or folder.
        split: as the user named it.
        preferred: split names to take without being told, best first.
    """
    if split is None:
        splits = dataset_splits(path)
        split = next((name for name in preferred if name in splits), None)
    return open_dataset(path, split)


class Sampled(Reader):
    """A part of another reader's views, as Spherical Regression draws its test sample of ModelNet10-SO(3).

    Args:
        reader: all views, for its sample in the order of viewID2quat.pkl.
        part: of them, in (0, 1]; 0.2 there.
    """

    def __init__(self, reader: Reader, part: float) -> None:
        if not 0.0 < part <= 1.0 or int(part * len(reader)) == 0:
            raise ValueError(
                f"expected a sample above 0 and up to 1 that holds a view, got {part:g} of {len(reader)} views; "
                "0.2 is the original's"
            )
        self.reader, self.info = reader, reader.info
        self.index = sample_places(len(reader), part)

    def __len__(self) -> int:
        return len(self.index)

    def __getitem__(self, index: int) -> Sample:
        return self.reader[int(self.index[index])]


def sample_places(count: int, part: float) -> Int[np.ndarray, " chosen"]:
    """Places of a sample without repetition, in order: seed 3 of numpy's first generator.

    Source: Spherical Regression, S3.3D_Rotation, Dataset_Base.py:113-118.

    Example:
        >>> sample_places(18160, 0.2)[:3].tolist(), len(sample_places(18160, 0.2))
        ([9, 14, 15], 3632)
    """
    return np.sort(np.random.RandomState(3).choice(count, int(part * count), replace=False))
