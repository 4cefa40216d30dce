"""What we note in a layer's metadata: where its pixels come from, and where they lie on Earth."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

    from numpy.typing import NDArray

    from napari_firstpass.bands import Role
    from napari_firstpass.grid import Grid
    from napari_firstpass.provenance import Provenance
    from napari_firstpass.raster import Raster
    from napari_firstpass.taxonomy import Taxonomy

LayerTuple = tuple[Any, dict[str, Any], str]
"""Data, keyword arguments and type of a layer, as napari's readers return them."""

KEY = "firstpass"
"""Our one entry in ``layer.metadata``."""

_STATES = 3
"""How far back it is remembered how labels were made: two bytes a pixel each."""


@dataclass(frozen=True, slots=True)
class OpenedFile:
    """A file as it was when its layers were made.

    Attributes
    ----------
    path : Path
        Absolute.
    size : int
        Bytes.
    mtime_ns : int
        Time of its last change.
    parts : tuple of Path
        All files the image is made of: itself, sidecars, the sources of a virtual raster.
    """

    path: Path
    size: int
    mtime_ns: int
    parts: tuple[Path, ...]

    @classmethod
    def of(cls, path: Path, parts: Iterable[Path] = ()) -> OpenedFile:
        """Note a file as it is now; it must exist."""
        status = path.stat()
        absolute = tuple(dict.fromkeys(part.absolute() for part in (path, *parts)))
        return cls(absolute[0], status.st_size, status.st_mtime_ns, absolute)

    @property
    def is_unchanged(self) -> bool:
        """Whether the file is still there, and the same."""
        if not self.path.exists():
            return False
        now = self.path.stat()
        return (now.st_size, now.st_mtime_ns) == (self.size, self.mtime_ns)


@dataclass(frozen=True, slots=True)
class SceneInfo:
    """Where the pixels of an image layer come from.

    Attributes
    ----------
    name : str
        What users call the scene: the file's name without its ending.
    grid : Grid
        Size and place of the whole scene.
    bands : tuple of str
        Names of all its bands.
    roles : tuple of str or None
        What each band shows.
    pixel_size : str
        ``0.15 m``, for people; empty where it is unknown.
    nodata : str
        Declared nodata values, for people; empty if there are none.
    origin : OpenedFile or Raster
        The file, or the image itself if it never was one.
    band : int or None
        The one band that the layer shows; None for the layer that stands for the scene.
    """

    name: str
    grid: Grid
    bands: tuple[str, ...]
    roles: tuple[Role | None, ...]
    pixel_size: str
    nodata: str
    origin: OpenedFile | Raster
    band: int | None = None


@dataclass(frozen=True, slots=True)
class Made:
    """Labels as a method made them.

    Attributes
    ----------
    labels : (H, W) integer array
        Class ids; not modified by anybody.
    confidence : (H, W) uint8 array or None
        See `Segmentation`.
    provenance : Provenance
        How they came about.
    """

    labels: NDArray[Any]
    confidence: NDArray[np.uint8] | None
    provenance: Provenance


@dataclass(frozen=True, slots=True)
class MaskInfo:
    """What a labels layer needs to become a georeferenced mask.

    Attributes
    ----------
    scene : str
        Name of the scene it belongs to.
    grid : Grid
        Size and place.
    taxonomy : Taxonomy
        The classes as they were made; what the user adds is found in the layer.
    provenance : Provenance
        How the labels came about.
    sources : tuple of Path
        The image file, and others it consists of: they must not be overwritten.
    made : tuple of Made
        The labels as they were made, and as methods changed them, the newest last; the user may
        have undone some of it, and painted.
    """

    scene: str
    grid: Grid
    taxonomy: Taxonomy
    provenance: Provenance
    sources: tuple[Path, ...] = ()
    made: tuple[Made, ...] = ()

    def then(self, made: Made) -> MaskInfo:
        """Return the same after a method has changed the labels; only a few states are kept."""
        return replace(self, made=(*self.made, made)[-_STATES:])

    def nearest(self, labels: NDArray[Any]) -> Made | None:
        """Return the state that labels differ from in the fewest pixels, the newest of several."""
        fitting = [made for made in reversed(self.made) if made.labels.shape == labels.shape]
        return min(fitting, key=lambda made: np.count_nonzero(made.labels != labels), default=None)


def scene_of(metadata: Mapping[str, Any]) -> SceneInfo | None:
    """Return what our reader noted about an image layer, None for a layer of another origin."""
    info = metadata.get(KEY)
    return info if isinstance(info, SceneInfo) else None


def mask_of(metadata: Mapping[str, Any]) -> MaskInfo | None:
    """Return what we noted about a labels layer, None for a layer of another origin."""
    info = metadata.get(KEY)
    return info if isinstance(info, MaskInfo) else None
