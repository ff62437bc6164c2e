"""Laws of parts of a data set and of equivalent labels."""

import pytest
import torch

from armillary.data import Augmentation, DatasetInfo, Reader, Sample
from armillary.so3 import SymmetryGroup, random_rotations, rotation_z
from armillary.training.equivalent import random_equivalents
from armillary.training.feed import Feed
from armillary.training.selection import Selection


class Listed(Reader):
    """Nine samples of three categories in turn; opening one counts."""

    def __init__(self) -> None:
        groups = tuple(SymmetryGroup.cyclic(n) for n in (1, 2, 3))
        self.info = DatasetInfo("listed", ("a", "b", "c"), groups, torch.eye(3), torch.tensor([1.0, 2.0, 3.0]))
        self.opened = 0

    def __len__(self) -> int:
        return 9

    def __getitem__(self, index: int) -> Sample:
        self.opened += 1
        return Sample(torch.zeros(3, 4, 4), torch.eye(3), category=index % 3, name=str(index))


class Known(Listed):
    categories = torch.arange(9) % 3


def test_a_selection_keeps_order_and_renumbers():
    part = Selection(Listed(), ("c", "a"), views=2)
    assert [sample.name for sample in part] == ["0", "2", "3", "5"]
    assert [sample.category for sample in part] == [1, 0, 1, 0]
    assert part.info.categories == ("c", "a") and [group.order for group in part.info.symmetries] == [3, 1]
    assert part.info.radii is not None and part.info.radii.tolist() == [3.0, 1.0]


def test_known_categories_are_not_opened():
    for reader, opened in ((Known(), 0), (Listed(), 9)):
        assert len(Selection(reader, views=1)) == 3 and reader.opened == opened


def test_a_missing_object_is_named():
    with pytest.raises(ValueError, match="got none called cube among a, b, c"):
        Selection(Listed(), ("a", "cube"))


@pytest.mark.parametrize(
    "group", [SymmetryGroup.trivial(), SymmetryGroup.tetrahedral(), SymmetryGroup.axial(), SymmetryGroup.dihedral(3)]
)
def test_equivalent_labels_are_equivalent_and_all_occur(group, generator):
    rotations = random_rotations(400, generator=generator)
    turned = random_equivalents(rotations, torch.zeros(400, dtype=torch.int64), [group], generator)
    # float32 angles from matrices: the square root of rounding.
    assert group.distance(rotations, turned).max() < 2e-3
    relative = (rotations.mT @ turned).flatten(1)
    seen = len(torch.unique(relative.round(decimals=2), dim=0))
    # 400 draws miss one of 12 elements with probability 1e-14.
    assert seen == group.order if group.axis is None else seen > 200


def test_each_category_has_its_own_group(generator):
    rotations = rotation_z(torch.zeros(60))
    category = torch.arange(60) % 2
    groups = [SymmetryGroup.trivial(), SymmetryGroup.cyclic(2)]
    turned = random_equivalents(rotations, category, groups, generator)
    assert torch.equal(turned[category == 0], rotations[category == 0])
    assert 5 < (turned[category == 1][:, 0, 0] < 0).sum() < 25


def test_the_feed_draws_equivalent_labels_of_the_same_pictures(store):
    groups = (SymmetryGroup.cyclic(4),)
    symmetric = type(store)(**{**store.__dict__, "info": DatasetInfo("x", store.info.categories, groups)})
    still = Augmentation(size=32, turn=0.0, zoom=0.0, shift=0.0, gain=0.0, tone=0.0, noise=0.0, blur=0.0)
    one = Feed(symmetric, still, 20).batch(0)
    other, again = (Feed(symmetric, still, 20, equivalent_labels=True).batch(0) for _ in range(2))
    assert torch.equal(one.images, other.images) and torch.equal(other.rotations, again.rotations)
    assert not torch.equal(one.rotations, other.rotations)
    assert groups[0].distance(one.rotations, other.rotations).max() < 2e-3
