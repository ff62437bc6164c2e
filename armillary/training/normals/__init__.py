"""Training of models that predict surface normals."""

from .config import NormalTrainConfig as NormalTrainConfig
from .run import train_normals as train_normals
