"""Reading images: GeoTIFF and whatever else GDAL opens."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import numpy as np
import rasterio
from affine import Affine
from rasterio.enums import Resampling
from rasterio.windows import Window as GdalWindow

from napari_firstpass.errors import OptionError
from napari_firstpass.grid import Grid
from napari_firstpass.io.gdal import check_readable, crs_text, reading
from napari_firstpass.io.layout import layout_of
from napari_firstpass.io.validity import validity_of
from napari_firstpass.raster import Raster

if TYPE_CHECKING:
    from types import TracebackType

    from numpy.typing import NDArray
    from rasterio.io import DatasetReader

    from napari_firstpass.bands import Role
    from napari_firstpass.grid import Window
    from napari_firstpass.io.layout import Layout

# GDAL averages about 20 to 60 MB in a second, but reads single pixels of a striped file at once.
_AFFORDABLE_BYTES = 128 * 2**20


class RasterFile:
    """An open image file: a `RasterSource`, and a context manager that closes it.

    One thread at a time may use it. Where it has no data (see `Validity`) its rasters are zero.

    Attributes
    ----------
    path : str
        As given.
    grid : Grid
        Size and place of the whole image.
    dataset : rasterio dataset
        For the modules beside this one.
    layout : Layout
        What was decided about its bands.
    """

    def __init__(self, path: str, dataset: DatasetReader, bands: str | None) -> None:
        self.path = path
        self.dataset = dataset
        self.grid = Grid(dataset.height, dataset.width, dataset.transform, crs_text(dataset.crs))
        self.layout: Layout = layout_of(dataset, bands)
        self._validity = validity_of(dataset, self.layout)

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the bands that `read` returns."""
        return self.layout.names

    @property
    def roles(self) -> tuple[Role | None, ...]:
        """Roles of the bands that `read` returns."""
        return self.layout.roles

    @property
    def dtype(self) -> np.dtype[Any]:
        """Type of the raw values."""
        return self.layout.dtype

    @property
    def may_lack_data(self) -> bool:
        """Whether pixels may be invalid: if something in the file can say that they are."""
        return (
            self.layout.alpha is not None
            or self.layout.palette is not None
            or self._validity.may_find
            or self.dtype.kind == "f"
        )

    @property
    def files(self) -> tuple[Path, ...]:
        """Every file the image is made of: itself, sidecars, the sources of a VRT."""
        return tuple(Path(name) for name in self.dataset.files)

    def read(self, window: Window) -> Raster:
        """Return the pixels under a window.

        Raises
        ------
        GridMismatchError
            If the window leaves the grid.
        ImageReadError
            If the file is damaged there.
        """
        return self._read(window, self.grid.crop(window), Resampling.nearest)

    def read_overview(self, max_side: int) -> Raster:
        """Return the whole image, reduced so that no side exceeds ``max_side`` pixels.

        Values are averages, made from overviews where the file has them. Palette colours, where
        there is no data, and values that are too many to average in a few seconds are taken from
        the nearest pixel. The grid has accordingly larger pixels, which need not be square.

        Raises
        ------
        OptionError
            If ``max_side`` is less than 1.
        ImageReadError
            If the file is damaged.
        """
        return self.read_reduced(self.grid.window, *reduced_grid(self.grid, max_side).shape)

    def read_reduced(self, window: Window, height: int, width: int) -> Raster:
        """Return a window reduced to ``height`` x ``width`` pixels, as `read_overview` does.

        Raises
        ------
        GridMismatchError
            If the window leaves the grid, or the size is not positive.
        ImageReadError
            If the file is damaged there.
        """
        grid = resized(self.grid.crop(window), height, width)
        return self._read(window, grid, self._reduction(window, grid))

    def _reduction(self, window: Window, grid: Grid) -> Resampling:
        shrink = min(window.height / grid.height, window.width / grid.width)
        factors = (1, *self.dataset.overviews(self.layout.indexes[0]))
        factor = max(f for f in factors if f <= max(shrink, 1))
        values = window.height * window.width * len(self.layout.indexes) / factor**2
        is_dear = values * self.layout.dtype.itemsize > _AFFORDABLE_BYTES
        is_palette = self.layout.palette is not None
        return Resampling.nearest if is_palette or is_dear else Resampling.average

    def _read(self, window: Window, grid: Grid, how: Resampling) -> Raster:
        with reading(self.path):
            area = GdalWindow(window.col, window.row, window.width, window.height)
            values = self._values(area, grid.shape, how)
            valid = self._validity.of_values(values) & self._mask(area, grid.shape)
        if self.layout.palette is not None:
            values, opaque = _colored(values[0], self.layout.palette)
            valid &= opaque
        if not valid.all():
            np.copyto(values, 0, where=~valid)
        return Raster(values, valid, grid, self.names, self.roles)

    def _values(self, area: GdalWindow, shape: tuple[int, int], how: Resampling) -> NDArray[Any]:
        """Return what the file holds (C, h, w): of a palette image, its indexes."""
        indexes = list(self.layout.indexes)
        if len({self.dataset.dtypes[i - 1] for i in indexes}) == 1:
            out_shape = (len(indexes), *shape)
            values: NDArray[Any] = self.dataset.read(
                indexes, window=area, out_shape=out_shape, resampling=how
            )
            return values
        # rasterio reads bands of one type only; stacking takes the type that holds all.
        return np.stack(
            [self.dataset.read(i, window=area, out_shape=shape, resampling=how) for i in indexes]
        )

    def _mask(self, area: GdalWindow, shape: tuple[int, int]) -> NDArray[np.bool_]:
        """Return where transparency and mask bands say there is data."""
        valid = np.ones(shape, dtype=bool)
        if self.layout.alpha is not None:
            valid &= self.dataset.read(self.layout.alpha, window=area, out_shape=shape) > 0
        for index in self._validity.masks:
            valid &= self.dataset.read_masks(index, window=area, out_shape=shape) > 0
        return valid

    def close(self) -> None:
        """Close the file; harmless if it is closed already."""
        self.dataset.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()


