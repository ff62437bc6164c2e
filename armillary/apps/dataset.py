"""Which part of a data set a command means, when the user does not say."""

from collections.abc import Sequence

from armillary.data import Reader, dataset_splits, open_dataset


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
