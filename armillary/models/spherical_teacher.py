"""Spherical CNN that names a shape from its map on the sphere, and whose inner maps turn with the shape.

Two branches, one for each channel of the map (ray length; sine of the angle between ray and normal), eight blocks each;
at the blocks that halve the map, the first branch also reads the second. Global averages of both name the shape; a
further classifier, for training alone, reads the second branch.

Two styles. "released" is the published network: values on Driscoll-Healy grids, kernels of 8 knots (4 on the last map,
8 x 8), weighted average pooling, 492,752 parameters at the default sizes with 40 classes. "modern" passes on
coefficients: spectral pooling, batch norm on coefficients, oversampled SiLU, residual blocks, the norm of each degree
in the head.

Where the publication is open: a halving block convolves at the finer resolution (then the parameters are those
counted); the embedding is the first branch's map after block ``embedding``, by default the last one of a quarter of the
side (16 x 16 of 64); with one branch the network reads one channel, as the cross-domain code does.

Equivariance error of the first branch, from the input to a block (`block_errors`), and that of the logits; untrained,
at side 64, inputs that fall with (1 + l)^-1.5. The released error is that of its pooling, see nn/sphere_pooling.py:

    ========================  =======  =======  =======  =======  =======
    style                     block 1  block 3  block 5  block 7  logits
    ========================  =======  =======  =======  =======  =======
    released                  0.005    0.11     0.36     1.2      0.006
    released, spectra pooled  0.005    0.004    0.012    0.04     0.001
    modern, oversampling 1.5  9e-4     4e-4     4e-4     6e-4     7e-5
    modern, oversampling 2    1e-4     < 5e-5   < 5e-5   < 5e-5   < 5e-6
    ========================  =======  =======  =======  =======  =======

References: Learning SO(3) Equivariant Representations with Spherical CNNs (Esteves et al., 2018),
    https://arxiv.org/abs/1711.06721; Cross-Domain 3D Equivariant Image Embeddings (Esteves et al., 2019),
    https://arxiv.org/abs/1812.02716
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from armillary.harmonics import S2Transform, rotate_s2
from armillary.models.saved import SavedNetwork
from armillary.nn.equivariance import relative_error
from armillary.nn.sphere_block import GridBlock, GridPooling, SpectralBlock
from armillary.nn.sphere_pooling import degree_norms, weighted_mean


@dataclass(frozen=True)
class SphericalTeacherConfig:
    """How to build a `SphericalTeacher`."""

    # Number of classes of shapes.
    classes: int = 40
    # The network of today, or the published one.
    style: Literal["modern", "released"] = "modern"
    # Rings and azimuths of the input grid: equiangular (modern) or Driscoll-Healy (released).
    side: int = 64
    # Channels of the blocks of each branch.
    channels: tuple[int, ...] = (16, 16, 32, 32, 64, 64, 128, 128)
    # Blocks, from 0, whose output has half the side.
    halve: tuple[int, ...] = (2, 4, 6)
    # Branches, one for each channel of the input.
    branches: int = 2
    # Learned values of the spectrum of each kernel; fewer make it more local.
    knots: int = 8
    # How the released style halves its maps: averages, as published, or spectra; the modern one always spectra.
    pooling: GridPooling = "weighted"
    # Block whose output is the embedding, from 0.
    embedding: int = 5
    # Grid of the modern nonlinearity, relative to the coarsest that represents the map.
    oversampling: float = 1.5

    def __post_init__(self) -> None:
        """Reject impossible values."""
        if self.style not in ("modern", "released") or self.pooling not in ("weighted", "spectral"):
            raise ValueError(
                f"expected style 'modern' or 'released' and pooling 'weighted' or 'spectral', got {self.style!r} and "
                f"{self.pooling!r}; use 'modern'"
            )
        blocks, step = range(len(self.channels)), 2 ** (len(self.halve) + 1)
        if not {self.embedding, *self.halve} <= {*blocks} or len({*self.halve}) < len(self.halve):
            raise ValueError(
                f"expected different halving blocks and an embedding below {len(blocks)}, got {self.halve} and "
                f"{self.embedding}; count blocks from 0"
            )
        if self.side < step or self.side % step:
            raise ValueError(
                f"expected a side that is a multiple of {step}, got {self.side}; "
                f"use {max(step, self.side // step * step)}"
            )
        if self.branches not in (1, 2) or min(self.classes, self.knots, *self.channels) < 1:
            raise ValueError(
                "expected 1 or 2 branches, and classes, knots and channels of at least 1, got "
                f"{self.branches}, {self.classes}, {self.knots} and {self.channels}; correct the configuration"
            )

    @property
    def sides(self) -> tuple[int, ...]:
        """Side of the map after each block."""
        blocks = range(len(self.channels))
        return tuple(self.side // 2 ** sum(halving <= block for halving in self.halve) for block in blocks)

    def build(self) -> "SphericalTeacher":
        """The network, with fresh weights."""
        return SphericalTeacher(self)


# Maps taken together where no gradients are needed.
AT_ONCE = 64


@dataclass(frozen=True)
class TeacherOutput:
    """What a `SphericalTeacher` says of a batch.

    Attributes:
        logits: Of the classes.
        auxiliary: Of the classes by the second branch alone; None with one branch.
        embedding: Coefficients on the sphere, which turn with the shape.
    """

    logits: Float[Tensor, "batch classes"]
    auxiliary: Float[Tensor, "batch classes"] | None
    embedding: Float[Tensor, "batch channels coeffs"]

    def loss(self, labels: Int[Tensor, " batch"]) -> Float[Tensor, ""]:
        """Sum of the cross entropies of both classifiers, as published."""
        loss = nn.functional.cross_entropy(self.logits, labels)
        return loss if self.auxiliary is None else loss + nn.functional.cross_entropy(self.auxiliary, labels)

    @staticmethod
    def cat(parts: "Sequence[TeacherOutput]") -> "TeacherOutput":
        """What was said of several batches."""
        logits, embedding = (torch.cat([getattr(part, name) for part in parts]) for name in ("logits", "embedding"))
        auxiliary = [part.auxiliary for part in parts if part.auxiliary is not None]
        return TeacherOutput(logits, torch.cat(auxiliary) if auxiliary else None, embedding)


class SphericalTeacher(SavedNetwork):
    """Spherical CNN of one or two branches.

    Channels of its input and of its embedding are brought to mean 0 and variance 1 over the shapes it was trained on;
    an untrained one takes and gives them as they are.

    Args:
        config: How to build it.

    Example:
        >>> config = SphericalTeacherConfig(classes=3, side=16, channels=(4, 4, 8, 8), halve=(2,), embedding=1)
        >>> output = config.build().eval()(torch.rand(2, 2, 16, 16))
        >>> output.logits.shape, output.embedding.shape
        (torch.Size([2, 3]), torch.Size([2, 4, 64]))
    """

    kind = "spherical_teacher"
    config_type = SphericalTeacherConfig
    what = "a teacher of embeddings"
    input_mean: Tensor
    input_scale: Tensor
    embedding_mean: Tensor
    embedding_scale: Tensor

    def __init__(self, config: SphericalTeacherConfig) -> None:
        super().__init__()
        self.config = config
        for part, channels in (("input", config.branches), ("embedding", config.channels[config.embedding])):
            self.register_buffer(f"{part}_mean", torch.zeros(channels))
            self.register_buffer(f"{part}_scale", torch.ones(channels))
        released = config.style == "released"
        grid = "driscoll-healy" if released else "equiangular"
        self.transforms = nn.ModuleDict(
            {str(side): S2Transform(side // 2 - 1, side, side, grid) for side in {config.side, *config.sides}}
        )
        every = [(block, branch) for block in range(len(config.channels)) for branch in range(config.branches)]
        self.blocks = nn.ModuleList(_block(config, block, reads_other=branch == 0) for block, branch in every)
        features = config.channels[-1] * (1 if released else config.sides[-1] // 2)
        self.classifier = nn.Linear(features * config.branches, config.classes)
        self.auxiliary = nn.Linear(features, config.classes) if config.branches == 2 else None

    def forward(self, values: Float[Tensor, "batch branches rings azimuths"]) -> TeacherOutput:
        """Classes and embedding of maps on the input grid, axes (polar angle, azimuth)."""
        maps = self.maps(values)
        pool = weighted_mean if self.config.style == "released" else _flat_norms
        features = [pool(branch[-1]) for branch in maps]
        auxiliary = None if self.auxiliary is None else self.auxiliary(features[1])
        embedding = self.coefficients(maps[0][self.config.embedding])
        embedding = standardised(embedding, self.embedding_mean, self.embedding_scale)
        return TeacherOutput(self.classifier(torch.cat(features, -1)), auxiliary, embedding)

    @torch.no_grad()
    def forward_coeffs(self, coeffs: Float[Tensor, "batch branches coeffs"]) -> TeacherOutput:
        """`forward` of maps given by their coefficients, many at once; without gradients."""
        transform = self.transform(self.config.side)
        return TeacherOutput.cat([self(transform.synthesis(part)) for part in coeffs.split(AT_ONCE)])

    def standardise_input(self, coeffs: Float[Tensor, "shapes branches coeffs"]) -> None:
        """Take mean and variance of the input's channels from the maps of shapes."""
        self._standardise("input", coeffs)

    def standardise_embedding(self, coeffs: Float[Tensor, "shapes branches coeffs"]) -> None:
        """Take mean and variance of the embedding's channels from the maps of shapes, when the network is trained."""
        self.embedding_mean.zero_()
        self.embedding_scale.fill_(1)
        self._standardise("embedding", self.forward_coeffs(coeffs).embedding)

    def _standardise(self, part: str, coeffs: Float[Tensor, "shapes channels coeffs"]) -> None:
        mean, scale = self.get_buffer(f"{part}_mean"), self.get_buffer(f"{part}_scale")
        mean.copy_(coeffs[..., 0].mean(0))
        square = standardised(coeffs, mean, torch.ones_like(mean)).square().sum(-1).mean(0)
        scale.copy_(square.sqrt().clamp(min=1e-6))

    def maps(self, values: Float[Tensor, "batch branches rings azimuths"]) -> list[list[Tensor]]:
        """Outputs of the blocks of each branch: values on grids (released) or coefficients (modern)."""
        if values.shape[1] != self.config.branches:
            raise ValueError(
                f"expected {self.config.branches} channels, one for each branch, got {values.shape[1]}; "
                "set branches, or choose channels"
            )
        values = (values - self.input_mean[:, None, None]) / self.input_scale[:, None, None]
        start = values if self.config.style == "released" else self.transform(self.config.side).analysis(values)
        current, count = [*start.split(1, 1)], self.config.branches
        maps: list[list[Tensor]] = [[] for _ in range(count)]
        for block in range(len(self.config.channels)):
            if block in self.config.halve:
                current[0] = torch.cat(current, 1)
            current = [self.blocks[block * count + branch](part) for branch, part in enumerate(current)]
            for kept, part in zip(maps, current, strict=True):
                kept.append(part)
        return maps

    def coefficients(self, part: Tensor) -> Float[Tensor, "batch channels coeffs"]:
        """Coefficients of one of the maps."""
        if self.config.style == "modern":
            return part
        return self.transform(part.shape[-1]).analysis(part)

    def transform(self, side: int) -> S2Transform:
        """Of the grid of a map of that side, the input or the output of a block."""
        transform = self.transforms[str(side)]
        assert isinstance(transform, S2Transform)
        return transform