def open_raster(path: str | os.PathLike[str], *, bands: str | None = None) -> RasterFile:
    """Open an image file for reading by windows.

    Parameters
    ----------
    path : path
        Whatever GDAL opens: GeoTIFF, VRT, JPEG 2000, PNG, JPEG, ``/vsizip/…``, a URL.
    bands : str or None
        What the bands are (``"r,g,b,n"``, see `napari_firstpass.bands.parse_bands`), where the
        file says nothing or the wrong thing.

    Raises
    ------
    ImageReadError
        If there is no such file, or no image in it that can be read.
    BandError
        If ``bands`` does not fit the file.
    """
    name = os.fspath(path)
    check_readable(name)
    with reading(name):
        dataset = rasterio.open(name)
        try:
            return RasterFile(name, dataset, bands)
        except BaseException:
            dataset.close()
            raise


def read_raster(path: str | os.PathLike[str], bands: str | None = None) -> Raster:
    """Read a whole image; see `open_raster`."""
    with open_raster(path, bands=bands) as source:
        return source.read(source.grid.window)


def read_overview(path: str | os.PathLike[str], max_side: int, bands: str | None = None) -> Raster:
    """Read a whole image, reduced; see `open_raster` and `RasterFile.read_overview`."""
    with open_raster(path, bands=bands) as source:
        return source.read_overview(max_side)


def reduced_grid(grid: Grid, max_side: int) -> Grid:
    """Return a grid over the same ground with no side above ``max_side`` pixels.

    Raises
    ------
    OptionError
        If ``max_side`` is less than 1.
    """
    if max_side < 1:
        raise OptionError(
            expected="max_side of at least 1", found=str(max_side), remedy="enlarge it"
        )
    shrink = max(1.0, max(grid.shape) / max_side)
    height, width = (max(1, round(side / shrink)) for side in grid.shape)
    return resized(grid, height, width)


def resized(grid: Grid, height: int, width: int) -> Grid:
    """Return a grid of other size over the same ground."""
    zoom = Affine.scale(grid.width / max(width, 1), grid.height / max(height, 1))
    return Grid(height, width, grid.transform @ zoom, grid.crs)


def _colored(
    indexes: NDArray[Any], palette: NDArray[np.uint8]
) -> tuple[NDArray[np.uint8], NDArray[np.bool_]]:
    """Look up colours (C, H, W) and opacity (H, W) of palette indexes (H, W)."""
    colors = np.ascontiguousarray(palette[:, :-1].T)
    return colors[:, indexes], palette[:, -1][indexes] > 0
