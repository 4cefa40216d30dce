"""Labelled images."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from napari_firstpass.errors import GridMismatchError, TaxonomyError
from napari_firstpass.provenance import Provenance
from napari_firstpass.taxonomy import UNLABELLED

if TYPE_CHECKING:
    from typing import TypeAlias

    from numpy.typing import NDArray

    from napari_firstpass.grid import Grid, Window
    from napari_firstpass.taxonomy import Taxonomy

    Labels: TypeAlias = NDArray[np.uint8] | NDArray[np.uint16]

SURE = 255
"""Confidence of labels of which nobody knows how sure they are, and of those that a person set."""

_ROWS_AT_ONCE = 1024
_PAIRS = 2**16


class LabelPixels(Protocol):
    """Labels (H, W): an array, or what reads windows of one as if it were."""

    @property
    def shape(self) -> tuple[int, ...]:
        """Height and width."""
        ...

    def __getitem__(self, key: Any, /) -> Any: ...  # noqa: ANN401 - NumPy's own


@dataclass(frozen=True, slots=True)
class Segmentation:
    """Labels with their names and their place.

    Attributes
    ----------
    labels : (H, W) uint8 or uint16 array
        Class ids; 0 is unlabelled or no data. Every other id is in the taxonomy.
    taxonomy : Taxonomy
        The classes.
    grid : Grid
        Size and place, the same as the image's.
    confidence : (H, W) uint8 array or None
        How sure the method is, 0 (a coin toss or no data) to 255.
    provenance : Provenance
        How the labels came about.
    """

    labels: Labels
    taxonomy: Taxonomy
    grid: Grid
    confidence: NDArray[np.uint8] | None = None
    provenance: Provenance = field(default_factory=Provenance)

    def __post_init__(self) -> None:
        for name, array in (("labels", self.labels), ("confidence", self.confidence)):
            if array is not None and array.shape != self.grid.shape:
                raise GridMismatchError(
                    expected=f"{name} of {self.grid.height} x {self.grid.width} pixels",
                    found=f"shape {array.shape}",
                    remedy="crop or resample them to the image first",
                )
        if self.labels.dtype not in (np.uint8, np.uint16):
            raise TaxonomyError(
                expected="labels of type uint8 or uint16",
                found=str(self.labels.dtype),
                remedy="convert them; class ids lie in [0, 65535]",
            )
        surplus = sorted(set(present_ids(self.labels)) - set(self.taxonomy.ids))
        if surplus:
            raise TaxonomyError(
                expected="labels that are all in the taxonomy",
                found=f"ids {', '.join(map(str, surplus[:8]))} without a class",
                remedy="add the classes or relabel the pixels",
            )


@dataclass(frozen=True, slots=True)
class ArraySink:
    """A `LabelSink` that collects windows in memory.

    Attributes
    ----------
    labels : (H, W) uint8 or uint16 array
        0 until a window is written.
    confidence : (H, W) uint8 array
        Likewise.
    """

    labels: Labels
    confidence: NDArray[np.uint8]

    @classmethod
    def of(cls, grid: Grid, taxonomy: Taxonomy) -> ArraySink:
        """Return an empty one, large enough for the ids of ``taxonomy``."""
        dtype = label_dtype(taxonomy.max_id)
        return cls(np.full(grid.shape, UNLABELLED, dtype), np.zeros(grid.shape, np.uint8))

    def write(self, window: Window, labels: Labels, confidence: NDArray[np.uint8]) -> None:
        """Store labels and confidence, both (h, w), under ``window``."""
        self.labels[window.slices] = labels
        self.confidence[window.slices] = confidence


def id_counts(labels: Labels) -> NDArray[np.int64]:
    """Return how many pixels hold each id: an array of largest id + 1 counts, indexed by id."""
    counts = np.zeros(1, dtype=np.int64)
    # bincount needs no sort, unlike unique, but copies to int64: hence in strips.
    for top in range(0, len(labels), _ROWS_AT_ONCE):
        rows = labels[top : top + _ROWS_AT_ONCE].ravel()
        if rows.dtype == np.uint8 and rows.size > _PAIRS:
            strip = _pair_counts(rows.view(np.uint8))
        else:
            strip = np.bincount(rows)
        longer, shorter = (strip, counts) if len(strip) >= len(counts) else (counts, strip)
        longer[: len(shorter)] += shorter
        counts = longer
    return counts


def _pair_counts(values: NDArray[np.uint8]) -> NDArray[np.int64]:
    """Return what bincount does, in half the time: two neighbours make one number."""
    even = len(values) // 2 * 2
    pairs = np.bincount(values[:even].view(np.uint16), minlength=_PAIRS).reshape(256, 256)
    counts: NDArray[np.int64] = pairs.sum(0) + pairs.sum(1)
    counts[values[even:]] += 1
    return counts[: int(np.flatnonzero(counts)[-1]) + 1]


def present_ids(labels: Labels) -> list[int]:
    """Return the ids other than 0 that occur in ``labels``, in order."""
    return [int(i) for i in np.flatnonzero(id_counts(labels)) if i != UNLABELLED]


def label_dtype(max_id: int) -> np.dtype[np.uint8] | np.dtype[np.uint16]:
    """Return the smallest type that holds ids up to ``max_id``."""
    return np.dtype(np.uint8) if max_id <= 255 else np.dtype(np.uint16)
