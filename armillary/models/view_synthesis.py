"""View synthesis: coefficients on the sphere, the embedding of an object, to its picture.

The inverse of the embedding's encoder-decoder: coefficients to a vector, and a decoder that doubles a small map until
it is the picture. Turn the coefficients (`armillary.harmonics.rotate_s2`) and it draws the object from another side.

Two encoders make the vector. "spectral", the default, is one linear layer. "grid", as published, halves the map on an
equiangular grid by convolutions, here with exact poles; it costs a seventh more and learns late: after 370 steps of 32
views of the zoo it drew how large objects are (17.7 dB on unseen views), the other after 230 how they lie (19.1 dB).

Coefficients of a teacher of shapes know no colours, so that all objects come out in the mean of what has their shape.
With ``palette`` the colours of the input picture, a histogram that hardly changes as the object turns, are given too:
right silhouettes in the mean colour of all objects reach 21.4 dB, in that of another view of the same object 23.0 dB.

Reference: Cross-Domain 3D Equivariant Image Embeddings (Esteves et al., 2019), https://arxiv.org/abs/1812.02716
"""

from dataclasses import dataclass
from typing import Literal, get_args

import torch
from jaxtyping import Float
from torch import Tensor, nn

from armillary.harmonics import S2Transform, s2_size
from armillary.models.saved import SavedNetwork
from armillary.nn.colour_histogram import colour_histogram, histogram_size
from armillary.nn.sphere_padding import pad_sphere

KIND = "view_synthesis"
# How coefficients become the vector.
SynthesisEncoder = Literal["spectral", "grid"]


@dataclass(frozen=True)
class ViewSynthesisConfig:
    """How to build a `ViewSynthesiser`.

    Example:
        >>> ViewSynthesisConfig(image_size=48).first_size
        3
    """

    # Channels of the embedding.
    channels: int = 64
    # Largest degree of its coefficients.
    lmax: int = 7
    # Width and height of the pictures, pixels.
    image_size: int = 64
    # Length of the vector between map and picture.
    latent: int = 512
    # How coefficients become the vector: one linear layer, or convolutions of the map on a grid.
    encoder: SynthesisEncoder = "spectral"
    # Channels of the grid's maps, each half as large as the one before; the first has half of 2 (lmax + 1) rings.
    encoder_widths: tuple[int, ...] = (64, 128)
    # Channels of the decoder's maps, each twice as large as the one before; the picture is twice as large as the last.
    widths: tuple[int, ...] = (128, 96, 48, 32)
    # Levels of red, green and blue in the histogram of the input picture's colours; 0: none is given, as published.
    palette: int = 0

    def __post_init__(self) -> None:
        if self.encoder not in get_args(SynthesisEncoder):
            raise ValueError(
                f"expected encoder among {', '.join(get_args(SynthesisEncoder))}, got {self.encoder!r}; choose one"
            )
        counts = (self.channels, self.latent, *self.encoder_widths, *self.widths)
        if min(counts) < 1 or not self.widths or self.lmax < 0:
            raise ValueError(f"expected channels, latent and widths of at least 1, got {counts}; correct them")
        if self.palette < 0 or self.palette == 1:
            raise ValueError(f"expected a palette of 0 or at least 2 levels, got {self.palette}; use 0 or 4")
        step = 2 ** len(self.widths)
        if self.image_size < step or self.image_size % step:
            raise ValueError(
                f"expected an image_size that is a multiple of {step} with {len(self.widths)} widths, got "
                f"{self.image_size}; use {max(step, self.image_size // step * step)}"
            )
        # Every map that is padded needs an even number of azimuths.
        if self.encoder == "grid" and self.rings % 2 ** len(self.encoder_widths):
            raise ValueError(
                f"expected 2 (lmax + 1) rings that can be halved {len(self.encoder_widths)} times, got {self.rings}; "
                "give fewer encoder_widths"
            )

    @property
    def rings(self) -> int:
        """Of the grid: the fewest that hold every degree, and an even number."""
        return 2 * (self.lmax + 1)

    @property
    def first_size(self) -> int:
        """Rows and columns of the decoder's first map."""
        return self.image_size // 2 ** len(self.widths)

    def build(self) -> "ViewSynthesiser":
        """The model, with fresh weights."""
        return ViewSynthesiser(self)


