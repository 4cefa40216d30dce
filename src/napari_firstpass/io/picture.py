"""What a person sees of an image: three bands, stretched."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from napari_firstpass.bands import visible_bands

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from napari_firstpass.raster import Raster

_PERCENTILES = (2.0, 98.0)


def picture(raster: Raster) -> NDArray[np.float32]:
    """Return a raster in true colour where its bands are known, as (3, H, W) values in [0, 255]."""
    return stretched(raster.bands[shown_bands(raster)], raster.valid)


def shown_bands(raster: Raster) -> list[int]:
    """Return the three bands to show: the visible ones, else the first three, else the first."""
    visible = visible_bands(raster.roles)
    if len(visible) == 3:
        return visible
    return [0, 1, 2] if len(raster.names) >= 3 else [0, 0, 0]


def stretched(bands: NDArray[Any], valid: NDArray[np.bool_]) -> NDArray[np.float32]:
    """Map values (C, H, W) to [0, 255], the same way for all bands.

    The 2nd and the 98th percentile of what is valid (H, W) become the ends; zeros where nothing is.
    """
    if not valid.any():
        return np.zeros(bands.shape, np.float32)
    low, high = np.percentile(bands[:, valid], _PERCENTILES)
    span = high - low if high > low else 1.0
    scaled: NDArray[np.float32] = np.clip((bands.astype(np.float32) - low) / span, 0, 1)
    return scaled * 255
