"""A network that is known by heart: it says the mean colour of each patch, and a constant."""

from __future__ import annotations

from types import SimpleNamespace

import torch
from torch.nn import Module, functional

from napari_firstpass.networks.folder import PixelScaling
from napari_firstpass.networks.vision import VisionModel
from napari_firstpass.recipes.feature_store import WholeBackbone


class MeanColours(Module):
    """Maps (N, 4, H / 8, W / 8) of pictures (N, 3, H, W)."""

    def __init__(self) -> None:
        super().__init__()
        self.asked = 0

    def forward(self, pixel_values: torch.Tensor) -> SimpleNamespace:
        self.asked += len(pixel_values)
        means = functional.avg_pool2d(pixel_values, 8)
        return SimpleNamespace(last_hidden_state=torch.cat([means, means[:, :1] * 0 + 0.2], 1))


def mean_colours(middle: float = 0.5, spread: float = 1.0) -> WholeBackbone:
    """Return it as a backbone for pictures around a grey."""
    centred = PixelScaling((middle,) * 3, (spread,) * 3)
    return WholeBackbone(VisionModel(MeanColours(), 8, None, centred), torch.device("cpu"))
