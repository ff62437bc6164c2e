"""Samples, camera geometry, readers (one file per format), renderer and shapes."""

from .augment import Augmentation as Augmentation
from .augment import centre_crop as centre_crop
from .lighting import Lights as Lights
from .lighting import random_lights as random_lights
from .lighting import studio_lights as studio_lights
from .mesh import Mesh as Mesh
from .mesh import load_mesh as load_mesh
from .photos import PosedNpzReader as PosedNpzReader
from .rendered import rendered_store as rendered_store
from .renderer import Frames as Frames
from .renderer import Renderer as Renderer
from .sample import Batch as Batch
from .sample import DatasetInfo as DatasetInfo
from .sample import Reader as Reader
from .sample import Sample as Sample
from .sample import collate as collate
from .scene import MeshShape as MeshShape
from .scene import SceneSettings as SceneSettings
from .scene import Shape as Shape
from .store import ImageStore as ImageStore
