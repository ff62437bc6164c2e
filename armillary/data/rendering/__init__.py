"""Pictures of shapes: light, random views, the renderer and its two back ends."""

from .lighting import Lights as Lights
from .lighting import random_backgrounds as random_backgrounds
from .lighting import random_lights as random_lights
from .lighting import studio_lights as studio_lights
from .renderer import Backend as Backend
from .renderer import Frames as Frames
from .renderer import Renderer as Renderer
from .scene import SceneSettings as SceneSettings
from .store import rendered_store as rendered_store
from .store import shapes_of as shapes_of
