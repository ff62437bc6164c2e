"""A training step of Image2Sphere, against the same step of its encoder alone with a linear layer to nine numbers.

Both do forward, backward and an AdamW step on the same pictures. What ours takes longer is the lift to the sphere, the
convolutions and activations on the sphere and on SO(3), and the exact likelihood with its normaliser: 1 / ratio - 1 of
a step, at most a tenth.
"""

from collections.abc import Iterator
from dataclasses import replace

import torch
from duel import Conditions, compete, duel
from row import Row
from torch import nn

from armillary.models import Image2SphereConfig
from armillary.nn import make_encoder
from armillary.so3 import random_rotations

BATCH, SIZE = 64, 224
TARGET = 1 / 1.1
CONFIG = Image2SphereConfig(encoder="resnet50:random", image_size=SIZE, lmax=6, sphere_channels=512)
# Ours by default, and what the original takes.
CONFIGS = {
    "all 104 points": CONFIG,
    "20 random points": replace(CONFIG, training_points=20),
    "lmax 10": replace(CONFIG, lmax=10),
}


class Plain(nn.Module):
    """The same encoder with nothing behind it but the smallest head that could say a rotation."""

    def __init__(self, encoder: str) -> None:
        super().__init__()
        self.encoder = make_encoder(encoder)
        self.head = nn.Linear(self.encoder.channels, 9)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Nine numbers per image."""
        return self.head(self.encoder(images).mean((-2, -1)))


def rows(conditions: Conditions) -> Iterator[Row]:
    """ResNet-50 at 224 px, batch 64, for each way to lift."""
    encoder = conditions.size(CONFIG.encoder, "small")
    size, batch = conditions.size((SIZE, BATCH), (64, 2))
    generator = torch.Generator().manual_seed(0)
    images = torch.rand(batch, 3, size, size, generator=generator).to(conditions.device)
    truth = random_rotations(batch, generator=generator).to(conditions.device)
    plain = Plain(encoder).train().to(conditions.device)
    plain_optimizer = torch.optim.AdamW(plain.parameters(), lr=1e-4)

    def plain_step() -> None:
        plain(images).square().mean().backward()
        plain_optimizer.step()
        plain_optimizer.zero_grad()

    for name, config in CONFIGS.items():
        model = replace(config, encoder=encoder, image_size=size).build().train().to(conditions.device)
        optimizer = torch.optim.AdamW(model.parameters(), lr=1e-4)

        def step(model: nn.Module = model, optimizer: torch.optim.Optimizer = optimizer) -> None:
            (-model(images).log_prob(truth).mean()).backward()
            optimizer.step()
            optimizer.zero_grad()

        yield duel(
            f"training step, {encoder}, {size} px, batch {batch}, {name} / encoder alone",
            step,
            plain_step,
            conditions,
            target=TARGET if config.lmax == CONFIG.lmax else None,
        )


if __name__ == "__main__":
    compete(__doc__, rows)
