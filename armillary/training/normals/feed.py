"""Batches for training on normals. What step k sees depends on the seed and on k alone, so a resumed run continues."""

from collections.abc import Iterator

import torch
from jaxtyping import Int
from lightning.pytorch import LightningDataModule
from torch import Tensor

from armillary.data.normals import NormalAugmentation, NormalBatch, NormalStore
from armillary.training.randomness import step_generator


class NormalFeed:
    """An endless iterable of random views of a store's pictures.

    Args:
        store: the pictures.
        augmentation: one random view of each.
        batch_size: pictures per step.
        seed: of order and augmentation.
        first_step: the step to begin with.
    """

    def __init__(
        self, store: NormalStore, augmentation: NormalAugmentation, batch_size: int, seed: int = 0, first_step: int = 0
    ) -> None:
        self.store, self.augmentation = store, augmentation
        self.batch_size, self.seed, self.first_step = batch_size, seed, first_step

    def __iter__(self) -> Iterator[NormalBatch]:
        step = self.first_step
        while True:
            yield self.batch(step)
            step += 1

    def batch(self, step: int) -> NormalBatch:
        """The batch of one step."""
        batch = self.augmentation(self.store[self.indices(step)], step_generator(self.seed, step))
        # Convolutions like the channels of a pixel together in memory.
        images = batch.images.contiguous(memory_format=torch.channels_last)
        return NormalBatch(images, batch.normals, batch.mask)

    def indices(self, step: int) -> Int[Tensor, " batch"]:
        """Which pictures a step sees: one shuffled pass over them after another, cut into batches."""
        count = len(self.store)
        positions = torch.arange(step * self.batch_size, (step + 1) * self.batch_size)
        epochs = (positions // count).unique().tolist()
        orders = {epoch: torch.randperm(count, generator=step_generator(self.seed + 1, epoch)) for epoch in epochs}
        return torch.stack([orders[int(place) // count][int(place) % count] for place in positions])


class NormalFeedModule(LightningDataModule):
    """Makes the feed once the trainer knows the step it resumes from.

    Args:
        store: the pictures.
        augmentation: random views.
        batch_size: pictures per step.
        seed: of order and augmentation.
    """

    def __init__(self, store: NormalStore, augmentation: NormalAugmentation, batch_size: int, seed: int) -> None:
        super().__init__()
        self.store, self.augmentation, self.batch_size, self.seed = store, augmentation, batch_size, seed

    def train_dataloader(self) -> NormalFeed:
        """The feed."""
        assert self.trainer is not None
        return NormalFeed(self.store, self.augmentation, self.batch_size, self.seed, self.trainer.global_step)

    def transfer_batch_to_device(self, batch: NormalBatch, device: torch.device, dataloader_idx: int) -> NormalBatch:
        """The batch on the trainer's device."""
        return NormalBatch(batch.images.to(device), batch.normals.to(device), batch.mask.to(device))
