"""Armillary: from one image to a probability distribution over 3D rotation.

The layers, each importing only from those before it: ``so3``, ``harmonics``, ``distributions``, ``nn``, ``models``;
``data`` (beside them, on ``so3`` alone); ``training``, ``evaluation``, ``apps``. Conventions: docs/conventions.md.
"""

__version__ = "0.1.0"
