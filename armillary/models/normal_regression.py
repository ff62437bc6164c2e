"""Normal regression: an encoder-decoder from a picture to the surface normal at each pixel.

Spherical Regression for surfaces: the magnitudes of a normal by the spherical exponential, its signs by a classifier
of four (surfaces face the camera, z < 0); or the plain rivals of the same size, flat and direct. Outputs are in the
order (y up, z, x) with the xy-plane turned by 45 degrees, in which floors and side walls lie amid a class.

Reference: Spherical Regression (Liao, Gavves and Snoek, CVPR 2019), https://arxiv.org/abs/1904.05404
"""

from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn
from torch.nn import functional

from armillary.models.saved import SavedNetwork
from armillary.nn.backbone import TransformersEncoder, make_encoder
from armillary.nn.eighth_turn import turn_normal, turn_normal_back
from armillary.nn.pixel_decoder import PixelDecoder
from armillary.nn.pyramid import Pyramid, SmallPyramid, TransformersPyramid
from armillary.nn.signs import SignTable
from armillary.nn.sphere_prediction import SPHERE_KINDS, SphereKind, SpherePrediction

KIND = "normal_regression"
SMALL = "small"


@dataclass(frozen=True)
class NormalRegressionConfig:
    """How to build a `NormalRegression`.

    Example:
        >>> NormalRegressionConfig(height=48, width=64).size
        (48, 64)
    """

    # Encoder: small (a CNN for CPUs), or a ResNet or ConvNeXt of transformers (resnet18, convnext-tiny, ...; `:random`
    # for random weights), a folder or a hub id of one.
    encoder: str = SMALL
    # How outputs become normals: exp (magnitudes and signs), flat (divided by their length) or direct (as they are).
    kind: SphereKind = "exp"
    # Height of the pictures, pixels.
    height: int = 96
    # Width of the pictures, pixels.
    width: int = 128
    # Channels of the finest level; coarser ones of the small encoder have up to eight times as many.
    channels: int = 24

    def __post_init__(self) -> None:
        if self.kind not in SPHERE_KINDS:
            raise ValueError(f"expected kind among {', '.join(SPHERE_KINDS)}, got {self.kind!r}; choose one")
        if self.height < 32 or self.width < 32 or self.channels < 8:
            raise ValueError(
                f"expected height and width of 32 or more and channels of 8 or more, got {self.height}, {self.width} "
                f"and {self.channels}; correct the configuration"
            )

    @property
    def size(self) -> tuple[int, int]:
        """Height and width of the pictures."""
        return self.height, self.width

    def build(self) -> "NormalRegression":
        """The model, with fresh weights outside a pretrained encoder."""
        return NormalRegression(self)


@dataclass(frozen=True)
class NormalPrediction:
    """What a model says of the normals of pictures: raw outputs, how they are read, and how they are trained.

    Example:
        >>> outputs = torch.tensor([0.0, 9.0, 0.0])[None, :, None, None], torch.zeros(1, 4, 1, 1)
        >>> prediction = NormalPrediction(SpherePrediction(*outputs, "exp", SignTable.normals(), 1))
        >>> prediction.normals()[0, :, 0, 0].round()
        tensor([ 0.,  0., -1.])
    """

    # In the order (y up, z, x), turned by 45 degrees.
    outputs: SpherePrediction

    def normals(self, expected: bool = False) -> Float[Tensor, "batch 3 height width"]:
        """Unit normals in the camera frame (OpenCV), with the most probable signs.

        Args:
            expected: with expected signs instead, which is differentiable and blends where signs are in doubt.
        """
        points = self.outputs.expected_point() if expected else self.outputs.point()
        return from_turned(points)

    def loss(
        self,
        normals: Float[Tensor, "batch 3 height width"],
        mask: Bool[Tensor, "batch height width"],
        sign_width: float = 0.0,
    ) -> Float[Tensor, ""]:
        """Mean loss of the pixels in the mask, over the whole batch: pictures with more of them weigh more.

        Args:
            normals: the truth, unit vectors in the mask.
            mask: where it is known.
            sign_width: radians at which other signs count as nearly right, as for walls that face the camera; 0: only
                the true ones count, as in the original.
        """
        loss = self.outputs.loss(to_turned(normals), width=sign_width)
        # A product, not an index: pixels outside cost nothing, and shapes stay fixed.
        return (loss * mask).sum() / mask.sum().clamp_min(1)


