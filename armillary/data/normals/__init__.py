"""Surface normals: pictures with the normal at each pixel, read, rendered and changed at random."""

from .augment import NormalAugmentation as NormalAugmentation
from .encoding import decode_normals as decode_normals
from .encoding import encode_normals as encode_normals
from .normal_folder import NormalFolder as NormalFolder
from .normal_folder import read_normals as read_normals
from .normal_folder import write_normals as write_normals
from .normal_npz import NormalNpz as NormalNpz
from .open import normal_splits as normal_splits
from .open import open_normals as open_normals
from .room import RoomRenderer as RoomRenderer
from .room import RoomSettings as RoomSettings
from .room_writer import write_rooms as write_rooms
from .sample import NormalReader as NormalReader
from .sample import NormalSample as NormalSample
from .sample import camera_facing as camera_facing
from .store import NormalBatch as NormalBatch
from .store import NormalStore as NormalStore
from .surface_normal_database import SurfaceNormalDatabase as SurfaceNormalDatabase
