"""Training: recipes, the data feed, the Lightning module, and runs that resume."""

from .config import TrainConfig as TrainConfig
from .config import config_from_json as config_from_json
from .config import config_to_json as config_to_json
from .recipes import named_recipe as named_recipe
from .recipes import recipe as recipe
from .recipes import recipe_names as recipe_names
from .run import read_config as read_config
from .run import train as train
