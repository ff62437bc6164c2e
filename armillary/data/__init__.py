"""Samples, camera geometry, readers (one file per format), renderer and shapes."""

from .augment import Augmentation as Augmentation
from .augment import centre_crop as centre_crop
from .photos import PosedNpzReader as PosedNpzReader
from .sample import Batch as Batch
from .sample import DatasetInfo as DatasetInfo
from .sample import Reader as Reader
from .sample import Sample as Sample
from .sample import collate as collate
from .store import ImageStore as ImageStore
