"""Objects to photograph: meshes, their building blocks, the SYMSOL solids and the zoo."""

from .mesh import Mesh as Mesh
from .mesh import merge_meshes as merge_meshes
from .mesh import smooth as smooth
from .mesh_file import load_mesh as load_mesh
from .shape import Shape as Shape
from .solid import SOLIDS as SOLIDS
from .solid import make_solid as make_solid
from .surfels import surfels as surfels
from .zoo import FAMILIES as FAMILIES
from .zoo import make_shape as make_shape
