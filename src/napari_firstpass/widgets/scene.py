"""What we note in a layer's metadata: where its pixels come from, and where they lie on Earth."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from napari_firstpass.label_changes import chained, relabelled

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

    import numpy as np
    from numpy.typing import NDArray

    from napari_firstpass.bands import Role
    from napari_firstpass.grid import Grid, Window
    from napari_firstpass.io.tile_store import TileStore
    from napari_firstpass.provenance import Provenance
    from napari_firstpass.raster import Raster
    from napari_firstpass.reviewed import Reviewed
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
    became : tuple of (int, int)
        Classes that a person made others as a whole since then: ids before and now.
    number : int
        Counts the states of a layer.
    """

    labels: NDArray[Any]
    confidence: NDArray[np.uint8] | None
    became: tuple[tuple[int, int], ...] = ()
    number: int = 0

    @property
    def labels_now(self) -> NDArray[Any]:
        """Labels (H, W) with those classes in place of the ones that were made."""
        return relabelled(self.labels, dict(self.became)) if self.became else self.labels

    def reassigned(self, mapping: Mapping[int, int]) -> Made:
        """Return the same after whole classes became others."""
        return replace(self, became=chained(self.became, mapping))


@dataclass(frozen=True, slots=True)
class MadeTiles:
    """Labels of a large scene as a run made them, in tiles that nobody modifies.

    Read window by window, they are those labels, with the classes that a person made others since.

    Attributes
    ----------
    labels : TileStore
        Class ids.
    confidence : TileStore or None
        See `Segmentation`.
    became : tuple of (int, int)
        As in `Made`.
    taken : Reviewed or None
        Pixels in which what was learned from corrections was accepted: nobody painted them.
    """

    labels: TileStore
    confidence: TileStore | None = None
    became: tuple[tuple[int, int], ...] = ()
    taken: Reviewed | None = None

    @property
    def shape(self) -> tuple[int, int]:
        """Height and width of the scene."""
        return self.labels.shape

    def __getitem__(self, key: tuple[slice, slice]) -> NDArray[Any]:
        """Return a window (h, w)."""
        return relabelled(self.labels[key], dict(self.became))

    def part(self, window: Window, number: int) -> Made:
        """Return a window (h, w) of them as a state with a number."""
        confidence = None if self.confidence is None else self.confidence.read(window)
        return Made(self.labels.read(window), confidence, self.became, number)

    def reassigned(self, mapping: Mapping[int, int]) -> MadeTiles:
        """Return the same after whole classes became others."""
        return replace(self, became=chained(self.became, mapping))


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
        What the labels went through: the run, and each step since, without those that were undone.
    sources : tuple of Path
        The image file, and others it consists of: they must not be overwritten.
    made : tuple of Made
        The labels as they were made, and as methods changed them, the newest last; the user may
        have undone some of it, and painted.
    retired : tuple of LabelClass
        Classes that were merged into others, or deleted; undone, they are there again.
    reviewed : Reviewed or None
        What somebody has looked at; None for nothing yet.
    tiles : MadeTiles or None
        In place of ``made``, for a scene too large for memory.
    at : int
        Number of the state that the labels are in.
    """

    scene: str
    grid: Grid
    taxonomy: Taxonomy
    provenance: Provenance
    sources: tuple[Path, ...] = ()
    made: tuple[Made, ...] = ()
    retired: tuple[LabelClass, ...] = ()
    reviewed: Reviewed | None = None
    tiles: MadeTiles | None = None
    at: int = 0

    @property
    def state(self) -> Made | None:
        """How the labels were made that somebody paints on now; None if nobody knows any more."""
        return next((made for made in self.made if made.number == self.at), None)

    def state_of(self, labels: NDArray[Any]) -> Made | None:
        """Return the same if it fits labels (H, W)."""
        state = self.state
        return state if state is not None and state.labels.shape == labels.shape else None

    def part(self, window: Window) -> MaskInfo:
        """Return what is noted of a window of a large scene alone; reads how it was made."""
        grid, seen, tiles = self.grid.crop(window), self.reviewed, self.tiles
        made = () if tiles is None else (tiles.part(window, self.at),)
        part = None if seen is None else seen.part(window)
        return replace(self, grid=grid, made=made, reviewed=part, tiles=None)

    def then(self, made: Made) -> MaskInfo:
        """Return the same after a method has changed the labels; only a few states are kept."""
        number = self.at + 1
        done = [state for state in self.made if state.number < number]  # others were undone
        states = (*done, replace(made, number=number))[-_STATES:]
        arrays = dict.fromkeys(id(state.labels) for state in reversed(states))
        kept = set(list(arrays)[:_ARRAYS])
        states = tuple(state for state in states if id(state.labels) in kept)
        return replace(self, made=states, at=number)

    def with_step(self, key: str, step: Mapping[str, Any]) -> MaskInfo:
        """Return the same with a step added to the record; see `Provenance.with_step`."""
        return replace(self, provenance=self.provenance.with_step(key, step))

    def reassigned(self, mapping: Mapping[int, int], step: Mapping[str, Any]) -> MaskInfo:
        """Return the same after a person made whole classes others; ``step`` tells so to people."""
        told, state = self.with_step("reassigned", step), self.state
        if self.tiles is not None:
            return replace(told, tiles=self.tiles.reassigned(mapping))
        return told if state is None else told.then(state.reassigned(mapping))


def scene_of(metadata: Mapping[str, Any]) -> SceneInfo | None:
    """Return what our reader noted about an image layer, None for a layer of another origin."""
    info = metadata.get(KEY)
    return info if isinstance(info, SceneInfo) else None


def mask_of(metadata: Mapping[str, Any]) -> MaskInfo | None:
    """Return what we noted about a labels layer, None for a layer of another origin."""
    info = metadata.get(KEY)
    return info if isinstance(info, MaskInfo) else None
