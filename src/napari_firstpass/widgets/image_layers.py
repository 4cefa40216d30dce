"""From an image layer to something that a run can read."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
from napari.layers import Image

from napari_firstpass.errors import LayerError
from napari_firstpass.grid import Grid, short_crs
from napari_firstpass.io.scene_labels import scene_behind
from napari_firstpass.raster import ArraySource, Raster
from napari_firstpass.widgets.scene import OpenedFile, mask_of, scene_of

if TYPE_CHECKING:
    from napari.layers import Labels, Layer
    from napari.viewer import Viewer
    from numpy.typing import ArrayLike

    from napari_firstpass.bands import Role
    from napari_firstpass.grid import Window
    from napari_firstpass.raster import RasterSource
    from napari_firstpass.widgets.scene import SceneInfo

KEPT_DAYS = 30
"""How long work on an image is kept that comes from no file."""

_MOST_KEPT = 128 * 2**20
"""Only images of up to so many bytes are."""

RASTER_SUFFIXES = (".tif", ".tiff", ".vrt", ".jp2")
"""Files that our reader opens."""


class Pixels(Protocol):
    """What napari takes for an image: an array, or something that becomes one piece by piece."""

    @property
    def shape(self) -> tuple[int, ...]:
        """Sizes of the axes."""
        ...

    @property
    def dtype(self) -> np.dtype[Any]:
        """Type of the values."""
        ...

    def __getitem__(self, key: tuple[slice, ...], /) -> ArrayLike: ...


@dataclass(frozen=True, slots=True)
class Subject:
    """What a run works on.

    Attributes
    ----------
    name : str
        What users call it.
    source : Path or RasterSource
        A file that the worker opens for itself, or something to read from.
    """

    name: str
    source: Path | RasterSource


@dataclass(frozen=True, slots=True)
class PixelSource:
    """A `RasterSource` over the pixels of an image layer, read where and when they are needed.

    Attributes
    ----------
    pixels : (H, W) or (H, W, C) array-like
        May be lazy; never written to.
    grid : Grid
        Size and place.
    roles : tuple of str or None
        What the bands show; alpha, the channel after them, is no band.
    has_alpha : bool
        Whether the last channel says where there is data.
    """

    pixels: Pixels
    grid: Grid
    roles: tuple[Role | None, ...]
    has_alpha: bool

    @property
    def names(self) -> tuple[str, ...]:
        """Band names."""
        return tuple(role or "grey" for role in self.roles)

    @property
    def dtype(self) -> np.dtype[Any]:
        """Type of the raw values."""
        return np.dtype(self.pixels.dtype)

    def read(self, window: Window) -> Raster:
        """Return the pixels under a window; without a copy if they are in memory."""
        part = np.asarray(self.pixels[window.slices]).reshape(window.height, window.width, -1)
        bands = np.moveaxis(part, -1, 0)
        valid = bands[-1] > 0 if self.has_alpha else None
        colours = bands[: len(self.roles)]
        return Raster.from_array(colours, self.grid.crop(window), roles=self.roles, valid=valid)


def subject_of(layer: Layer | None) -> Subject:
    """Return what a run on ``layer`` works on.

    The file itself if our reader made the layer and the file is still the same; else the pixels of
    the layer.

    Raises
    ------
    LayerError
        If there is no layer, or it is not a single two-dimensional image of numbers.
    """
    if not isinstance(layer, Image):
        raise LayerError(
            expected="an image layer", found=_kind(layer), remedy="open an image, or choose one"
        )
    _check_image(layer)
    info = scene_in(layer)
    if info is None or info.band is not None:
        return Subject(layer.name, _pixel_source(layer))
    if isinstance(info.origin, Raster):
        return Subject(info.name, ArraySource(info.origin))
    if info.origin.is_unchanged:
        return Subject(info.name, info.origin.path)
    return Subject(info.name, _pixel_source(layer))


def scene_in(layer: Image) -> SceneInfo | None:
    """Return what our reader noted about a layer, unless its pixels were replaced since."""
    info = scene_of(layer.metadata)
    return info if info is not None and info.grid.shape == _size(layer) else None


def grid_of(layer: Image) -> Grid:
    """Return size and place of a two-dimensional image layer; no place unless our reader knew."""
    info = scene_in(layer)
    return info.grid if info is not None else Grid(*_size(layer))


def source_files(layer: Layer | None) -> tuple[Path, ...]:
    """Return the image file behind a layer that we made, and all it consists of; or nothing."""
    if layer is None:
        return ()
    scene, mask = scene_of(layer.metadata), mask_of(layer.metadata)
    if scene is not None and isinstance(scene.origin, OpenedFile):
        return scene.origin.parts
    return () if mask is None else mask.sources


def file_of(image: Image) -> Path | None:
    """Return the file of an image layer that stands for a scene, None without one."""
    info = scene_of(image.metadata)
    if info is not None:
        files = source_files(image)
        return files[0] if files and info.band is None else None
    path = image.source.path
    return Path(path).absolute() if path and image.ndim == 2 else None


def is_keepable(image: Image) -> bool:
    """Tell whether an image that comes from no file can be kept with the work on it."""
    info, pixels = scene_of(image.metadata), first_level(image)
    if file_of(image) is not None or (info is not None and info.band is not None):
        return False
    if image.ndim != 2 or not isinstance(pixels, np.ndarray) or pixels.dtype.kind not in "uif":
        return False
    return pixels.nbytes <= _MOST_KEPT


def facts_of(layer: Image | None) -> str:
    """Return ``4096 × 8192 · 3 bands · 0.15 m · EPSG:3857``; empty without a layer."""
    if layer is None:
        return ""
    info, (height, width) = scene_in(layer), _size(layer)
    count = _count(len(info.bands) if info is not None else 3 if layer.rgb else 1, "band")
    facts = [f"{height} × {width}", count]
    if info is not None and info.grid.is_georeferenced:
        facts += [info.pixel_size or "pixel size unknown", short_crs(info.grid.crs)]
        return " · ".join([*facts, *_kept(layer)])
    if info is None and str(layer.source.path).lower().endswith(RASTER_SUFFIXES):
        return " · ".join([*facts, "its place was not read: open it with the firstpass reader"])
    return " · ".join([*facts, "no georeference: the mask will have none", *_kept(layer)])


def _kept(layer: Image) -> list[str]:
    """Return how long work on an image is kept that comes from no file; nothing for others."""
    if file_of(layer) is not None:
        return []
    if is_keepable(layer):
        return [f"no file: kept {KEPT_DAYS} days"]
    return ["no file: only saving keeps work"]


def first_level(layer: Image | Labels) -> Pixels:
    """Return the pixels of a layer at full resolution; maybe lazy."""
    pixels: Pixels = layer.data[0] if layer.multiscale else layer.data
    return pixels


def require_same(viewer: Viewer, layer: Image | Labels, pixels: object) -> None:
    """Make sure that a layer is still there, with the pixels that a run was asked for.

    Raises
    ------
    LayerError
        If it was removed, or shows something else.
    """
    require_there(viewer, layer)
    now = first_level(layer)
    if (scene_behind(now) or now) is not pixels:
        raise other_layer(layer, "other pixels in it")


def require_there(viewer: Viewer, layer: Layer) -> None:
    """Make sure that a layer is still there; raises as `require_same`."""
    if layer not in viewer.layers:
        raise other_layer(layer, "that it was removed")


def other_layer(layer: Layer, found: str) -> LayerError:
    """Return the error of a layer that is not what it was."""
    return LayerError(
        expected=f"“{layer.name}” as it was when the run was asked for",
        found=found,
        remedy="ask again for what is there now",
    )


def _check_image(layer: Image) -> None:
    pixels = first_level(layer)
    kind = np.dtype(pixels.dtype).kind
    if kind not in "uif":
        raise LayerError(
            expected="an image of whole or real numbers",
            found=f"values of type {np.dtype(pixels.dtype)} in {layer.name!r}",
            remedy="choose another layer, or convert this one",
        )
    if layer.ndim != 2:
        raise LayerError(
            expected="one two-dimensional image",
            found=f"a stack of shape {tuple(pixels.shape)} in {layer.name!r}",
            remedy="open the file with the firstpass reader, or split the stack into images",
        )


def _size(layer: Image) -> tuple[int, int]:
    height, width = first_level(layer).shape[:2]
    return int(height), int(width)


def _pixel_source(layer: Image) -> PixelSource:
    pixels = first_level(layer)
    roles: tuple[Role | None, ...] = ("red", "green", "blue") if layer.rgb else (None,)
    has_alpha = layer.rgb and pixels.shape[-1] == 4
    return PixelSource(pixels, grid_of(layer), roles, has_alpha=has_alpha)


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def _kind(layer: Layer | None) -> str:
    if layer is None:
        return "none"
    return f"the {type(layer).__name__.lower()} layer {layer.name!r}"
