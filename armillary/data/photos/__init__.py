"""A user's own posed photographs: one reader per format."""

from .posed_npz import PosedNpzReader as PosedNpzReader
