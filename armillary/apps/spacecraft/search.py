"""Where an object is when the detector is not sure: the pose model is asked, and its surest answer is followed.

A crop that misses the object, or cuts it, gives a blunt density over rotations. So of several boxes the one is taken
whose density has the least entropy; then the outline of the answered pose says where to look again. Nothing is trained
and no label is seen, so it holds in domains where the detector, which has seen synthetic frames alone, is deceived.
"""

from collections.abc import Callable

from jaxtyping import Float
from torch import Tensor

from armillary.distributions.pose import PoseDistribution

# How often the surest answer is looked at again.
LOOKS = 2

# From boxes to the poses that their crops show, in the camera of the whole frame.
Ask = Callable[[Float[Tensor, "boxes 4"]], PoseDistribution]
# From a rotation and a position to the box of what is seen of the object; NaN where nothing is.
Outline = Callable[[Float[Tensor, "3 3"], Float[Tensor, "3"]], Float[Tensor, "4"]]


def surest_box(boxes: Float[Tensor, "boxes 4"], ask: Ask, outline: Outline) -> Float[Tensor, "4"]:
    """The box whose answer has the least entropy, among those given and those that answers lead to.

    Args:
        boxes: left, top, right, bottom, pixels.
        ask: the pose model.
        outline: the object's surface.
    """
    poses = ask(boxes)
    entropy = poses.rotation.entropy()
    best = int(entropy.argmin())
    box, least = boxes[best], float(entropy[best])
    rotation, translation = poses.rotation.mode[best], poses.translation[best]
    for _ in range(LOOKS):
        again = outline(rotation.cpu(), translation.cpu())
        if bool(again.isnan().any()):
            break
        pose = ask(again[None])
        entropy = float(pose.rotation.entropy()[0])
        if entropy >= least:
            break
        box, least = again, entropy
        rotation, translation = pose.rotation.mode[0], pose.translation[0]
    return box
