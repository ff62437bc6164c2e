"""A mesh as rays toward its centre meet it: triangles about the centre, in units of the enclosing sphere's radius."""

from dataclasses import dataclass
from typing import Literal, get_args

import torch
from jaxtyping import Float
from torch import Tensor

from armillary.data.shapes.mesh import Mesh

# "centroid": of the surface, by area; "origin": the mesh's own.
Centre = Literal["centroid", "origin"]
# The farthest point of an object, the enclosing sphere having radius 1: that of Cohen et al. (s2cnn).
REACH = 0.99


@dataclass(frozen=True)
class Body:
    """Triangles about the centre of a sphere of radius 1 that encloses them.

    Neither the winding of the faces nor holes matter to the centre, which is the mean of the surface by area.

    Example:
        >>> mesh = Mesh(torch.tensor([[4.0, 0, 0], [1, 3, 0], [1, 0, 3]]), torch.tensor([[0, 1, 2]]))
        >>> body = Body.of(mesh)
        >>> body.centre
        tensor([2., 1., 1.], dtype=torch.float64)
    """

    corners: Float[Tensor, "faces 3 3"]
    # Unit normals at the corners; their signs mean nothing.
    normals: Float[Tensor, "faces 3 3"]
    # Of the sphere, in the mesh's frame (m).
    centre: Float[Tensor, "3"]
    radius: float

    @staticmethod
    def of(mesh: Mesh, centre: Centre = "centroid") -> "Body":
        """The body of a mesh, float64."""
        if centre not in get_args(Centre):
            raise ValueError(f"expected a centre among {', '.join(get_args(Centre))}, got {centre!r}; correct the name")
        corners = mesh.vertices.double()[mesh.faces]
        # About a vertex first: far from the origin the products would lose their digits.
        anchor = corners[0, 0].clone()
        corners = corners - anchor
        doubled = _doubled_areas(corners).norm(dim=-1)
        if not bool(doubled.sum() > 0):
            raise ValueError("expected a surface with area, got only faces without; repair the mesh")
        middle = (doubled[:, None] * corners.mean(1)).sum(0) / doubled.sum()
        middle = middle if centre == "centroid" else -anchor
        corners = corners - middle
        radius = float(corners.norm(dim=-1).max()) / REACH
        normals = _flat_normals(corners) if mesh.normals is None else mesh.normals.double()
        return Body(corners / radius, normals, middle + anchor, radius)

    @property
    def displacement(self) -> float:
        """Distance of the object from its mesh's origin, in radii of the enclosing sphere."""
        middle = self.centre + self.radius * self.corners.mean((0, 1))
        return float(middle.norm()) / self.radius

    def hull(self) -> "Body":
        """The convex hull, about the same centre and in the same sphere."""
        from scipy.spatial import ConvexHull, QhullError

        points = torch.unique(self.corners.flatten(0, 1), dim=0)
        try:
            faces = torch.from_numpy(ConvexHull(points.numpy()).simplices).long()
        except QhullError:
            raise ValueError("expected a body with a convex hull, got a flat one; leave the hull out") from None
        corners = points[faces]
        return Body(corners, _flat_normals(corners), self.centre, self.radius)

    def turned(self, rotation: Float[Tensor, "3 3"]) -> "Body":
        """The body turned about its centre: ``x -> rotation @ x``."""
        back = rotation.double().mT
        return Body(self.corners @ back, self.normals @ back, self.centre, self.radius)


def _doubled_areas(corners: Float[Tensor, "faces 3 3"]) -> Float[Tensor, "faces 3"]:
    first = corners[:, 0]
    return torch.linalg.cross(corners[:, 1] - first, corners[:, 2] - first)


def _flat_normals(corners: Float[Tensor, "faces 3 3"]) -> Float[Tensor, "faces 3 3"]:
    normals = torch.nn.functional.normalize(_doubled_areas(corners), dim=-1, eps=1e-300)
    return normals[:, None].expand(-1, 3, 3)
