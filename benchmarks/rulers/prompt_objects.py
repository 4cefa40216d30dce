"""Objects that are to be found from prompts, and the prompts that a user would give for them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from scipy import ndimage, sparse
from scipy.sparse.csgraph import dijkstra
from skimage.color import gray2rgb
from skimage.morphology import skeletonize

from napari_firstpass.bands import RGB
from napari_firstpass.grid import Window
from napari_firstpass.io.geotiff import open_raster
from napari_firstpass.prompts import Box, Line, Point
from napari_firstpass.raster import Raster
from rulers.datasets import DATA
from rulers.pictures import image_pixels, rgb_raster

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from numpy.typing import NDArray

    Mask = NDArray[np.bool_]

LEAST = 0.01
"""Share of the image that an object has at least."""

SIDE = 1024
_ENDS = 0.1
"""Share of a medial axis that a stroke leaves out at each end."""
_CORNER = 10
"""Pixels of the axis between two corners of a stroke."""


@dataclass(frozen=True)
class Pictured:
    """An image and the masks of its objects."""

    name: str
    raster: Raster
    objects: list[Mask]


@dataclass(frozen=True)
class Objects:
    """Images with objects.

    Attributes
    ----------
    title : str
        What they are, and whether settings were chosen on them.
    every : int
        One image of so many is usually taken.
    load : callable
        Takes how many images to take one of; yields images.
    """

    title: str
    every: int
    load: Callable[[int], Iterator[Pictured]]


def box_around(mask: Mask) -> Box:
    """Return the smallest box around an object."""
    rows, cols = (np.flatnonzero(mask.any(axis)) for axis in (1, 0))
    return Box(float(rows[0]), float(cols[0]), float(rows[-1] + 1), float(cols[-1] + 1))


def stroke_along(mask: Mask) -> tuple[Line, Point]:
    """Return a stroke along the longest way of an object's medial axis, and its middle."""
    axis = np.argwhere(skeletonize(mask))
    near = np.abs(axis[:, None] - axis[None]).max(2) == 1
    links = sparse.csr_array(near.astype(float))
    first = int(np.argmax(ndimage.distance_transform_edt(np.pad(mask, 1))[1:-1, 1:-1][*axis.T]))
    start = _furthest(links, first)[0]
    end, before = _furthest(links, start)
    way = [end]
    while before[way[-1]] >= 0:
        way.append(int(before[way[-1]]))
    cut = round(_ENDS * len(way))
    kept = axis[way[cut : len(way) - cut]] + 0.5
    corners = [*kept[::_CORNER], kept[-1]]
    middle = kept[len(kept) // 2]
    places = tuple((float(row), float(col)) for row, col in corners)
    return Line(places), Point(float(middle[0]), float(middle[1]))


def _furthest(links: sparse.csr_array, start: int) -> tuple[int, NDArray[np.int32]]:
    way, before = dijkstra(links, indices=start, unweighted=True, return_predecessors=True)
    return int(np.argmax(np.where(np.isfinite(way), way, -1))), before


def _photographs(first: int, every: int) -> Iterator[Pictured]:
    for path in sorted((DATA / "coco_objects").glob("*.jpg"))[first :: 2 * every]:
        pixels = image_pixels(path)
        raster = rgb_raster(gray2rgb(pixels) if pixels.ndim == 2 else pixels)
        objects = _large(image_pixels(path.with_name(f"{path.stem}_instances.png")))
        if objects:
            yield Pictured(path.stem, raster, objects)


def _buildings(names: tuple[str, ...], every: int) -> Iterator[Pictured]:
    for name in names:
        path = DATA / "aerial_geotiff" / f"{name}.tif"
        if path.exists():
            yield from list(_windows(path))[::every]


def _windows(path: Path) -> Iterator[Pictured]:
    """Yield all windows of a mosaic with buildings that are large enough."""
    with open_raster(path) as source, open_raster(_truth_of(path)) as truth:
        grid = source.grid
        for top in range(0, grid.height - SIDE + 1, SIDE):
            for left in range(0, grid.width - SIDE + 1, SIDE):
                window = Window(top, left, SIDE, SIDE)
                buildings = truth.read(window).bands[0] == 1
                objects = _large(ndimage.label(buildings)[0])
                if objects:
                    read = source.read(window)
                    raster = Raster.from_array(read.bands[:3].copy(), read.grid, roles=RGB)
                    yield Pictured(f"{path.stem} {top} {left}", raster, objects)


def _truth_of(path: Path) -> Path:
    return path.with_name(f"{path.stem}_buildings.tif")


def _large(numbers: NDArray[np.generic]) -> list[Mask]:
    found, counts = np.unique(numbers, return_counts=True)
    kept = found[(found > 0) & (counts >= LEAST * numbers.size)]
    return [numbers == number for number in kept]


_SITE_1 = ("site1_a_15cm", "site1_a_7cm", "site1_b_7cm")

SETS = {
    "photographs": Objects("photographs, held out", 1, lambda every: _photographs(1, every)),
    "site5": Objects("buildings, site 5", 4, lambda every: _buildings(("site5_a_7cm",), every)),
    "site1": Objects("buildings, site 1, tuned on", 8, lambda every: _buildings(_SITE_1, every)),
    "tuned": Objects("photographs, tuned on", 1, lambda every: _photographs(0, every)),
}
"""By name; even photographs, and site 1, were used for weights and settings."""
