"""From a picture of any kind to a prediction: the door for programs.

predictor = armillary.load("run")
prediction = predictor("photo.jpg")
prediction.rotation, prediction.confidence, prediction.density.modes(4)
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Bool, Float
from PIL import Image as PilImage
from torch import Tensor

from armillary.apps.parse import closest
from armillary.data import Batch, DatasetInfo, ImageStore, Sample, centre_crop
from armillary.data.framing import plain_background_mask
from armillary.data.picture import read_picture
from armillary.distributions import SO3Distribution
from armillary.models import Model, ViewpointRegression, from_pretrained, read_metadata
from armillary.so3 import geodesic_distance, matrix_to_quat_wxyz, matrix_to_viewpoint

# Samples behind the confidence, and the angle it speaks of.
CONFIDENCE_SAMPLES = 512
CONFIDENCE_DEG = 15.0

# What `Predictor` takes for an image: a file, a PIL image, (h w), (h w 3) or (h w 4) array, (3 h w) tensor in [0, 1].
Image = str | Path | PilImage.Image | np.ndarray | Tensor


@dataclass(frozen=True)
class Prediction:
    """What a model says about one picture.

    Attributes:
        density: distribution of R_cam_obj (batch shape (1,)), in the camera of the given picture.
        rotation: its mode, x_cam = rotation @ x_obj, OpenCV camera axes.
        confidence: probability that the true rotation is within 15 degrees of ``rotation``; low where the picture or
            a symmetry leaves several answers.
        image: the crop the model saw.
        upright: whether the model speaks of viewpoints, so that `to_json` tells azimuth, elevation and tilt.
    """

    density: SO3Distribution
    rotation: Float[Tensor, "3 3"]
    confidence: float
    image: Float[Tensor, "3 height width"]
    upright: bool = False

    @property
    def viewpoint_deg(self) -> tuple[float, float, float]:
        """Azimuth from 0 to 360, elevation and tilt in degrees, of the camera about an object whose z axis is up."""
        azimuth, elevation, tilt = torch.rad2deg(torch.stack(matrix_to_viewpoint(self.rotation.double()))).tolist()
        return azimuth % 360, elevation, tilt

    def to_json(self, modes: int = 4) -> dict[str, Any]:
        """Plain values: the mode, the highest peaks with their mass, the 90 % credible region, the entropy.

        Args:
            modes: how many peaks.
        """
        peaks = self.density.modes(modes)
        region = self.density.credible_region(0.9)
        return {
            "convention": "R_cam_obj: x_cam = R x_obj, OpenCV camera axes (x right, y down, z forward)",
            "rotation": self.rotation.tolist(),
            "quat_wxyz": matrix_to_quat_wxyz(self.rotation).tolist(),
            **(self._viewpoint_json() if self.upright else {}),
            "confidence_15_deg": self.confidence,
            "modes": [
                {"rotation": r.tolist(), "quat_wxyz": matrix_to_quat_wxyz(r).tolist(), "mass": m.item()}
                for r, m in zip(peaks.rotation[0], peaks.mass[0], strict=True)
                if m > 0
            ],
            "credible_region_90": {
                "share_of_so3": region.volume.item(),
                "log_density_threshold": region.threshold.item(),
            },
            "entropy": self.density.entropy().item(),
            "measure": "Haar, normalised: the uniform distribution has density 1 and entropy 0 nats",
        }

    def _viewpoint_json(self) -> dict[str, Any]:
        azimuth, elevation, tilt = self.viewpoint_deg
        return {
            "azimuth_deg": azimuth,
            "elevation_deg": elevation,
            "tilt_deg": tilt,
            "viewpoint_convention": "of the camera of the whole picture, the object's z axis up: R = Rz(-tilt) "
            "Rx(90 + elevation) Rz(-azimuth); near elevations of 90 and -90 only azimuth -+ tilt is determined",
        }


class Predictor:
    """A trained model with what it takes to feed it; make one with `armillary.load`.

    Args:
        model: the model, in eval mode.
        metadata: what `armillary.training` saved with it: image size, margin, categories, symmetries.
        device: where to compute.
    """

    def __init__(self, model: Model, metadata: dict[str, Any], device: torch.device | str = "cpu") -> None:
        self.model = model.to(device).eval()
        self.metadata = metadata
        self.device = torch.device(device)
        self.info = DatasetInfo.from_json(metadata["data"])

    def __call__(
        self,
        image: Image,
        category: str | None = None,
        mask: Bool[Tensor, "height width"] | None = None,
        intrinsics: Float[Tensor, "3 3"] | None = None,
    ) -> Prediction:
        """Predict the rotation of the object in one picture.

        Args:
            image: a file, a PIL image, an array (h w), (h w 3), (h w 4) or a tensor (3 h w) in [0, 1].
            category: its name, for a model of several categories that wants to be told.
            mask: where the object is; by default the alpha channel, or whatever differs from a plain background, or
                the whole picture.
            intrinsics: pinhole matrix in pixels; by default that of a long lens.
        """
        return self.predict([self.sample(image, category, mask, intrinsics)])[0]

    def sample(
        self,
        image: Image,
        category: str | None = None,
        mask: Bool[Tensor, "height width"] | None = None,
        intrinsics: Float[Tensor, "3 3"] | None = None,
    ) -> Sample:
        """A picture and what is known about it, ready for `predict`."""
        pixels, alpha = read_image(image)
        mask = mask if mask is not None else alpha if alpha is not None else plain_background_mask(pixels)
        return Sample(pixels, torch.eye(3), None, intrinsics, mask, self._category(category))

    def predict(self, samples: Sequence[Sample]) -> list[Prediction]:
        """Predictions for several pictures at once."""
        store = ImageStore.from_samples(
            list(samples), size=self.metadata["store_size"], margin=self.metadata["margin"], progress=False
        )
        batch = centre_crop(store, self.metadata["image_size"]).to(self.device)
        return [self._describe(batch, index, store.turns[index]) for index in range(len(samples))]

    def _describe(self, batch: Batch, index: int, turn: Float[Tensor, "3 3"]) -> Prediction:
        only = slice(index, index + 1)
        with torch.no_grad():
            # The crop's camera is turned towards the object: turn back to the camera of the picture.
            density = self.model(batch.images[only], batch.category[only]).rotate(turn.to(self.device).mT)
            generator = torch.Generator(self.device).manual_seed(0)
            drawn = density.sample(torch.Size((CONFIDENCE_SAMPLES,)), generator=generator)
            mode = density.mode
            near = geodesic_distance(drawn, mode.expand(drawn.shape)) < math.radians(CONFIDENCE_DEG)
        upright = isinstance(self.model, ViewpointRegression)
        return Prediction(density, mode[0].cpu(), near.float().mean().item(), batch.images[index].cpu(), upright)

    def _category(self, name: str | None) -> int:
        if name is None:
            return 0
        if name not in self.info.categories:
            raise ValueError(f"unknown category {name}; {closest(name, self.info.categories)}")
        return self.info.categories.index(name)


def load(path: str | Path, device: torch.device | str = "cpu") -> Predictor:
    """A trained model, ready to be called with pictures.

    Args:
        path: a run folder of ``armillary train`` or a model folder inside it.
        device: where to compute.
    """
    folder = model_folder(Path(path))
    return Predictor(from_pretrained(folder), feeding_metadata(folder), device)


def feeding_metadata(folder: Path) -> dict[str, Any]:
    """What `armillary.training` saved with a model, without which no picture can be framed for it."""
    metadata = read_metadata(folder)
    missing = [key for key in ("data", "image_size", "store_size", "margin") if key not in metadata]
    if missing:
        raise ValueError(
            f"{folder / 'config.json'}: expected the metadata of a trained model, got none of {', '.join(missing)}; "
            "name a run of `armillary train`"
        )
    return metadata


def model_folder(path: Path) -> Path:
    """The model folder of a run folder, or the folder itself where it holds a model."""
    if (path / "model" / "model.safetensors").is_file():
        return path / "model"
    if (path / "model.safetensors").is_file():
        return path
    if not path.is_dir():
        raise FileNotFoundError(f"{path}: no such folder; expected a run of `armillary train --out`")
    if (path / "checkpoint.ckpt").is_file():
        raise FileNotFoundError(f"{path}: this run is not finished; give its own train command again to finish it")
    raise FileNotFoundError(f"{path}: holds no model; expected model/model.safetensors, as `armillary train` writes it")


def read_image(image: Image) -> tuple[Float[Tensor, "3 height width"], Bool[Tensor, "height width"] | None]:
    """Colours in [0, 1], and the mask that an alpha channel gives.

    Example:
        >>> pixels, mask = read_image(np.full((4, 6), 255, dtype=np.uint8))
        >>> pixels.shape, pixels.max(), mask
        (torch.Size([3, 4, 6]), tensor(1.), None)
    """
    if isinstance(image, Tensor):
        return _from_tensor(image), None
    if isinstance(image, (str, Path)):
        if not Path(image).is_file():
            raise FileNotFoundError(f"{image}: no such picture; check the name")
        colours, opaque = read_picture(Path(image))
        return colours, _useful(opaque)
    return _from_array(np.asarray(image))


def _from_array(array: np.ndarray) -> tuple[Float[Tensor, "3 height width"], Bool[Tensor, "height width"] | None]:
    if array.ndim == 2:
        array = array[..., None]
    if array.ndim != 3 or array.shape[-1] not in (1, 3, 4) or min(array.shape[:2]) < 2:
        raise ValueError(f"expected an image (h, w), (h, w, 3) or (h, w, 4) of at least 2 x 2, got {array.shape}")
    values = torch.from_numpy(array.copy())
    scale = 1.0 if values.is_floating_point() else float(torch.iinfo(values.dtype).max)
    values = values.float() / scale
    colours = values[..., :3].permute(2, 0, 1)
    mask = values[..., 3] > 0.5 if values.shape[-1] == 4 else None
    return _from_tensor(colours.expand(3, -1, -1).contiguous()), _useful(mask)


def _useful(mask: Bool[Tensor, "height width"] | None) -> Bool[Tensor, "height width"] | None:
    """A mask that cuts something out, or None."""
    return mask if mask is not None and bool(mask.any()) and not bool(mask.all()) else None


def _from_tensor(image: Tensor) -> Float[Tensor, "3 height width"]:
    if image.ndim != 3 or image.shape[0] != 3 or not image.is_floating_point():
        raise ValueError(f"expected a float tensor (3, h, w) in [0, 1], got {tuple(image.shape)} {image.dtype}")
    if not bool(((image >= 0) & (image <= 1)).all()):
        raise ValueError(f"expected values in [0, 1], got {image.min():.3g} to {image.max():.3g}; divide by 255")
    return image.cpu().float()
