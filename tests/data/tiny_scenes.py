"""A tiny image with known content, for tests that segment."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from rasters import NORTH_UP, UTM31

from napari_firstpass.grid import Grid

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray


def utm_grid(height: int, width: int) -> Grid:
    """Return the place where `rasters.write_raster` puts an image of this size."""
    return Grid(height, width, NORTH_UP, UTM31)


def quarters(height: int = 128, width: int = 160) -> NDArray[np.uint8]:
    """Return red, green, blue and grey quarters, (3, H, W)."""
    image = np.full((3, height, width), 30, dtype=np.uint8)
    rows, cols = height // 2, width // 2
    places = (np.s_[:rows, :cols], np.s_[:rows, cols:], np.s_[rows:, :cols])
    for band, place in zip(image, places, strict=True):
        band[place] = 200
    image[:, rows:, cols:] = 120
    return image


def write_vrt(path: Path, band: int) -> Path:
    """Write a virtual raster beside ``path``, of the size of `quarters`, that shows one band."""
    vrt = path.with_suffix(".vrt")
    vrt.write_text(
        '<VRTDataset rasterXSize="160" rasterYSize="128"><VRTRasterBand dataType="Byte" band="1">'
        f'<SimpleSource><SourceFilename relativeToVRT="1">{path.name}</SourceFilename>'
        f"<SourceBand>{band}</SourceBand></SimpleSource></VRTRasterBand></VRTDataset>"
    )
    return vrt
