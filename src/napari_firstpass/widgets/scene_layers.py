"""From an image file to the layers that show it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import product
from math import isclose, prod
from pathlib import Path
from time import sleep
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_firstpass.grid import Window
from napari_firstpass.io.geotiff import open_raster
from napari_firstpass.io.info import described
from napari_firstpass.progress import Progress
from napari_firstpass.raster import Raster
from napari_firstpass.tiling import spread_windows
from napari_firstpass.widgets.looks import look_at, scene_bands
from napari_firstpass.widgets.pyramid import levels, overview_stride, pyramid
from napari_firstpass.widgets.scene import KEY, OpenedFile, SceneInfo

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from napari_firstpass.grid import Grid
    from napari_firstpass.io.geotiff import RasterFile
    from napari_firstpass.progress import Steps
    from napari_firstpass.widgets.looks import Look
    from napari_firstpass.widgets.pyramid import Level
    from napari_firstpass.widgets.scene import LayerTuple

    Shown = NDArray[Any] | list[Level | NDArray[Any]]

HELD_PIXELS = 64 * 2**20
"""Images of more pixels are not read into memory; what is looked at is read from the file."""

_MAX_LAYERS = 12
_PART = (512, 2048)
"""Height and width of what is read at once while the window lives on."""

_HELD_BYTES = 400 * 2**20
_PAUSE_S = 0.002
"""Between two parts: whoever waits for the file would else be passed over again and again."""

_SAMPLE_SIDE, _SAMPLES = 512, 5
_UNITS = {"metre": " m", "degree": "°"}


def file_tuples(path: Path, held_pixels: int = HELD_PIXELS) -> list[LayerTuple]:
    """Return the layers that show an image file.

    Parameters
    ----------
    path : Path
        Any image that `napari_firstpass.io.geotiff.open_raster` reads.
    held_pixels : int
        Size from which on the image is shown as a pyramid and not held in memory.

    Returns
    -------
    list of layer tuples
        First the scene, in true colour where the bands are known; then its other bands, hidden.

    Raises
    ------
    ImageReadError
        If the file cannot be read.
    """
    with open_raster(path) as source:
        return source_tuples(source, scene_info(source), held_pixels)


def source_tuples(
    source: RasterFile, info: SceneInfo, held_pixels: int = HELD_PIXELS
) -> list[LayerTuple]:
    """Return the layers that show a file that is open; see `file_tuples`."""
    grid = info.grid
    if grid.height * grid.width <= held_pixels:
        return raster_tuples(source.read(grid.window), info)
    small = grid.coarsen(overview_stride(grid))
    overview = source.read_reduced(grid.window, small.height, small.width)
    return [
        _tuple(pyramid(Path(source.path), grid, look, overview), look, shown)
        for look, shown in _views(overview, info)
    ]


@dataclass(frozen=True, slots=True)
class Unfinished:
    """Layers of an image file that show nothing yet, and what is left to do.

    Attributes
    ----------
    path : Path
        The file.
    tuples : list of layer tuples
        As `file_tuples` returns them, but for their pixels.
    shown : list of (Look, array)
        How to paint each of the arrays that are to be filled: the whole image, or all of it,
        smaller.
    stride : int
        Pixels of the file along each side of one of theirs.
    """

    path: Path
    tuples: list[LayerTuple]
    shown: list[tuple[Look, NDArray[Any]]]
    stride: int

    @classmethod
    def of(cls, source: RasterFile, info: SceneInfo, held_pixels: int = HELD_PIXELS) -> Unfinished:
        """Look at a few places of a file that is open; raises as `file_tuples`."""
        path, grid = Path(source.path), info.grid
        sample, has_holes = _sample(source), source.may_lack_data
        has_overviews = bool(source.dataset.overviews(1))
        views = [
            (replace(look, has_holes=has_holes and look.is_colour), shown)
            for look, shown in _views(sample, info)
        ]
        dtypes = [np.dtype(np.uint8) if x.is_colour else sample.bands.dtype for x, _ in views]
        stride = 1 if grid.height * grid.width <= held_pixels else overview_stride(grid)
        if stride > 1 and not has_overviews:
            sizes = (d.itemsize * prod(x.channels) for d, (x, _) in zip(dtypes, views, strict=True))
            stride = min(stride, _affordable_stride(grid, sum(sizes)))
        tuples, shown = [], []
        for dtype, (look, about) in zip(dtypes, views, strict=True):
            pixels = np.zeros((*grid.coarsen(stride).shape, *look.channels), dtype)
            shown.append((look, pixels))
            data = pixels if stride == 1 else levels(path, grid, look, stride, pixels)
            tuples.append(_tuple(data, look, about))
        return cls(path, tuples, shown, stride)

    def fill_steps(self) -> Steps[None]:
        """Read the file; others that read it wait for a small part of it at most."""
        with open_raster(self.path) as source:
            grid = source.grid
            stride = self.stride
            parts = [
                Window(row, col, min(_PART[0], grid.height - row), min(_PART[1], grid.width - col))
                for row, col in product(
                    range(0, grid.height, _PART[0]), range(0, grid.width, _PART[1])
                )
            ]
            for done, part in enumerate(parts):
                yield Progress(done, len(parts), "reading the image")
                sleep(_PAUSE_S)
                small = grid.crop(part).coarsen(stride)
                raster = source.read_reduced(part, small.height, small.width)
                top, left = part.row // stride, part.col // stride
                for look, pixels in self.shown:
                    pixels[top : top + small.height, left : left + small.width] = look.paint(raster)


def _affordable_stride(grid: Grid, pixel_bytes: int) -> int:
    """Return how much smaller a file without overviews is kept: each look at it is dear."""
    stride = 2
    while grid.height * grid.width * pixel_bytes > stride**2 * _HELD_BYTES:
        stride *= 2
    return stride


def _sample(source: RasterFile) -> Raster:
    """Return some pixels of a file that are read in a moment."""
    if source.dataset.overviews(1):
        return source.read_overview(_SAMPLE_SIDE)
    windows = spread_windows(source.grid, side=_SAMPLE_SIDE // 2, limit=_SAMPLES, seed=0)
    parts = [source.read(window) for window in windows]
    first = parts[0]
    grid = replace(first.grid, width=sum(part.grid.width for part in parts))
    bands = np.concatenate([part.bands for part in parts], axis=2)
    valid = np.concatenate([part.valid for part in parts], axis=1)
    return Raster(bands, valid, grid, first.names, first.roles)


def scene_info(source: RasterFile) -> SceneInfo:
    """Return what is noted about an image file that is open."""
    facts, path = described(source), Path(source.path)
    nodata = dict.fromkeys(f"{b.nodata:g}" for b in facts.bands if b.nodata is not None)
    return SceneInfo(
        name=path.stem,
        grid=source.grid,
        bands=source.names,
        roles=source.roles,
        pixel_size=pixel_text(facts.pixel_size, facts.pixel_unit),
        nodata=", ".join(nodata),
        origin=OpenedFile.of(path, source.files),
    )


def pixel_text(size: tuple[float, float], unit: str) -> str:
    """Return ``0.15 m``, or ``0.15 × 0.2 m`` for pixels that are far from square."""
    if unit == "unknown":
        return ""
    width, height = size
    number = f"{width:.3g}"
    if not isclose(width, height, rel_tol=0.01):
        number += f" × {height:.3g}"
    return number + _UNITS.get(unit, f" {unit}")


def raster_tuples(raster: Raster, info: SceneInfo) -> list[LayerTuple]:
    """Return the layers that show a raster in memory; see `file_tuples`."""
    return [_tuple(look.paint(raster), look, shown) for look, shown in _views(raster, info)]


def _views(raster: Raster, info: SceneInfo) -> Iterator[tuple[Look, SceneInfo]]:
    """Yield what to show, the scene first."""
    scene = scene_bands(info.roles)
    yield look_at(raster, scene), info
    others = [i for i in range(len(info.bands)) if i not in scene]
    for index in others[: _MAX_LAYERS - len(scene)]:
        yield look_at(raster, (index,)), replace(info, band=index)


def _tuple(data: Shown, look: Look, info: SceneInfo) -> LayerTuple:
    keywords = {
        "name": info.name if info.band is None else f"{info.name} · {info.bands[info.band]}",
        "visible": info.band is None,
        "metadata": {KEY: info},
        "rgb": look.is_colour,
        "multiscale": isinstance(data, list),
    }
    if not look.is_colour:
        keywords["contrast_limits"] = (look.low, look.high)
    return data, keywords, "image"
