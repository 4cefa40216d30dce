"""From an image file to the layers that show it."""

from __future__ import annotations

from dataclasses import replace
from math import isclose
from typing import TYPE_CHECKING, Any

from napari_firstpass.io.geotiff import open_raster
from napari_firstpass.io.info import describe
from napari_firstpass.widgets.looks import look_at, scene_bands
from napari_firstpass.widgets.pyramid import overview_stride, pyramid
from napari_firstpass.widgets.scene import KEY, OpenedFile, SceneInfo

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from numpy.typing import NDArray

    from napari_firstpass.raster import Raster
    from napari_firstpass.widgets.looks import Look
    from napari_firstpass.widgets.pyramid import Level
    from napari_firstpass.widgets.scene import LayerTuple

    Shown = NDArray[Any] | list[Level | NDArray[Any]]

HELD_PIXELS = 64 * 2**20
"""Images of more pixels are not read into memory; what is looked at is read from the file."""

_MAX_LAYERS = 12
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
    info = scene_info(path)
    grid = info.grid
    with open_raster(path) as source:
        if grid.height * grid.width <= held_pixels:
            return raster_tuples(source.read(grid.window), info)
        small = grid.coarsen(overview_stride(grid))
        overview = source.read_reduced(grid.window, small.height, small.width)
    return [
        _tuple(pyramid(path, grid, look, overview), look, shown)
        for look, shown in _views(overview, info)
    ]


def scene_info(path: Path) -> SceneInfo:
    """Return what is noted about an image file."""
    facts = describe(path)
    nodata = dict.fromkeys(f"{b.nodata:g}" for b in facts.bands if b.nodata is not None)
    with open_raster(path) as source:
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
