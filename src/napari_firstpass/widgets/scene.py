"""What we note in a layer's metadata: where its pixels come from, and where they lie on Earth."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_firstpass.label_changes import relabelled

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

    from numpy.typing import NDArray

    from napari_firstpass.bands import Role
    from napari_firstpass.grid import Grid
    from napari_firstpass.provenance import Provenance
    from napari_firstpass.raster import Raster
    from napari_firstpass.taxonomy import LabelClass, Taxonomy

LayerTuple = tuple[Any, dict[str, Any], str]
"""Data, keyword arguments and type of a layer, as napari's readers return them."""

KEY = "firstpass"
"""Our one entry in ``layer.metadata``."""

_ARRAYS = 3
"""How many arrays of labels as they were made are remembered: two bytes a pixel each."""

_STATES = 24
"""How far back it is remembered how labels were made; states may share an array."""


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
    became : tuple of (int, int)
        Classes that a person made others as a whole since then: ids before and now.
    """

    labels: NDArray[Any]
    confidence: NDArray[np.uint8] | None
    provenance: Provenance
    became: tuple[tuple[int, int], ...] = ()

    @property
    def labels_now(self) -> NDArray[Any]:
        """Labels (H, W) with those classes in place of the ones that were made."""
        return relabelled(self.labels, dict(self.became)) if self.became else self.labels

    def reassigned(self, mapping: Mapping[int, int], step: Mapping[str, Any]) -> Made:
        """Return the same after whole classes became others; ``step`` tells so to people."""
        became = {before: mapping.get(now, now) for before, now in self.became}
        return replace(
            self,
            became=tuple(sorted((dict(mapping) | became).items())),
            provenance=self.provenance.with_step("reassigned", step),
        )


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
        The classes; names and colours that the user changed otherwise are found in the layer.
    provenance : Provenance
        How the labels came about.
    sources : tuple of Path
        The image file, and others it consists of: they must not be overwritten.
    made : tuple of Made
        The labels as they were made, and as methods changed them, the newest last; the user may
        have undone some of it, and painted.
    retired : tuple of LabelClass
        Classes that were merged into others, or deleted; undone, they are there again.
    """

    scene: str
    grid: Grid
    taxonomy: Taxonomy
    provenance: Provenance
    sources: tuple[Path, ...] = ()
    made: tuple[Made, ...] = ()
    retired: tuple[LabelClass, ...] = ()

    def then(self, made: Made) -> MaskInfo:
        """Return the same after a method has changed the labels; only a few states are kept."""
        states = (*self.made, made)[-_STATES:]
        arrays = dict.fromkeys(id(state.labels) for state in reversed(states))
        kept = set(list(arrays)[:_ARRAYS])
        return replace(self, made=tuple(state for state in states if id(state.labels) in kept))

    def reassigned(self, mapping: Mapping[int, int], step: Mapping[str, Any]) -> MaskInfo:
        """Return the same after a person made whole classes others; see `Made.reassigned`."""
        return self.then(self.made[-1].reassigned(mapping, step)) if self.made else self

    def nearest(self, labels: NDArray[Any]) -> Made | None:
        """Return the state that labels differ from in the fewest pixels, the newest of several."""
        nearest, fewest = None, labels.size + 1
        for made in reversed(self.made):
            if made.labels.shape != labels.shape:
                continue
            differing = int(np.count_nonzero(made.labels_now != labels))
            if differing < fewest:
                nearest, fewest = made, differing
            if not differing:
                break
        return nearest


def scene_of(metadata: Mapping[str, Any]) -> SceneInfo | None:
    """Return what our reader noted about an image layer, None for a layer of another origin."""
    info = metadata.get(KEY)
    return info if isinstance(info, SceneInfo) else None


def mask_of(metadata: Mapping[str, Any]) -> MaskInfo | None:
    """Return what we noted about a labels layer, None for a layer of another origin."""
    info = metadata.get(KEY)
    return info if isinstance(info, MaskInfo) else None
