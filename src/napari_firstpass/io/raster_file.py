"""Writing images: what the built-in scene needs."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import rasterio
from rasterio.enums import ColorInterp

from napari_firstpass.io.files import whole_file
from napari_firstpass.io.gdal import crs_of, gdal_writing

if TYPE_CHECKING:
    import os

    from napari_firstpass.raster import Raster

_INTERPRETATIONS = {
    "red": ColorInterp.red,
    "green": ColorInterp.green,
    "blue": ColorInterp.blue,
}


def write_raster(path: str | os.PathLike[str], raster: Raster, *, overwrite: bool = False) -> Path:
    """Write an image as a tiled, compressed GeoTIFF with named bands, whole or not at all.

    Pixels that are not valid are written as they are, and marked in a mask.

    Raises
    ------
    OutputError
        If the file cannot be written.
    """
    target = Path(path)
    with whole_file(target, overwrite=overwrite) as partial, gdal_writing(target):
        _write(partial, raster)
        # rasterio does not report every failed write.
        with rasterio.open(partial) as dataset:
            for _, window in dataset.block_windows(1):
                dataset.read(window=window)
    return target


def _write(path: Path, raster: Raster) -> None:
    with rasterio.open(
        path,
        "w",
        driver="GTiff",
        height=raster.grid.height,
        width=raster.grid.width,
        count=len(raster.names),
        dtype=raster.bands.dtype.name,
        crs=crs_of(raster.grid.crs),
        transform=raster.grid.transform,
        tiled=True,
        blockxsize=256,
        blockysize=256,
        interleave="pixel",
        compress="deflate",
        predictor=3 if raster.bands.dtype.kind == "f" else 2,
        BIGTIFF="IF_SAFER",
    ) as dataset:
        dataset.write(raster.bands)
        dataset.colorinterp = [
            _INTERPRETATIONS.get(role or "", ColorInterp.undefined) for role in raster.roles
        ]
        dataset.descriptions = raster.names
        if not raster.valid.all():
            with rasterio.Env(GDAL_TIFF_INTERNAL_MASK=True):
                dataset.write_mask(raster.valid)
