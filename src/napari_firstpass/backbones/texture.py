"""The backbone without weights: colour, contrast, edges and micro-patterns at several scales."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import torch

from napari_firstpass import descriptors
from napari_firstpass.features import FeatureMap
from napari_firstpass.progress import Progress, Span, Steps, relay

if TYPE_CHECKING:
    from napari_firstpass.bands import Role
    from napari_firstpass.normalize import BandStats
    from napari_firstpass.raster import Raster


@dataclass(frozen=True, slots=True)
class TextureBackbone:
    """Texture features of any image.

    Attributes
    ----------
    stats : BandStats
        The stretch of the bands.
    roles : tuple of C str or None
        What the bands show. Red, green and blue together become a perceptual colour, red and near
        infrared a vegetation index; every other band is used as it is.
    device : torch.device
        Where to compute.
    """

    stats: BandStats
    roles: tuple[Role | None, ...]
    device: torch.device

    reentrant: ClassVar[bool] = True

    @staticmethod
    def weights_sha256() -> str | None:
        """Return None: nothing is learned."""
        return None

    @staticmethod
    def identity() -> str | None:
        """Return None: its features are cheaper than a disk."""
        return None

    def extract(self, raster: Raster) -> Steps[FeatureMap]:
        """Return about 22 features for each 4 x 4 pixels; see `Backbone`."""
        yield Progress(0, 10, "reading colours")
        stretched = torch.from_numpy(self.stats.stretch(raster.bands)).to(self.device)
        bands = descriptors.whole_cells(stretched)
        sharp = descriptors.colours(bands, raster, self.roles)
        brightness = descriptors.luminance(bands, self.roles)
        rough = yield from relay(descriptors.textures(brightness), Span(2, 10, 10))
        vectors = torch.cat([sharp, descriptors.blurred(sharp), rough])
        valid = descriptors.any_valid(raster, self.device)
        stride = descriptors.STRIDE
        return FeatureMap(vectors, valid, raster.grid.coarsen(stride), stride)
