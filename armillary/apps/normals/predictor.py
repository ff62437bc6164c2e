"""A trained model of surface normals applied to pictures of any size.

A picture is brought to the model's size whole: made as large as fits, its edges continued into what remains, and the
normals cut out and enlarged again. So one of another shape than the training pictures is neither cut nor distorted.
"""

from dataclasses import dataclass
from pathlib import Path

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional

from armillary.apps.predictor import model_folder
from armillary.models.normal_regression import NormalRegression


@dataclass(frozen=True)
class NormalPredictor:
    """A model, where it computes, and how it is read.

    Example:
        >>> from armillary.models.normal_regression import NormalRegressionConfig
        >>> model = NormalRegressionConfig(height=32, width=64, channels=8).build().eval()
        >>> NormalPredictor(model)(torch.rand(3, 50, 30)).shape
        torch.Size([3, 50, 30])
    """

    model: NormalRegression
    device: torch.device = torch.device("cpu")
    # Blend signs that are in doubt, instead of taking the most probable ones.
    expected: bool = False

    def __call__(self, image: Float[Tensor, "3 height width"]) -> Float[Tensor, "3 height width"]:
        """Unit normals of a picture with values in [0, 1], at its own size."""
        normals, size = self.at_model_size(image), image.shape[-2:]
        enlarged = functional.interpolate(normals[None], size, mode="bilinear", align_corners=False)[0]
        return functional.normalize(enlarged, dim=0)

    def at_model_size(self, image: Float[Tensor, "3 height width"]) -> Float[Tensor, "3 rows columns"]:
        """Unit normals as the model gives them, without what was added around the picture."""
        height, width = self.model.config.size
        scale = min(height / image.shape[-2], width / image.shape[-1])
        size = max(1, round(image.shape[-2] * scale)), max(1, round(image.shape[-1] * scale))
        small = functional.interpolate(
            image[None].to(self.device), size, mode="bilinear", align_corners=False, antialias=True
        )
        left, top = (width - size[1]) // 2, (height - size[0]) // 2
        border = (left, width - size[1] - left, top, height - size[0] - top)
        with torch.no_grad():
            prediction = self.model(functional.pad(small.clamp(0, 1), border, mode="replicate"))
            normals = prediction.normals(self.expected)[0]
        return normals[:, top : top + size[0], left : left + size[1]].cpu()


def load_normals(run: Path, device: torch.device, expected: bool = False) -> NormalPredictor:
    """The predictor of a run folder of `armillary normals train`, or of a model folder."""
    return NormalPredictor(NormalRegression.from_pretrained(model_folder(run)).to(device), device, expected)