class GridEncoder(nn.Module):
    """Values on an equiangular grid to a vector: convolutions that halve the map.

    Kernels of 4 x 4 at stride 2 leave the rings half a cell off the poles, so that `pad_sphere` is exact in each.

    Args:
        config: How to build it.

    Example:
        >>> GridEncoder(ViewSynthesisConfig(channels=2, lmax=3, encoder_widths=(4,)))(torch.rand(5, 2, 16)).shape
        torch.Size([5, 512])
    """

    def __init__(self, config: ViewSynthesisConfig) -> None:
        super().__init__()
        self.transform = S2Transform(config.lmax, config.rings, config.rings, "equiangular")
        channels = (config.channels, *config.encoder_widths)
        pairs = zip(channels[:-1], channels[1:], strict=True)
        self.steps = nn.ModuleList(nn.Sequential(nn.Conv2d(a, b, 4, 2, bias=False), *_active(b)) for a, b in pairs)
        side = config.rings // 2 ** len(config.encoder_widths)
        self.last = nn.Linear(channels[-1] * side * side, config.latent, bias=False)

    def forward(self, coeffs: Float[Tensor, "batch channels coeffs"]) -> Float[Tensor, "batch latent"]:
        """The vector of a map."""
        # Sums over degrees in full precision.
        with torch.autocast(coeffs.device.type, enabled=False):
            values = self.transform.synthesis(coeffs)
        for step in self.steps:
            values = step(pad_sphere(values, 1))
        return self.last(values.flatten(1))


class ViewSynthesiser(SavedNetwork):
    """Coefficients of embeddings to pictures.

    Args:
        config: How to build it.

    Example:
        >>> model = ViewSynthesisConfig(channels=8, lmax=3, image_size=16, encoder_widths=(8,), widths=(8, 8)).build()
        >>> model(torch.rand(2, 8, 16)).shape
        torch.Size([2, 3, 16, 16])
    """

    kind = KIND
    config_type = ViewSynthesisConfig
    what = "a model that draws views"

    def __init__(self, config: ViewSynthesisConfig) -> None:
        super().__init__()
        self.config = config
        if config.encoder == "grid":
            self.encoder = GridEncoder(config)
        else:
            numbers = config.channels * s2_size(config.lmax)
            self.encoder = nn.Sequential(nn.Flatten(), nn.Linear(numbers, config.latent, bias=False))
        self.colouring = None
        if config.palette:
            self.colouring = nn.Linear(histogram_size(config.palette), config.latent, bias=False)
        side, widths = config.first_size, config.widths
        self.first = nn.Sequential(
            nn.BatchNorm1d(config.latent),
            nn.ReLU(inplace=True),
            nn.Linear(config.latent, widths[0] * side * side, bias=False),
            nn.Unflatten(1, (widths[0], side, side)),
            *_active(widths[0]),
        )
        pairs = zip(widths[:-1], widths[1:], strict=True)
        self.steps = nn.Sequential(
            *(nn.Sequential(nn.ConvTranspose2d(a, b, 4, 2, 1, bias=False), *_active(b)) for a, b in pairs)
        )
        # Four pixels of three colours at each place of the last map.
        self.last = nn.Sequential(nn.Conv2d(widths[-1], 12, 3, padding=1), nn.PixelShuffle(2))

    def colours(self, pictures: Float[Tensor, "batch 3 rows columns"]) -> Float[Tensor, "batch colours"] | None:
        """Of input pictures, for `forward`; None where the configuration has no palette."""
        return colour_histogram(pictures, self.config.palette) if self.config.palette else None

    def forward(
        self, coeffs: Float[Tensor, "batch channels coeffs"], colours: Float[Tensor, "batch colours"] | None = None
    ) -> Float[Tensor, "batch 3 height width"]:
        """Pictures with values in (0, 1), in the precision of the coefficients.

        Args:
            coeffs: Embeddings, turned.
            colours: Of the pictures they were made from, or of other views of the same objects (`colours`).
        """
        expected = (self.config.channels, s2_size(self.config.lmax))
        if tuple(coeffs.shape[1:]) != expected:
            raise ValueError(
                f"expected coefficients (batch, {expected[0]}, {expected[1]}), got {tuple(coeffs.shape)}; give the "
                "embedding that the model was trained with"
            )
        if (colours is None) != (self.colouring is None):
            raise ValueError(
                f"expected {'no ' if colours is not None else ''}colours with palette {self.config.palette}, got "
                f"{'none' if colours is None else 'some'}; pass what model.colours(pictures) returns"
            )
        latent = self.encoder(coeffs)
        if colours is not None and self.colouring is not None:
            latent = latent + self.colouring(colours)
        logits = self.last(self.steps(self.first(latent)))
        # Half precision holds fewer than 256 shades.
        return logits.to(coeffs.dtype).sigmoid()


def _active(channels: int) -> tuple[nn.Module, nn.Module]:
    """What follows a convolution."""
    return nn.BatchNorm2d(channels), nn.ReLU(inplace=True)
