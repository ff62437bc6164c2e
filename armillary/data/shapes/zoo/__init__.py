"""Procedural objects: families of everyday things with random parameters and known symmetries."""

from .family import FAMILIES as FAMILIES
from .family import make_shape as make_shape
