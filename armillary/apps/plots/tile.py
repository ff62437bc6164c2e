"""Pictures in [0, 1] as images of Pillow, enlarged, and images as bytes of a file."""

import io

from jaxtyping import Float
from PIL import Image
from torch import Tensor


def to_image(picture: Float[Tensor, "3 height width"], side: int = 0) -> Image.Image:
    """A picture with values in [0, 1], enlarged smoothly to a side of at least so many pixels.

    Example:
        >>> import torch
        >>> to_image(torch.rand(3, 16, 16), 40).size
        (40, 40)
    """
    pixels = (picture.detach().cpu().clamp(0, 1).permute(1, 2, 0) * 255).round().byte()
    image = Image.fromarray(pixels.numpy())
    scale = side / min(image.size)
    if scale <= 1:
        return image
    return image.resize((round(image.width * scale), round(image.height * scale)), Image.Resampling.BICUBIC)


def png(image: Image.Image) -> bytes:
    """An image as PNG bytes.

    Example:
        >>> png(Image.new("RGB", (2, 2)))[1:4]
        b'PNG'
    """
    buffer = io.BytesIO()
    image.save(buffer, "PNG")
    return buffer.getvalue()
