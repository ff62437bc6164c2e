"""``armillary normals``: surface normals of pictures, rendered, trained, measured and predicted."""

from .command import main as main
