"""BOP datasets, read and written."""

from .reader import BopReader as BopReader
from .reader import bop_scenes as bop_scenes
from .writer import write_bop as write_bop
