"""Bringing bands to a common scale, with statistics of valid pixels only."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
from scipy import ndimage

from napari_firstpass.errors import ImageContentError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from napari_firstpass.raster import Raster

_TAIL = 0.5
"""Percentage of values cut off at each end of the stretch: sun glints and dead pixels."""

_MAX_VALUES = 4_000_000
"""Values looked at for the stretch, over all bands and windows."""

LARGEST = 1e30
"""Floating values beyond this are no data, declared or not: what some programs write for none."""


@dataclass(frozen=True, slots=True)
class BandStats:
    """Where the values of each band lie.

    Attributes
    ----------
    low, high : tuple of C float
        0.5th and 99.5th percentile of the valid values.
    """

    low: tuple[float, ...]
    high: tuple[float, ...]

    @classmethod
    def of(cls, sample: Sequence[Raster]) -> BandStats:
        """Measure a sample of windows.

        Raises
        ------
        ImageContentError
            If no pixel of the sample is valid, or every band has one value only.
        """
        if not any(raster.valid.any() for raster in sample):
            raise ImageContentError(
                expected="an image with valid pixels",
                found="none: all of them are no data or not finite",
                remedy="check the nodata value of the file",
            )
        limit = max(1000, _MAX_VALUES // (len(sample) * len(sample[0].names)))
        values = [_some_valid_values(raster, limit) for raster in sample]
        ranges = [_range_of(np.concatenate(band)) for band in zip(*values, strict=True)]
        low, high = zip(*ranges, strict=True)
        if low == high:
            raise ImageContentError(
                expected="an image whose values differ",
                found=f"the one value {low[0]:g} everywhere",
                remedy="choose another image or other bands",
            )
        return cls(low, high)

    def select(self, bands: Sequence[int]) -> BandStats:
        """Return the statistics of some bands."""
        return BandStats(tuple(self.low[i] for i in bands), tuple(self.high[i] for i in bands))

    def stretch(self, bands: NDArray[np.generic]) -> NDArray[np.float32]:
        """Map (C, …) raw values to [0, 1], clipping the tails; a constant band becomes 0."""
        shape = (-1,) + (1,) * (bands.ndim - 1)
        low = np.asarray(self.low, np.float32).reshape(shape)
        span = np.asarray(self.high, np.float32).reshape(shape) - low
        scale = np.where(span > 0, 1 / np.where(span > 0, span, 1), 0).astype(np.float32)
        stretched = bands.astype(np.float32)
        stretched -= low
        stretched *= scale
        return np.clip(stretched, 0, 1, out=stretched)


def _some_valid_values(raster: Raster, limit: int) -> NDArray[np.generic]:
    """Return up to ``limit`` valid pixels as (C, n), evenly picked."""
    flat = np.flatnonzero(raster.valid)
    picked = flat[:: max(1, -(-len(flat) // limit))]
    return raster.bands.reshape(len(raster.bands), -1)[:, picked]


def _range_of(values: NDArray[np.generic]) -> tuple[float, float]:
    """Return where the values of a band lie, without their tails if something is left then."""
    low, high = np.percentile(values.astype(np.float64), [_TAIL, 100 - _TAIL])
    if high <= low:
        # A band that is constant but for a few pixels still has a range.
        low, high = values.min(), values.max()
    return float(low), float(high)


def usable(raster: Raster) -> Raster:
    """Mark pixels invalid whose values are beyond any measurement (see `LARGEST`)."""
    if raster.bands.dtype.kind != "f":
        return raster
    sound = (np.abs(raster.bands) < LARGEST).all(axis=0)
    return replace(raster, valid=raster.valid & sound)


def filled(raster: Raster) -> Raster:
    """Give pixels without data the values of the nearest pixel with data.

    Otherwise the border of the data would look like the strongest edge of the image. Returns the
    raster itself where there is nothing to fill, or nothing to fill it with.
    """
    if raster.valid.all() or not raster.valid.any():
        return raster
    rows, cols = ndimage.distance_transform_edt(
        ~raster.valid, return_distances=False, return_indices=True
    )
    return replace(raster, bands=raster.bands[:, rows, cols])
