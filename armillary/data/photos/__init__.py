"""A user's own posed photographs: one reader per format."""

from .colmap import colmap_model_folder as colmap_model_folder
from .colmap import read_colmap as read_colmap
from .nerf import read_nerf as read_nerf
from .pose_csv import read_pose_csv as read_pose_csv
from .posed_npz import PosedNpzReader as PosedNpzReader
from .posed_photos import Photo as Photo
from .posed_photos import PosedPhotos as PosedPhotos
