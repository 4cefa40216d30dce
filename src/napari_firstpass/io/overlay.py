"""Pictures of labels over their image, for people to look at."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import rasterio

from napari_firstpass.errors import OptionError, OutputError
from napari_firstpass.io.files import whole_file
from napari_firstpass.io.gdal import gdal_writing
from napari_firstpass.io.geotiff import reduced_grid
from napari_firstpass.io.picture import shown_bands, stretched
from napari_firstpass.taxonomy import UNLABELLED

if TYPE_CHECKING:
    import os
    from collections.abc import Iterable

    from numpy.typing import NDArray

    from napari_firstpass.raster import Raster
    from napari_firstpass.segmentation import Segmentation
    from napari_firstpass.taxonomy import Taxonomy


def write_overlay(
    path: str | os.PathLike[str],
    raster: Raster,
    segmentation: Segmentation,
    *,
    opacity: float = 0.45,
    max_side: int = 2048,
    overwrite: bool = False,
    forbid: Iterable[Path] = (),
) -> Path:
    """Write a PNG of the classes' colours over the image; see `overlay`.

    Parameters
    ----------
    path : path
        The PNG, written whole or not at all.
    raster, segmentation, opacity, max_side
        See `overlay`.
    overwrite, forbid
        See `napari_firstpass.io.files.whole_file`.

    Raises
    ------
    OutputError
        If the file cannot be written.
    OptionError
        If ``opacity`` or ``max_side`` is out of range.
    """
    target = Path(path)
    if target.suffix.lower() != ".png":
        raise OutputError(
            expected="an overlay that ends in .png", found=str(target), remedy="change the ending"
        )
    picture = overlay(raster, segmentation, opacity=opacity, max_side=max_side)
    with (
        whole_file(target, overwrite=overwrite, forbid=forbid) as partial,
        gdal_writing(target),
    ):
        _write_png(partial, picture)
    return target


def overlay(
    raster: Raster, segmentation: Segmentation, *, opacity: float = 0.45, max_side: int = 2048
) -> NDArray[np.uint8]:
    """Blend the classes' colours over the image.

    Parameters
    ----------
    raster : Raster
        The image, whole or reduced; shown in true colour where its bands are known, else its
        first three bands, else its first in grey. All bands are stretched alike, from the 2nd to
        the 98th percentile of their valid values.
    segmentation : Segmentation
        Labels over the same ground, whole or reduced; unlabelled pixels show the plain image.
    opacity : float
        How much the classes cover the image, 0 to 1.
    max_side : int
        Largest side of the picture in pixels; what is larger is thinned out.

    Returns
    -------
    (4, h, w) uint8 array
        Red, green, blue and opacity; transparent where the image has no data.

    Raises
    ------
    OptionError
        If ``opacity`` or ``max_side`` is out of range.
    """
    if not 0 <= opacity <= 1:
        raise OptionError(expected="opacity in [0, 1]", found=str(opacity), remedy="change opacity")
    shape = reduced_grid(raster.grid, max_side).shape
    bands = _thinned(raster.bands[shown_bands(raster)], shape)
    valid = _thinned(raster.valid, shape)
    labels = _thinned(segmentation.labels, shape)
    image = stretched(bands, valid)
    colors = _color_table(segmentation.taxonomy)[:, labels]
    share = np.where(labels == UNLABELLED, 0.0, opacity).astype(np.float32)
    blended = np.rint(image * (1 - share) + colors * share).astype(np.uint8)
    return np.concatenate([blended * valid, np.where(valid, 255, 0)[None].astype(np.uint8)])


def _thinned(array: NDArray[Any], shape: tuple[int, int]) -> NDArray[Any]:
    """Take the nearest of the last two axes' pixels, to ``shape``."""
    rows, cols = (
        ((np.arange(side) + 0.5) * full / side).astype(int)
        for side, full in zip(shape, array.shape[-2:], strict=True)
    )
    return array[..., rows[:, None], cols]


def _color_table(taxonomy: Taxonomy) -> NDArray[np.float32]:
    """Return colours (3, largest id + 1)."""
    table = np.zeros((3, taxonomy.max_id + 1), np.float32)
    for entry in taxonomy.classes:
        table[:, entry.id] = entry.rgb
    return table


def _write_png(path: Path, picture: NDArray[np.uint8]) -> None:
    count, height, width = picture.shape
    with rasterio.open(
        path, "w", driver="PNG", height=height, width=width, count=count, dtype="uint8"
    ) as dataset:
        dataset.write(picture)
    # rasterio does not report every failed write.
    with rasterio.open(path) as dataset:
        dataset.read()