def standardised(
    coeffs: Float[Tensor, "*batch channels coeffs"], mean: Float[Tensor, " channels"], scale: Float[Tensor, " channels"]
) -> Float[Tensor, "*batch channels coeffs"]:
    """Functions less the mean of their channel, divided by its scale.

    Example:
        >>> standardised(torch.tensor([[3.0, 1.0, 1.0, 1.0]]), torch.tensor([1.0]), torch.tensor([2.0]))
        tensor([[1.0000, 0.5000, 0.5000, 0.5000]])
    """
    return (coeffs - nn.functional.pad(mean[:, None], (0, coeffs.shape[-1] - 1))) / scale[:, None]


def block_errors(
    teacher: SphericalTeacher, coeffs: Float[Tensor, "batch branches coeffs"], rotation: Float[Tensor, "batch 3 3"]
) -> Float[Tensor, " blocks"]:
    """Equivariance error of the first branch from the input to each block, as `equivariance_error`.

    Args:
        coeffs: Of input maps, which are turned exactly; put the network in evaluation mode first.

    Example:
        >>> config = SphericalTeacherConfig(side=16, channels=(4, 4), halve=(1,), embedding=0)
        >>> block_errors(config.build().eval(), torch.rand(1, 2, 64), torch.eye(3)[None]).shape
        torch.Size([2])
    """
    turned, transform = rotate_s2(coeffs, rotation[:, None]), teacher.transform(teacher.config.side)
    pairs = zip(*(teacher.maps(transform.synthesis(part))[0] for part in (turned, coeffs)), strict=True)
    both = ([teacher.coefficients(part) for part in pair] for pair in pairs)
    return torch.stack([relative_error(found, rotate_s2(map_, rotation[:, None])) for found, map_ in both])


def _flat_norms(coeffs: Tensor) -> Tensor:
    return degree_norms(coeffs).flatten(1)


def _block(config: SphericalTeacherConfig, block: int, reads_other: bool) -> GridBlock | SpectralBlock:
    """Block number ``block`` of a branch."""
    before = config.side if block == 0 else config.sides[block - 1]
    channels_in = 1 if block == 0 else config.channels[block - 1]
    if block in config.halve and reads_other:
        channels_in *= config.branches
    channels_out, halves = config.channels[block], config.pooling if block in config.halve else None
    if config.style == "released":
        return GridBlock(channels_in, channels_out, before, config.knots, halves)
    lmax = config.sides[block] // 2 - 1
    return SpectralBlock(channels_in, channels_out, lmax, config.knots, config.oversampling)
