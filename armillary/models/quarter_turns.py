r"""A model asked four times: about a picture and about its quarter turns, which are true pictures too.

A centred square picture :math:`x_k`, turned k times by a quarter, is what a camera turned by :math:`Q^k` about its
optical axis sees, without any resampling. Turned back, the answers speak of one pose:

.. math:: \log p(R) = \frac14 \sum_{k=0}^{3} \log p(Q^k R \mid x_k) + c

The mean of the logarithms is as sure as one answer where the four agree, and less sure where they do not.
"""

import math

import torch
from jaxtyping import Float
from torch import Tensor

from armillary.distributions import HarmonicDistribution
from armillary.distributions.pose import PoseDistribution
from armillary.models.spacecraft_pose import SpacecraftPose
from armillary.so3 import rotation_z

TURNS = 4


def pose_over_turns(
    model: SpacecraftPose, images: Float[Tensor, "batch 3 size size"], intrinsics: Float[Tensor, "batch 3 3"]
) -> PoseDistribution:
    """Poses in the crops' cameras by four looks; the covariance has the spread of the four positions in it.

    Args:
        model: in eval mode.
        images: crops with values in [0, 1].
        intrinsics: of the crops: centred, with equal focal lengths, as those of virtual cameras are.

    Example:
        >>> from armillary.models.spacecraft_pose import SpacecraftPoseConfig
        >>> model = SpacecraftPoseConfig(image_size=32, lmax=2).build().eval()
        >>> K = torch.tensor([[90.0, 0, 15.5], [0, 90, 15.5], [0, 0, 1]]).expand(2, 3, 3)
        >>> pose_over_turns(model, torch.rand(2, 3, 32, 32), K).translation.shape
        torch.Size([2, 3])
    """
    count = len(images)
    turned = torch.cat([torch.rot90(images, k, (-2, -1)) for k in range(TURNS)])
    looks = model.pose(turned, intrinsics.repeat(TURNS, 1, 1))
    # `rot90` turns against the clock as one sees it; with y downwards that is about -z.
    back = rotation_z(torch.arange(TURNS, device=images.device) * (math.pi / 2)).to(images)
    looks = looks.turned(back.repeat_interleave(count, 0))
    assert isinstance(looks.rotation, HarmonicDistribution)
    coeffs, places, covariances = (
        part.unflatten(0, (TURNS, count)) for part in (looks.rotation.coeffs, looks.translation, looks.covariance)
    )
    place = places.mean(0)
    apart = (places - place)[..., None]
    return PoseDistribution(
        HarmonicDistribution(coeffs.mean(0)), place, covariances.mean(0) + (apart @ apart.mT).mean(0)
    )
