"""Pictures of spacecraft with six-degree poses: SPEED+ as published and as CSV tables, and SPEED."""

from .camera import SPEED_CAMERA as SPEED_CAMERA
from .camera import SPEEDPLUS_CAMERA as SPEEDPLUS_CAMERA
from .camera import LensCamera as LensCamera
from .camera import read_lens_camera as read_lens_camera
from .inventory import spacecraft_inventory as spacecraft_inventory
from .opening import spacecraft_splits as spacecraft_splits
from .photos import SpacecraftPhotos as SpacecraftPhotos
from .speed import open_speed as open_speed
from .speedplus import open_speedplus as open_speedplus
from .speedplus_table import open_speedplus_table as open_speedplus_table
