"""A backbone whose cells are made finer."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from napari_firstpass import descriptors
from napari_firstpass.errors import OptionError
from napari_firstpass.features import FeatureMap
from napari_firstpass.networks.viewing import picture_of
from napari_firstpass.progress import Span, Steps, relay

if TYPE_CHECKING:
    import torch

    from napari_firstpass.bands import Role
    from napari_firstpass.normalize import BandStats
    from napari_firstpass.protocols import Backbone, Upsampler
    from napari_firstpass.raster import Raster


@dataclass(frozen=True, slots=True)
class UpsampledBackbone:
    """A backbone whose features are brought onto a finer grid, as the picture suggests.

    Attributes
    ----------
    backbone : Backbone
        What computes coarse features.
    upsampler : Upsampler
        What makes them finer.
    stats : BandStats
        The stretch of the bands.
    roles : tuple of C str or None
        What the bands show; three of them become the picture (`picture_bands`).
    device : torch.device
        Where to compute.
    stride : int
        Pixels of a fine cell, along each axis.
    """

    backbone: Backbone
    upsampler: Upsampler
    stats: BandStats
    roles: tuple[Role | None, ...]
    device: torch.device
    stride: int = descriptors.STRIDE

    def extract(self, raster: Raster) -> Steps[FeatureMap]:
        """Return the features of the inner backbone, finer; see `Backbone`.

        Raises
        ------
        OptionError
            If the cells of the inner backbone are as fine already, or no multiple of the stride.
        """
        coarse = yield from relay(self.backbone.extract(raster), Span(0, 80, 100))
        factor = self._factor(coarse.stride)
        picture = picture_of(raster, self.stats, self.roles, self.device, coarse.stride)
        grid = raster.grid.coarsen(self.stride)
        finer = self.upsampler.finer(coarse.vectors, picture, factor, grid.shape)
        vectors = yield from relay(finer, Span(80, 100, 100))
        valid = descriptors.any_valid(raster, self.device, self.stride)
        return FeatureMap(vectors, valid, grid, self.stride, coarse.groups)

    def _factor(self, coarse: int) -> int:
        if coarse > self.stride and coarse % self.stride == 0:
            return coarse // self.stride
        raise OptionError(
            expected=f"a backbone with cells larger than {self.stride} pixels, as networks have",
            found=f"cells of {coarse} pixels, which upsampling cannot make finer",
            remedy="leave upsample at none, or choose a network as the backbone",
        )
