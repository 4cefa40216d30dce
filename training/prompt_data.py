"""Images with objects that prompts are fitted on."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from scipy import ndimage
from skimage.color import gray2rgb
from skimage.io import imread

from napari_firstpass.bands import RGB
from napari_firstpass.grid import Grid, Window
from napari_firstpass.io.geotiff import open_raster
from napari_firstpass.raster import Raster
from training.__main__ import DATA

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from numpy.typing import NDArray

LEAST = 0.01
"""Share of the image that an object has at least."""

SIDE = 1024
MOSAICS = ("site1_a_15cm", "site1_a_7cm", "site1_b_7cm")
PER_MOSAIC = 4


@dataclass(frozen=True)
class Pictured:
    """An image and the masks of its objects."""

    raster: Raster
    objects: list[NDArray[np.bool_]]


def pictures() -> Iterator[Pictured]:
    """Yield what prompts are fitted on."""
    for path in sorted((DATA / "coco_objects").glob("*.jpg"))[::2]:
        yield photograph(path)
    for name in MOSAICS:
        yield from windows(DATA / "aerial_geotiff" / f"{name}.tif", PER_MOSAIC)


def photograph(path: Path) -> Pictured:
    """Read a photograph of coco_objects."""
    image = imread(path)
    shown = gray2rgb(image) if image.ndim == 2 else image
    bands = np.ascontiguousarray(np.moveaxis(shown[..., :3], -1, 0))
    numbers = imread(path.with_name(f"{path.stem}_instances.png"))
    return Pictured(Raster.from_array(bands, Grid(*numbers.shape), roles=RGB), large(numbers))


def windows(path: Path, most: int) -> Iterator[Pictured]:
    """Yield windows of a mosaic that hold whole buildings, spread over it."""
    with open_raster(path) as source, open_raster(truth_of(path)) as truth:
        grid = source.grid
        tops = range(0, grid.height - SIDE + 1, SIDE)
        corners = [(top, left) for top in tops for left in range(0, grid.width - SIDE + 1, SIDE)]
        for corner in corners[:: max(1, len(corners) // most)][:most]:
            window = Window(*corner, SIDE, SIDE)
            numbers = ndimage.label(truth.read(window).bands[0] == 1)[0]
            raster = source.read(window)
            named = Raster.from_array(raster.bands[:3].copy(), raster.grid, roles=RGB)
            yield Pictured(named, large(numbers))


def truth_of(path: Path) -> Path:
    """Return the file with the buildings of a mosaic."""
    return path.with_name(f"{path.stem}_buildings.tif")


def large(numbers: NDArray[np.integer]) -> list[NDArray[np.bool_]]:
    """Return the masks of numbered objects that are large enough."""
    found, counts = np.unique(numbers, return_counts=True)
    kept = found[(found > 0) & (counts >= LEAST * numbers.size)]
    return [numbers == number for number in kept]
