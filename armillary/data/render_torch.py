"""Rasteriser in torch alone: no system library, any device, batched over views, triangles and samples at once."""

import torch

from .mesh import Mesh
from .view import Layers, Views


class TorchBackend:
    name = "torch"

    def __init__(self, height: int, width: int, samples: int, device: torch.device) -> None:
        self.height, self.width, self.samples, self.device = height, width, samples, device

    def draw(self, mesh: Mesh, views: Views) -> Layers:
        raise NotImplementedError

    def release(self) -> None:
        return
