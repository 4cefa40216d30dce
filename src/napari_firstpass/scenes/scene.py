"""The built-in scene: a made-up town as an orthophoto with exact truth."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np
from affine import Affine

from napari_firstpass.errors import OptionError
from napari_firstpass.grid import Grid, Window
from napari_firstpass.progress import Progress, Steps, run
from napari_firstpass.provenance import Provenance
from napari_firstpass.raster import Raster
from napari_firstpass.scenes.classes import SCENE_TAXONOMY
from napari_firstpass.scenes.render import Studio
from napari_firstpass.segmentation import Segmentation

if TYPE_CHECKING:
    from numpy.typing import NDArray

MIN_SIZE, MAX_SIZE = 16, 32_768
MIN_PIXEL, MAX_PIXEL = 0.05, 0.5
_TILE = 1024
_CRS = "EPSG:32632"
_EASTING, _NORTHING = 455_000.0, 5_430_000.0


@dataclass(frozen=True, slots=True)
class Scene:
    """An image with its exact labels.

    Attributes
    ----------
    raster : Raster
        Four uint8 bands: red, green, blue, near infrared; all valid.
    truth : Segmentation
        The class of every pixel (1 to 7, `SCENE_TAXONOMY`); shadows keep the class of what they
        fall on.
    """

    raster: Raster
    truth: Segmentation


def make_scene(
    height: int = 1024, width: int = 1024, *, seed: int = 0, pixel_size: float = 0.1
) -> Scene:
    """Make a town with houses, streets, cars, lawns and trees; see `make_scene_steps`."""
    return run(make_scene_steps(height, width, seed=seed, pixel_size=pixel_size))


def make_scene_steps(
    height: int = 1024, width: int = 1024, *, seed: int = 0, pixel_size: float = 0.1
) -> Steps[Scene]:
    """Make a town with houses, streets, cars, lawns and trees, window by window.

    Parameters
    ----------
    height, width : int
        Size in pixels, 16 to 32768.
    seed : int
        Which town, 0 to 2**32 - 1. The same town begins at the same corner for every size.
    pixel_size : float
        Ground sampling distance in metres, 0.05 to 0.5. Coarser pixels hold more houses each, so
        that a megapixel at 0.5 takes some ten times as long as at 0.1.

    Returns
    -------
    Scene
        North-up in UTM zone 32N. The same arguments give the same bytes. Beside the scene itself
        (6 bytes a pixel) memory does not grow with the size.

    Raises
    ------
    OptionError
        If an argument lies outside its range.
    """
    _check(height, width, seed, pixel_size)
    grid = Grid(height, width, Affine(pixel_size, 0, _EASTING, 0, -pixel_size, _NORTHING), _CRS)
    bands = np.empty((4, height, width), dtype=np.uint8)
    labels = np.empty((height, width), dtype=np.uint8)
    windows = _windows(height, width)
    yield Progress(0, len(windows), "laying out the town")
    studio = Studio.of(seed, pixel_size)
    for done, window in enumerate(windows):
        rows, cols = window.slices
        for _ in studio.shoot(window, bands[:, rows, cols], labels[rows, cols]):
            yield Progress(done, len(windows), "painting the town")
    yield Progress(len(windows), len(windows), "painting the town")
    return _scene(bands, labels, grid, seed)


def _windows(height: int, width: int) -> list[Window]:
    rows, cols = _even(height), _even(width)
    return [
        Window(top, left, bottom - top, right - left)
        for top, bottom in pairwise(rows)
        for left, right in pairwise(cols)
    ]


def _even(size: int) -> list[int]:
    """Return the edges of equal parts: a thin last window would be mostly margin."""
    parts = -(-size // _TILE)
    return [size * part // parts for part in range(parts + 1)]


def _scene(bands: NDArray[np.uint8], labels: NDArray[np.uint8], grid: Grid, seed: int) -> Scene:
    options = {
        "scene": "town", "height": grid.height, "width": grid.width, "seed": seed,
        "pixel_size": grid.transform.a,
    }  # fmt: skip
    raster = Raster.from_array(bands, grid, roles=("red", "green", "blue", "nir"))
    provenance = Provenance(options, source="built-in scene")
    return Scene(raster, Segmentation(labels, SCENE_TAXONOMY, grid, provenance=provenance))


def _check(height: int, width: int, seed: int, pixel_size: float) -> None:
    _check_range("height", height, MIN_SIZE, MAX_SIZE)
    _check_range("width", width, MIN_SIZE, MAX_SIZE)
    _check_range("seed", seed, 0, 2**32 - 1)
    _check_range("pixel size", pixel_size, MIN_PIXEL, MAX_PIXEL)


def _check_range(name: str, value: float, low: float, high: float) -> None:
    if not low <= value <= high:
        raise OptionError(
            expected=f"a scene {name} in [{low}, {high}]",
            found=str(value),
            remedy="choose one inside the range",
        )
