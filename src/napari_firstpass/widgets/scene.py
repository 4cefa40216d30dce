"""What we note in a layer's metadata: where its pixels come from, and where they lie on Earth."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_firstpass.grid import Window
from napari_firstpass.label_changes import relabelled

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

    from numpy.typing import NDArray

    from napari_firstpass.bands import Role
    from napari_firstpass.grid import Grid
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
    provenance : Provenance
        How they came about.
    became : tuple of (int, int)
        Classes that a person made others as a whole since then: ids before and now.
    number : int
        Counts the states of a layer.
    """

    labels: NDArray[Any]
    confidence: NDArray[np.uint8] | None
    provenance: Provenance
    became: tuple[tuple[int, int], ...] = ()
    number: int = 0

    @property
    def labels_now(self) -> NDArray[Any]:
        """Labels (H, W) with those classes in place of the ones that were made."""
        return relabelled(self.labels, dict(self.became)) if self.became else self.labels

    def reassigned(self, mapping: Mapping[int, int], step: Mapping[str, Any]) -> Made:
        """Return the same after whole classes became others; ``step`` tells so to people."""
        return replace(
            self,
            became=chained(self.became, mapping),
            provenance=self.provenance.with_step("reassigned", step),
        )


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
    became : tuple of tuple of (int, int)
        As in `Made`, of each state since, the newest last; the first is without any.
    """

    labels: TileStore
    confidence: TileStore | None = None
    became: tuple[tuple[tuple[int, int], ...], ...] = ((),)

    @property
    def shape(self) -> tuple[int, int]:
        """Height and width of the scene."""
        return self.labels.shape

    def __getitem__(self, key: tuple[slice, slice]) -> NDArray[Any]:
        """Return a window (h, w)."""
        return relabelled(self.labels[key], dict(self.became[-1]))

    def part(self, window: Window, provenance: Provenance) -> tuple[Made, ...]:
        """Return all states of a window (h, w), with the record that they share."""
        labels = self.labels.read(window)
        confidence = None if self.confidence is None else self.confidence.read(window)
        states = enumerate(self.became)
        return tuple(Made(labels, confidence, provenance, became, i) for i, became in states)

    def reassigned(self, mapping: Mapping[int, int]) -> MadeTiles:
        """Return the same after whole classes became others."""
        became = chained(self.became[-1], mapping)
        return replace(self, became=((), *self.became[1:], became)[-_STATES:])


def chained(
    became: Iterable[tuple[int, int]], mapping: Mapping[int, int]
) -> tuple[tuple[int, int], ...]:
    """Return which ids became which once others did, too."""
    before = {old: mapping.get(now, now) for old, now in became}
    return tuple(sorted((dict(mapping) | before).items()))


@dataclass(frozen=True, slots=True)
class Pointed:
    """An outline that was accepted into labels.

    Attributes
    ----------
    window : Window
        Where it lies.
    changed : (h, w) bool array
        The pixels that it changed; at least one.
    class_id : int
        What they became.
    record : dict
        What was pointed at and how it was found, as plain values.
    after : int
        Number of the state that the labels were in.
    """

    window: Window
    changed: NDArray[np.bool_]
    class_id: int
    record: dict[str, Any]
    after: int

    def is_in(self, labels: NDArray[Any], became: int | None) -> bool:
        """Tell whether nobody undid it: most of it has its class, or what that ``became``."""
        now = labels[self.window.slices][self.changed]
        there = (now == self.class_id) | (now == became) if became else now == self.class_id
        return bool(2 * np.count_nonzero(there) > len(now))


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
    pointed : tuple of Pointed
        The outlines that were accepted, the newest last; the user may have undone some of them.
    reviewed : Reviewed or None
        What somebody has looked at; None for nothing yet.
    tiles : MadeTiles or None
        In place of ``made``, for a scene too large for memory.
    """

    scene: str
    grid: Grid
    taxonomy: Taxonomy
    provenance: Provenance
    sources: tuple[Path, ...] = ()
    made: tuple[Made, ...] = ()
    retired: tuple[LabelClass, ...] = ()
    pointed: tuple[Pointed, ...] = ()
    reviewed: Reviewed | None = None
    tiles: MadeTiles | None = None

    @property
    def number(self) -> int:
        """Number of the newest state."""
        return self.made[-1].number if self.made else 0

    def part(self, window: Window) -> MaskInfo:
        """Return what is noted of a window of a large scene alone; reads how it was made."""
        grid, seen, tiles = self.grid.crop(window), self.reviewed, self.tiles
        made = () if tiles is None else tiles.part(window, self.provenance)
        part = None if seen is None else seen.part(window)
        return replace(self, grid=grid, made=made, pointed=(), reviewed=part, tiles=None)

    def then(self, made: Made) -> MaskInfo:
        """Return the same after a method has changed the labels; only a few states are kept."""
        return self._with(replace(made, number=self.number + 1))

    def _with(self, made: Made) -> MaskInfo:
        states = (*self.made, made)[-_STATES:]
        arrays = dict.fromkeys(id(state.labels) for state in reversed(states))
        kept = set(list(arrays)[:_ARRAYS])
        return replace(self, made=tuple(state for state in states if id(state.labels) in kept))

    def reassigned(self, mapping: Mapping[int, int], step: Mapping[str, Any]) -> MaskInfo:
        """Return the same after a person made whole classes others; see `Made.reassigned`."""
        if self.tiles is not None:
            return replace(self, tiles=self.tiles.reassigned(mapping))
        return self._with(self.made[-1].reassigned(mapping, step)) if self.made else self

    def then_pointed(
        self, window: Window, changed: NDArray[np.bool_], class_id: int, record: dict[str, Any]
    ) -> MaskInfo:
        """Return the same after an outline was accepted, which changed some pixels of a window."""
        rows, cols = (np.flatnonzero(changed.any(axis)) for axis in (1, 0))
        (top, bottom), (left, right) = ((int(some[0]), int(some[-1]) + 1) for some in (rows, cols))
        around = Window(window.row + top, window.col + left, bottom - top, right - left)
        part = changed[top:bottom, left:right].copy()
        newest = Pointed(around, part, class_id, record, self.number)
        return replace(self, pointed=(*self.pointed, newest))

    def with_outlines(
        self, record: Provenance, labels: NDArray[Any], made: Made | None
    ) -> Provenance:
        """Add the accepted outlines that are still there to the record of a state."""
        number, became = (0, {}) if made is None else (made.number, dict(made.became))
        for one in self.pointed:
            # Of what was pointed at before, the state itself tells.
            if one.after >= number and one.is_in(labels, became.get(one.class_id)):
                record = record.with_step("prompted", one.record)
        return record

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
