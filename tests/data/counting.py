"""A backbone that computes, and counts how often it was asked to."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from napari_firstpass.backbones.texture import TextureBackbone
from napari_firstpass.normalize import BandStats

if TYPE_CHECKING:
    from napari_firstpass.features import FeatureMap
    from napari_firstpass.progress import Steps
    from napari_firstpass.protocols import Backbone
    from napari_firstpass.raster import Raster


class Counting:
    """Relays to another backbone."""

    def __init__(self, backbone: Backbone) -> None:
        self.backbone = backbone
        self.calls = 0

    def extract(self, raster: Raster) -> Steps[FeatureMap]:
        """Return what the other backbone returns."""
        self.calls += 1
        return (yield from self.backbone.extract(raster))


def texture_of(raster: Raster) -> TextureBackbone:
    """A real backbone for an image."""
    return TextureBackbone(BandStats.of([raster]), raster.roles, torch.device("cpu"))
