"""Published data sets in the files their authors distribute: one reader per data set."""

from .fault import Faults as Faults
from .fault import OnFault as OnFault
from .restricted_pickle import load_restricted as load_restricted
from .restricted_pickle import loads_restricted as loads_restricted
