"""Hard shadows by a shadow map: a satellite's depth as the sun sees it, compared with that of each point."""

import torch
from jaxtyping import Float, Int
from torch import Tensor

from armillary.data.camera import intrinsics_from_focal, look_at
from armillary.data.rendering.renderer import Backend, Renderer
from armillary.data.shapes.mesh import Mesh

# Distance of the map's camera, in bounding radii: its rays are parallel to 1.4 degrees.
AWAY = 40.0
# Points move along their normal by this share of the radius, so that a surface does not shade itself.
LIFT = 0.01


class ShadowCaster:
    """Which points of a mesh the sun reaches.

    Args:
        size: of the map, pixels a side; a pixel is 2 / size bounding radii wide.
        backend: of the renderer.
    """

    def __init__(self, size: int = 320, backend: Backend = "auto") -> None:
        self._size, self._renderer = size, Renderer(size=size, backend=backend, antialias=False)
        self._intrinsics = intrinsics_from_focal(size / 2 * AWAY * 0.98, size)

    def lit(
        self,
        mesh: Mesh,
        sphere: tuple[Float[Tensor, "3"], float],
        poses: tuple[Float[Tensor, "views 3 3"], Float[Tensor, "views 3"]],
        sun: Float[Tensor, "views 3"],
        points: Float[Tensor, "points 3"],
        normals: Float[Tensor, "points 3"],
        owner: Int[Tensor, " points"],
    ) -> Float[Tensor, " points"]:
        """1 where the sun shines, 0 in shadow, between on a shadow's edge (the mean of four neighbours in the map).

        Args:
            mesh: the satellite.
            sphere: its bounding sphere, centre and radius.
            poses: rotations and translations.
            sun: direction to it, camera frame.
            points: on the satellite, camera frame.
            normals: at them.
            owner: the view of each.
        """
        rotations, translations = poses
        centre = (rotations @ sphere[0]) + translations
        turn, shift = look_at(centre + AWAY * sphere[1] * sun, centre, torch.tensor([0.0, 1.0, 0.0]))
        map_pose = turn @ rotations, (turn @ translations[..., None])[..., 0] + shift
        depth = self._renderer.render(mesh, *map_pose, self._intrinsics).depth
        lifted = points + LIFT * sphere[1] * normals
        seen = (turn[owner] @ lifted[..., None])[..., 0] + shift[owner]
        return self._compare(depth, seen, owner)

    def close(self) -> None:
        """Give back what the renderer holds."""
        self._renderer.close()

    def _compare(
        self,
        depth: Float[Tensor, "views size size"],
        seen: Float[Tensor, "points 3"],
        owner: Int[Tensor, " points"],
    ) -> Float[Tensor, " points"]:
        """The four neighbours' answers, weighted as in bilinear interpolation."""
        pixel = seen[:, :2] / seen[:, 2:] * self._intrinsics[0, 0] + self._intrinsics[0, 2]
        pixel = pixel.clamp(0, self._size - 1.001)
        corner = pixel.long()
        across, down = (pixel - corner).unbind(-1)
        flat, far = depth.flatten(), seen[:, 2]
        place = (owner * self._size + corner[:, 1]) * self._size + corner[:, 0]

        def open_sky(step: int) -> Tensor:
            before = flat[place + step]
            return ((before == 0) | (far < before)).float()

        upper = torch.lerp(open_sky(0), open_sky(1), across)
        lower = torch.lerp(open_sky(self._size), open_sky(self._size + 1), across)
        return torch.lerp(upper, lower, down)
