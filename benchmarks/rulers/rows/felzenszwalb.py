"""Regions of similar colour, as they are."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from napari_firstpass.superpixels import felzenszwalb_regions
from rulers.pictures import rgb_pixels

if TYPE_CHECKING:
    from collections.abc import Sequence

    from napari_firstpass.raster import Raster
    from rulers.pictures import Prediction

SIGMA = 0.8
LEAST = 20


@dataclass(frozen=True, slots=True)
class Felzenszwalb:
    """Regions of a graph of pixels (Felzenszwalb and Huttenlocher 2004)."""

    scale: int

    def label(self, rasters: Sequence[Raster], clusters: int, seed: int) -> list[Prediction]:  # noqa: ARG002
        """See `rulers.rows.Labeller`."""
        return [regions_of(raster, self.scale) for raster in rasters]


def regions_of(raster: Raster, scale: int) -> Prediction:
    """Return the regions of an image, numbered from 0."""
    return felzenszwalb_regions(rgb_pixels(raster), scale=scale, sigma=SIGMA, min_size=LEAST)
