"""Factories of tiny rasters, in memory and on disk, with true coordinate systems."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, Any

import numpy as np
import rasterio
from affine import Affine
from rasterio.errors import NotGeoreferencedWarning

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from numpy.typing import NDArray
    from rasterio.enums import ColorInterp

UTM31 = "EPSG:32631"
NORTH_UP = Affine(0.1, 0.0, 500_000.0, 0.0, -0.1, 5_000_000.0)
"""Pixels of 10 cm in UTM zone 31 north."""

ROTATED = NORTH_UP @ Affine.rotation(30.0)


def pixels(
    bands: int = 3, height: int = 48, width: int = 64, dtype: str = "uint8", seed: int = 0
) -> NDArray[Any]:
    """Return (bands, height, width) random values from 1 to 100, in any type."""
    values = np.random.default_rng(seed).integers(1, 101, (bands, height, width))
    return values.astype(dtype)


def write_raster(
    path: Path,
    values: NDArray[Any],
    *,
    crs: str | None = UTM31,
    transform: Affine = NORTH_UP,
    nodata: float | None = None,
    names: Sequence[str] = (),
    meaning: Sequence[ColorInterp] = (),
    mask: NDArray[np.bool_] | None = None,
    colors: Mapping[int, tuple[int, ...]] | None = None,
    overviews: Sequence[int] = (),
    driver: str = "GTiff",
    **options: object,
) -> Path:
    """Write an image file.

    Parameters
    ----------
    path : Path
        Where to.
    values : (C, H, W) array
        Raw values.
    crs, transform, nodata
        Place, and the value that stands for no data.
    names : sequence of str
        Band descriptions.
    meaning : sequence of ColorInterp
        Colour interpretation of the bands.
    mask : (H, W) bool array or None
        Written as an internal mask, or as ``.msk`` where the format has none.
    colors : mapping of int to (r, g, b, a) or None
        Colour table of the first band.
    overviews : sequence of int
        Factors of the reduced copies.
    driver, options
        GDAL's format and creation options, such as ``tiled=True``.
    """
    count, height, width = values.shape
    shape = {"count": count, "height": height, "width": width, "dtype": values.dtype}
    with warnings.catch_warnings(), rasterio.Env(GDAL_TIFF_INTERNAL_MASK=True):
        warnings.simplefilter("ignore", NotGeoreferencedWarning)
        place = {"crs": crs, "transform": transform, "nodata": nodata}
        with rasterio.open(path, "w", driver=driver, **shape, **place, **options) as dataset:
            for index, name in enumerate(names, start=1):
                dataset.set_band_description(index, name)
            if meaning:
                dataset.colorinterp = meaning
            if colors is not None:
                dataset.write_colormap(1, colors)
            dataset.write(values)
            if mask is not None:
                dataset.write_mask(mask)
            if overviews:
                dataset.build_overviews(list(overviews))
    return path


def write_vrt(
    path: Path, sources: Sequence[tuple[Path, int]], nodata: Sequence[float] = ()
) -> Path:
    """Write a VRT whose bands are (file, band) of files of one size, with a nodata value each."""
    bands = ""
    for index, (file, band) in enumerate(sources, start=1):
        with rasterio.open(file) as dataset:
            kind = {"uint8": "Byte"}.get(dataset.dtypes[0], dataset.dtypes[0].capitalize())
            height, width = dataset.shape
        empty = f"<NoDataValue>{nodata[index - 1]}</NoDataValue>" if nodata else ""
        bands += (
            f'<VRTRasterBand dataType="{kind}" band="{index}">{empty}<SimpleSource>'
            f"<SourceFilename>{file}</SourceFilename><SourceBand>{band}</SourceBand>"
            "</SimpleSource></VRTRasterBand>"
        )
    size = f'rasterXSize="{width}" rasterYSize="{height}"'
    path.write_text(f"<VRTDataset {size}>{bands}</VRTDataset>")
    return path


def write_rgb(path: Path, height: int = 48, width: int = 64, **options: object) -> Path:
    """Write a plain 8-bit red, green, blue GeoTIFF in UTM zone 31."""
    return write_raster(path, pixels(3, height, width), photometric="RGB", **options)


def write_rgbn(path: Path, height: int = 48, width: int = 64, **options: object) -> Path:
    """Write an 8-bit GeoTIFF whose fourth band is near infrared and says so."""
    names = ("red", "green", "blue", "nir")
    return write_raster(path, pixels(4, height, width), names=names, alpha="NO", **options)


def checkerboard(height: int = 48, width: int = 64, classes: int = 3) -> NDArray[np.uint8]:
    """Return (height, width) ids 1 to ``classes`` in blocks of 8 pixels; the first block is 0."""
    rows, cols = np.indices((height, width)) // 8
    labels = ((rows + cols) % classes + 1).astype(np.uint8)
    labels[:8, :8] = 0
    return labels
