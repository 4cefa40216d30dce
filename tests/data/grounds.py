"""Tiles of one campaign: made-up grounds that occur in several of them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from rasters import NORTH_UP, UTM31
from scipy import ndimage

from napari_firstpass.grid import Grid
from napari_firstpass.io.raster_file import write_raster
from napari_firstpass.raster import Raster

if TYPE_CHECKING:
    from pathlib import Path

    from affine import Affine
    from numpy.typing import NDArray

SHAPE = (160, 192)
GROUNDS = 4


def areas(order: tuple[int, ...], seed: int) -> NDArray[np.int64]:
    """Return ids of known grounds in smooth areas; those out of ``order`` are missing."""
    rng = np.random.default_rng(seed)
    fields = ndimage.gaussian_filter(rng.normal(size=(len(order), *SHAPE)), (0, 18, 18))
    return np.asarray(order)[fields.argmax(0)]


def picture(ids: NDArray[np.int64], seed: int) -> NDArray[np.uint8]:
    """Return what these grounds look like: two share a colour, and two a texture."""
    rng = np.random.default_rng(100 + seed)
    colours = np.array([[70, 110, 60], [70, 110, 60], [190, 90, 70], [60, 70, 150]])
    rough = np.array([3, 34, 3, 12])
    grain = rng.normal(size=SHAPE) * rough[ids]
    return np.clip(np.moveaxis(colours[ids], -1, 0) + grain, 0, 255).astype(np.uint8)


def write_tile(path: Path, bands: NDArray[np.generic], transform: Affine = NORTH_UP) -> Path:
    """Write (C, H, W) bands with roles and a place."""
    grid = Grid(*bands.shape[1:], transform, UTM31)
    roles = ("red", "green", "blue", "nir")[: len(bands)]
    return write_raster(path, Raster.from_array(bands, grid, roles=roles))


def campaign() -> list[NDArray[np.int64]]:
    """Return the grounds of four tiles; no two hold the same."""
    return [areas((0, 1, 2, 3), 1), areas((3, 1), 2), areas((2, 0), 3), areas((1, 2, 3), 4)]


def tile_files(folder: Path) -> list[Path]:
    """Write the tiles of `campaign`."""
    pictures = (picture(ids, i) for i, ids in enumerate(campaign()))
    return [write_tile(folder / f"tile_{i}.tif", bands) for i, bands in enumerate(pictures)]
