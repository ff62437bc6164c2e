"""Armillary: from one image to a probability distribution over 3D rotation.

The layers, each importing only from those before it: ``so3``, ``harmonics``, ``distributions``, ``nn``, ``models``;
``data`` (beside them, on ``so3`` alone); ``training``, ``evaluation``, ``apps``. Conventions: docs/conventions.md.
"""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from armillary.apps.predictor import Prediction as Prediction
    from armillary.apps.predictor import Predictor as Predictor
    from armillary.apps.predictor import load as load

__version__ = "0.1.0"


def __getattr__(name: str) -> object:
    # On first use and not at import: `armillary --help` and `armillary.so3` need none of the layers above them.
    if name in ("Prediction", "Predictor", "load"):
        from armillary.apps import predictor

        return getattr(predictor, name)
    raise AttributeError(f"module 'armillary' has no attribute {name!r}")
