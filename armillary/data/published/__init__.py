"""Published data sets in the files their authors distribute: one reader per data set."""

from .catalogue import CATALOGUE as CATALOGUE
from .fault import Faults as Faults
from .fault import OnFault as OnFault
from .inventory import Part as Part
from .inventory import take_inventory as take_inventory
from .modelnet10 import seen_rotations as seen_rotations
from .modelnet10_conversion import convert_modelnet10 as convert_modelnet10
from .modelnet10_lmdb import Modelnet10Lmdb as Modelnet10Lmdb
from .modelnet10_npz import Modelnet10Npz as Modelnet10Npz
from .opening import published_splits as published_splits
from .pascal3d import Pascal3d as Pascal3d
from .render_for_cnn import Mixture as Mixture
from .render_for_cnn import RenderForCnn as RenderForCnn
from .restricted_pickle import load_restricted as load_restricted
from .restricted_pickle import loads_restricted as loads_restricted
from .symsol import Symsol as Symsol
