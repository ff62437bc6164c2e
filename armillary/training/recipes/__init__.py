"""Named configurations, each in its two variants where it repeats a published protocol."""

from .base import ORIGINAL as ORIGINAL
from .base import STILL as STILL
from .base import Recipe as Recipe
from .named import named_recipe as named_recipe
from .named import recipe as recipe
from .named import recipe_names as recipe_names
