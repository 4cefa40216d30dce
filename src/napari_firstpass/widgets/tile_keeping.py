"""Labels of a run, collected tile by tile: what is ready can be kept when it is cancelled."""

from __future__ import annotations

from dataclasses import dataclass, replace
from threading import Lock
from typing import TYPE_CHECKING

import numpy as np

from napari_firstpass.errors import ImageContentError
from napari_firstpass.io.scene_labels import SceneLabels
from napari_firstpass.io.tile_store import TileStore
from napari_firstpass.progress import Progress
from napari_firstpass.segmentation import ArraySink, Segmentation, label_dtype, present_ids
from napari_firstpass.widgets.scene import MadeTiles
from napari_firstpass.widgets.scene_layers import HELD_PIXELS

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from napari_firstpass.errors import FirstPassError
    from napari_firstpass.grid import Grid, Window
    from napari_firstpass.progress import Steps
    from napari_firstpass.provenance import Provenance
    from napari_firstpass.segmentation import Labels
    from napari_firstpass.taxonomy import Taxonomy


@dataclass(frozen=True, slots=True)
class Part:
    """The part of an image that a run works on.

    Attributes
    ----------
    grid : Grid
        Of the whole image.
    window : Window
        The part.
    """

    grid: Grid
    window: Window

    @property
    def is_large(self) -> bool:
        """Whether labels of the whole image go into tiles."""
        return self.grid.height * self.grid.width > HELD_PIXELS


@dataclass(frozen=True, slots=True)
class Found:
    """Labels of a run.

    Attributes
    ----------
    taxonomy, grid, provenance
        Of the whole image; see `Segmentation`.
    classes : int
        How many classes have pixels.
    tiles : int
        How many windows were labelled.
    labels : Segmentation or SceneLabels
        The labels; many are in tiles.
    trouble : FirstPassError or None
        Why features could not be kept, which stops no run.
    made : MadeTiles or None
        Of many labels: the same once more, and how sure they are; nobody paints on these.
    """

    taxonomy: Taxonomy
    grid: Grid
    provenance: Provenance
    classes: int
    tiles: int
    labels: Segmentation | SceneLabels
    trouble: FirstPassError | None = None
    made: MadeTiles | None = None


class TileKeeper:
    """Takes the labels of a run in its thread; the window may ask at any time what is ready.

    Those of large images go into tiles at once, which takes no more memory than they need.

    Parameters
    ----------
    part : Part or None
        What is labelled; None for the whole image.
    """

    def __init__(self, part: Part | None) -> None:
        self._part = part
        self._lock = Lock()
        self._is_closed = False
        self._known: tuple[Taxonomy, Provenance] | None = None
        self._taken: ArraySink | TileStore | None = None
        self._sure: TileStore | None = None
        self._tiles = self._pixels = 0

    def begin(self, grid: Grid, taxonomy: Taxonomy, provenance: Provenance) -> TileKeeper:
        """Make room for the labels of a part (whose grid it is), before the first is written."""
        part = self._part = self._part or Part(grid, grid.window)
        if part.is_large:
            self._taken = TileStore(None, part.grid.shape, label_dtype(taxonomy.max_id))
            self._sure = TileStore(None, part.grid.shape, np.dtype(np.uint8))
        else:
            self._taken = ArraySink.of(grid, taxonomy)
        self._known = taxonomy, provenance
        return self

    def write(self, window: Window, labels: Labels, confidence: NDArray[np.uint8]) -> None:
        """Take a window of the part; nothing any more once it was closed."""
        with self._lock:
            if self._is_closed or self._part is None:
                return
            if isinstance(self._taken, ArraySink):
                self._taken.write(window, labels, confidence)
            elif self._taken is not None:
                corner = self._part.window
                row, col = window.row + corner.row, window.col + corner.col
                place = replace(window, row=row, col=col)
                self._taken.write(place, labels)
                if self._sure is not None:
                    self._sure.write(place, confidence)
            self._tiles += 1
            self._pixels += labels.size

    def close(self) -> bool:
        """Take nothing any more; return whether something was taken."""
        with self._lock:
            self._is_closed = True
            return self._tiles > 0

    @property
    def share(self) -> float:
        """How much of what was asked for is labelled, 0 to 1."""
        window = None if self._part is None else self._part.window
        return 0.0 if window is None else self._pixels / (window.height * window.width)

    def found_steps(self) -> Steps[Found]:
        """Return what was taken; elsewhere there are no labels."""
        yield Progress(0, 1, "keeping the labels")
        part, known, taken = self._part, self._known, self._taken
        if part is None or known is None or taken is None:
            raise ImageContentError(
                expected="labels", found="none", remedy="let the run come further"
            )
        taxonomy, record = known[0], _noted(known[1], part)
        if self._is_closed:
            told = {"tiles": self._tiles, "share": round(self.share, 4)}
            record = record.with_step("cancelled", told)
        about = (taxonomy, part.grid, record)
        if isinstance(taken, ArraySink):
            classes = len(present_ids(taken.labels))
            return Found(*about, classes, self._tiles, _spread(taken, part, taxonomy, record))
        scene, made = SceneLabels(taken), MadeTiles(taken.copy(), self._sure)
        classes = sum(1 for class_id in scene.look_at_all() if class_id)
        return Found(*about, classes, self._tiles, scene, made=made)


def _noted(record: Provenance, part: Part) -> Provenance:
    """Return how labels of a part came about."""
    window = part.window
    if window == part.grid.window:
        return record
    corner = [window.row, window.col, window.height, window.width]
    return replace(record, config={**record.config, "part": corner})


def _spread(sink: ArraySink, part: Part, taxonomy: Taxonomy, record: Provenance) -> Segmentation:
    """Return labels of the whole image from those of the part."""
    if part.window == part.grid.window:
        return Segmentation(sink.labels, taxonomy, part.grid, sink.confidence, record)
    whole = ArraySink.of(part.grid, taxonomy)
    whole.write(part.window, sink.labels, sink.confidence)
    return Segmentation(whole.labels, taxonomy, part.grid, whole.confidence, record)
