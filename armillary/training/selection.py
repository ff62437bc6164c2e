"""Part of a data set: some of its categories, the first views of each."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Protocol, runtime_checkable

import torch
from jaxtyping import Int
from torch import Tensor

from armillary.data import Reader, Sample


@runtime_checkable
class Labelled(Protocol):
    """A reader that knows every sample's category without opening its picture."""

    categories: Int[Tensor, " samples"]


class Selection(Reader):
    """Some samples of another reader.

    Args:
        reader: the whole data set.
        objects: names of the categories to keep, all of which must be there; none: all.
        views: keep the first so many of each category; None: all.
    """

    def __init__(self, reader: Reader, objects: Sequence[str] = (), views: int | None = None) -> None:
        names = reader.info.categories
        missing = [name for name in objects if name not in names]
        if missing:
            raise ValueError(
                f"data set {reader.info.name}: expected the objects {', '.join(objects)}, got none called "
                f"{', '.join(missing)} among {', '.join(names)}; name other --objects or another data set"
            )
        kept = [names.index(name) for name in objects] or list(range(len(names)))
        self.reader = reader
        self.number = {category: number for number, category in enumerate(kept)}
        self.index = first_views(_categories(reader), kept, views)
        info = reader.info
        self.info = replace(
            info,
            categories=tuple(names[category] for category in kept),
            symmetries=tuple(info.symmetries[category] for category in kept),
            centres=None if info.centres is None else info.centres[kept],
            radii=None if info.radii is None else info.radii[kept],
        )

    def __len__(self) -> int:
        return len(self.index)

    def __getitem__(self, index: int) -> Sample:
        sample = self.reader[int(self.index[index])]
        return replace(sample, category=self.number[sample.category])


def first_views(categories: Int[Tensor, " samples"], kept: Sequence[int], views: int | None) -> Int[Tensor, " chosen"]:
    """Places of the first views of each of the kept categories, in order.

    Example:
        >>> first_views(torch.tensor([0, 1, 0, 2, 1, 0]), [0, 1], 2)
        tensor([0, 1, 2, 4])
    """
    places = [(categories == category).nonzero().flatten()[:views] for category in kept]
    return torch.cat(places).sort().values


def _categories(reader: Reader) -> Int[Tensor, " samples"]:
    if isinstance(reader, Labelled) and len(reader.categories) == len(reader):
        return reader.categories
    return torch.tensor([reader[index].category for index in range(len(reader))], dtype=torch.int64)
