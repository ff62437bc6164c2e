"""Objects as functions on the sphere: what rays from outside toward the centre first meet."""

from .body import Body as Body
from .cache import cached_maps as cached_maps
from .grid import SphereGrid as SphereGrid
from .grid import polar_angles as polar_angles
from .grid import sphere_directions as sphere_directions
from .maps import SphericalMaps as SphericalMaps
from .maps import hit_points as hit_points
from .maps import spherical_maps as spherical_maps
from .surface_file import load_surface as load_surface
from .voxels import voxel_mesh as voxel_mesh
