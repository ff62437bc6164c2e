"""Training of a detector and a pose model of one spacecraft, from whole frames with poses."""

from .config import SpacecraftTrainConfig as SpacecraftTrainConfig
from .run import train_spacecraft as train_spacecraft
