"""Batches for training: random views of an image store, augmented as a whole on the device, with no worker processes.

What step k sees depends on the seed and on k alone, so a resumed run continues exactly where it stopped, and nothing
about the feed has to be saved.
"""

from collections.abc import Iterator
from dataclasses import replace

import torch
from jaxtyping import Int
from lightning.pytorch import LightningDataModule
from torch import Tensor

from armillary.data import Augmentation, Batch, ImageStore
from armillary.training.equivalent import random_equivalents
from armillary.training.randomness import mixed_seed


class Feed:
    """An endless iterable of augmented batches, from ``first_step`` on.

    Args:
        store: the crops; moved to ``device`` at once where they fill less than half of its free memory.
        augmentation: one random view per sample.
        batch_size: samples per step and process.
        seed: of order and augmentation.
        first_step: the step to begin with.
        rank, world_size: this process among those that share the steps.
        device: where batches are made.
        channels_last: memory format of the images.
        equivalent_labels: take a random label of those that the object's symmetry makes equivalent.
        among: places in the store of the samples to draw; all of them by default.
    """

    def __init__(
        self,
        store: ImageStore,
        augmentation: Augmentation,
        batch_size: int,
        seed: int = 0,
        first_step: int = 0,
        rank: int = 0,
        world_size: int = 1,
        device: torch.device | str = "cpu",
        channels_last: bool = False,
        equivalent_labels: bool = False,
        among: Int[Tensor, " places"] | None = None,
    ) -> None:
        self.device = torch.device(device)
        self.store = store.to(self.device) if fits(store, self.device) else store
        self.among = torch.arange(len(store)) if among is None else among
        self.augmentation = augmentation
        self.batch_size = batch_size
        self.seed = seed
        self.first_step = first_step
        self.rank = rank
        self.world_size = world_size
        self.equivalent_labels = equivalent_labels
        self.format = torch.channels_last if channels_last else torch.contiguous_format
        self._order: tuple[int, Tensor] = (-1, torch.empty(0, dtype=torch.int64))

    def __iter__(self) -> Iterator[Batch]:
        step = self.first_step
        while True:
            yield self.batch(step)
            step += 1

    def batch(self, step: int) -> Batch:
        """The batch of one step."""
        generator = torch.Generator(self.device).manual_seed(mixed_seed(self.seed, step * self.world_size + self.rank))
        chosen = self.store[self.indices(step).to(self.store.images.device)].to(self.device)
        if self.equivalent_labels:
            symmetries = chosen.info.symmetries
            labels = random_equivalents(chosen.rotations, chosen.category, symmetries, generator)
            chosen = replace(chosen, rotations=labels)
        batch = self.augmentation(chosen, generator)
        return replace(batch, images=batch.images.contiguous(memory_format=self.format))

    def indices(self, step: int) -> Int[Tensor, " batch"]:
        """Which samples a step sees: one shuffled pass over them after another, cut into batches."""
        first = (step * self.world_size + self.rank) * self.batch_size
        positions = torch.arange(first, first + self.batch_size)
        epochs, places = positions // len(self.among), positions % len(self.among)
        parts = [self._permutation(epoch)[places[epochs == epoch]] for epoch in epochs.unique().tolist()]
        return self.among[torch.cat(parts)]

    def _permutation(self, epoch: int) -> Int[Tensor, " samples"]:
        if self._order[0] != epoch:
            generator = torch.Generator().manual_seed(mixed_seed(self.seed + 1, epoch))
            self._order = (epoch, torch.randperm(len(self.among), generator=generator))
        return self._order[1]


class FeedModule(LightningDataModule):
    """Makes the feed once the trainer knows its device, its rank and the step it resumes from.

    Args:
        store: the crops to train on.
        augmentation: random views.
        batch_size: samples per step, shared by all processes.
        seed: of order and augmentation.
        channels_last: memory format of the images.
        equivalent_labels: take random labels among the equivalent ones.
        among: places in the store to draw from; all by default.
    """

    def __init__(
        self,
        store: ImageStore,
        augmentation: Augmentation,
        batch_size: int,
        seed: int,
        channels_last: bool,
        equivalent_labels: bool = False,
        among: Int[Tensor, " places"] | None = None,
    ) -> None:
        super().__init__()
        self.store = store
        self.augmentation = augmentation
        self.batch_size = batch_size
        self.seed = seed
        self.channels_last = channels_last
        self.equivalent_labels = equivalent_labels
        self.among = among

    def train_dataloader(self) -> Feed:
        """The feed of this process."""
        trainer = self.trainer
        assert trainer is not None
        return Feed(
            self.store,
            self.augmentation,
            max(1, self.batch_size // trainer.world_size),
            self.seed,
            first_step=trainer.global_step,
            rank=trainer.global_rank,
            world_size=trainer.world_size,
            device=trainer.strategy.root_device,
            channels_last=self.channels_last,
            equivalent_labels=self.equivalent_labels,
            among=self.among,
        )

    def transfer_batch_to_device(self, batch: Batch, device: torch.device, dataloader_idx: int) -> Batch:
        """Nothing: the feed makes its batches on the device."""
        return batch


def hold_out(store: ImageStore, fraction: float, seed: int) -> tuple[ImageStore, ImageStore | None]:
    """Split a store by view: the part to train on and the held-out part (None for fraction 0).

    Views are held out at random. Neighbouring frames of a video are nearly the same view, so for videos name a second
    data set instead.
    """
    training, held_out = hold_out_places(len(store), fraction, seed)
    if len(held_out) == 0:
        return store, None
    return store[training], store[held_out]


def hold_out_places(
    count: int, fraction: float, seed: int
) -> tuple[Int[Tensor, " training"], Int[Tensor, " held_out"]]:
    """Places of the samples to train on and of those held out, each in order.

    Example:
        >>> [len(part) for part in hold_out_places(20, 0.25, seed=0)]
        [15, 5]
    """
    held = round(count * fraction)
    order = torch.randperm(count, generator=torch.Generator().manual_seed(seed))
    return order[held:].sort().values, order[:held].sort().values


def fits(store: ImageStore, device: torch.device) -> bool:
    """Whether a GPU has room for a store and as much again; there, crops need not cross the bus at each step."""
    if device.type != "cuda":
        return device.type != "cpu"
    return 2 * store.images.nbytes < torch.cuda.mem_get_info(device)[0]
