"""A picture of any size, as the student of a chain saw objects: a small square, filled by the object, before black."""

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from armillary.apps.predictor import Image, read_image
from armillary.data import ImageStore, Sample
from armillary.data.framing import plain_background_mask

# Views are framed by the bounding sphere, of which the outline takes this share in half of the views of the zoo.
OUTLINE_SHARE = 0.95
# Pictures whose values differ by less show nothing, and backgrounds that are darker are black.
_SHADE = 0.02


def model_picture(image: Image, size: int, whole: bool = False) -> Float[Tensor, "3 size size"]:
    """The picture for a model: cut out where there is an alpha channel or a plain background, else shown whole.

    Args:
        image: A file, a PIL image, an array (h w), (h w 3), (h w 4) or a tensor (3 h w) in [0, 1].
        size: Width and height of the model's pictures, pixels.
        whole: Leave the object where it is and as large as it is.

    Example:
        >>> picture = torch.ones(3, 40, 60)
        >>> picture[:, 10:20, 10:30] = 0.5
        >>> model_picture(picture, 32).amax()
        tensor(0.5020)
    """
    pixels, alpha = read_image(image)
    spread = (pixels.amax((1, 2)) - pixels.amin((1, 2))).amax().item()
    if spread < _SHADE:
        named = f"{image}: " if not isinstance(image, Tensor) else ""
        raise ValueError(f"{named}expected a picture of an object, got one colour; choose another picture")
    mask = None if whole else alpha if alpha is not None else plain_background_mask(pixels)
    if mask is None:
        return _framed(pixels, None, size, 1.0)
    return _framed(_before_black(pixels, mask), mask, size, 1 / OUTLINE_SHARE)


def _framed(
    pixels: Float[Tensor, "3 height width"], mask: Bool[Tensor, "height width"] | None, size: int, margin: float
) -> Float[Tensor, "3 size size"]:
    sample = Sample(pixels, torch.eye(3), mask=mask)
    return ImageStore.from_samples([sample], size=size, margin=margin, progress=False).images[0].float() / 255


def _before_black(
    pixels: Float[Tensor, "3 height width"], mask: Bool[Tensor, "height width"]
) -> Float[Tensor, "3 height width"]:
    """The object alone; before black it stays as it is, because there a mask leaves out what is dark."""
    return pixels if pixels[:, ~mask].median() < _SHADE else pixels * mask