class NormalRegression(SavedNetwork):
    """Pyramid, decoder and one linear layer for each pixel.

    Args:
        config: How to build it.
        encoder: A backbone used instead of the one the configuration names.

    Example:
        >>> model = NormalRegressionConfig(height=32, width=64, channels=8).build()
        >>> model(torch.rand(2, 3, 32, 64)).normals().shape
        torch.Size([2, 3, 32, 64])
    """

    kind = KIND
    config_type = NormalRegressionConfig
    what = "a model of surface normals"

    def __init__(self, config: NormalRegressionConfig, encoder: TransformersEncoder | None = None) -> None:
        super().__init__()
        self.config = config
        self.table = SignTable.normals()
        self.pyramid = _pyramid(config, encoder)
        self.decoder = PixelDecoder(self.pyramid.channels, config.channels)
        outputs = self.table.coordinates + (self.table.classes if config.kind == "exp" else 0)
        self.last = nn.Conv2d(self.decoder.channels, outputs, 1)

    def forward(self, images: Float[Tensor, "batch 3 height width"]) -> NormalPrediction:
        """The normals of pictures with values in [0, 1] and the configuration's size."""
        if tuple(images.shape[-2:]) != self.config.size:
            raise ValueError(
                f"expected images of {self.config.height} x {self.config.width} px, got {images.shape[-2]} x "
                f"{images.shape[-1]}; resize them"
            )
        outputs = self.last(self.decoder(self.pyramid(images)))
        # Unit vectors in full precision: a cosine near 1 has no digits to spare in bfloat16.
        outputs = functional.interpolate(outputs.float(), self.config.size, mode="bilinear", align_corners=False)
        if self.config.kind != "exp":
            return NormalPrediction(SpherePrediction(outputs, None, self.config.kind, self.table, 1))
        magnitude, signs = outputs.split([self.table.coordinates, self.table.classes], 1)
        return NormalPrediction(SpherePrediction(magnitude, signs, self.config.kind, self.table, 1))


def to_turned(normals: Float[Tensor, "batch 3 height width"]) -> Float[Tensor, "batch 3 height width"]:
    """Normals of OpenCV's frame in the order (y up, z, x), the xy-plane turned by 45 degrees.

    Example:
        >>> to_turned(torch.tensor([1.0, 0.0, 0.0])[None, :, None, None])[0, :, 0, 0]
        tensor([-0.7071,  0.0000,  0.7071])
    """
    x, y, z = normals.unbind(1)
    return turn_normal(torch.stack([-y, z, x], 1), dim=1)


def from_turned(points: Float[Tensor, "batch 3 height width"]) -> Float[Tensor, "batch 3 height width"]:
    """The inverse of `to_turned`.

    Example:
        >>> from_turned(to_turned(torch.tensor([0.0, -1.0, 0.0])[None, :, None, None]))[0, :, 0, 0].round()
        tensor([ 0., -1.,  0.])
    """
    y, z, x = turn_normal_back(points, dim=1).unbind(1)
    return torch.stack([x, -y, z], 1)


def _pyramid(config: NormalRegressionConfig, encoder: TransformersEncoder | None) -> Pyramid:
    if encoder is None and config.encoder == SMALL:
        return SmallPyramid(config.channels)
    made = make_encoder(config.encoder) if encoder is None else encoder
    if not isinstance(made, TransformersEncoder):
        raise ValueError(
            f"expected the encoder {SMALL} or one of transformers (resnet18, ...), got {config.encoder!r}; choose one"
        )
    return TransformersPyramid(made, config.channels)
