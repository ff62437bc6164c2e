"""Laws of the feed: a function of seed and step, every sample once per pass, nothing held out is seen."""

import torch

from armillary.data import Augmentation
from armillary.training.feed import Feed, hold_out, hold_out_places


def test_a_batch_depends_on_seed_and_step_alone(store):
    first = Feed(store, Augmentation(size=32), 4, seed=3)
    second = Feed(store, Augmentation(size=32), 4, seed=3, first_step=7)
    for _ in range(7):
        first.batch(0)
    assert torch.equal(first.batch(7).images, next(iter(second)).images)
    other = Feed(store, Augmentation(size=32), 4, seed=4)
    assert not torch.equal(first.batch(7).images, other.batch(7).images)


def test_each_pass_sees_each_sample_once(store):
    feed = Feed(store, Augmentation(size=32), 6)
    indices = torch.cat([feed.indices(step) for step in range(10)])
    for each_pass in indices.split(len(store)):
        assert torch.equal(each_pass.sort().values, torch.arange(len(store)))


def test_processes_share_a_pass_without_overlap(store):
    feeds = [Feed(store, Augmentation(size=32), 5, rank=rank, world_size=2) for rank in range(2)]
    indices = torch.cat([feed.indices(step) for step in range(2) for feed in feeds])
    assert torch.equal(indices.sort().values, torch.arange(len(store)))


def test_a_batch_larger_than_the_store_wraps_around(store):
    assert Feed(store, Augmentation(size=32), 50).indices(0).shape == (50,)


def test_held_out_views_are_not_trained_on(store):
    training, held_out = hold_out(store, 0.25, 0)
    assert held_out is not None
    assert len(held_out) == 5 and len(training) == 15
    assert not set(training.names) & set(held_out.names)
    assert hold_out(store, 0.0, 0) == (store, None)


def test_a_feed_among_some_places_is_the_feed_of_that_part(store):
    training, held_out = hold_out_places(len(store), 0.25, 0)
    part, _ = hold_out(store, 0.25, 0)
    among = Feed(store, Augmentation(size=32), 6, seed=1, among=training)
    alone = Feed(part, Augmentation(size=32), 6, seed=1)
    for step in range(5):
        assert torch.equal(among.batch(step).images, alone.batch(step).images)
        assert not {*among.indices(step).tolist()} & {*held_out.tolist()}


def test_channels_last_changes_the_layout_only(store):
    plain, last = (Feed(store, Augmentation(size=32), 4, channels_last=flag).batch(0) for flag in (False, True))
    assert torch.equal(plain.images, last.images)
    assert last.images.is_contiguous(memory_format=torch.channels_last)
