"""The masks of all classes of a label map as lengths of runs, found from column to column.

What is known at a time is a strip of columns, and three numbers for each class.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_firstpass.run_length import spelt
from napari_firstpass.taxonomy import UNLABELLED

if TYPE_CHECKING:
    from numpy.typing import NDArray

_NOBODY = -1
"""What lies before the first pixel."""


@dataclass(slots=True)
class _Mask:
    """How far the mask of a class was told: how many runs, the last two, and where these end."""

    runs: int
    last: NDArray[np.int64]
    end: int

    def told(self, borders: NDArray[np.int64]) -> str:
        """Return the letters of the runs up to each border, which lie behind those told before."""
        counts = np.diff(borders, prepend=self.end)
        letters = spelt(counts, self.last, self.runs)
        self.runs += len(counts)
        self.last = np.concatenate([self.last, counts])[-2:]
        self.end = int(borders[-1])
        return letters


class ClassRuns:
    """Spells masks in COCO's short form (`run_length`), as far as columns of a map are known."""

    def __init__(self) -> None:
        self._masks: dict[int, _Mask] = {}
        self._pixels, self._before = 0, _NOBODY

    def add(self, columns: NDArray[Any]) -> dict[int, str]:
        """Return what the next columns (H, w) add to the masks of classes, by id; 0 has none."""
        ids = columns.ravel(order="F").astype(np.int64)
        before = np.concatenate(([self._before], ids[:-1]))
        changes = np.flatnonzero(ids != before)
        # Where one class follows another, the run of one ends and that of the other begins.
        whose = np.concatenate([before[changes], ids[changes]])
        borders = np.concatenate([changes, changes]) + self._pixels
        self._pixels, self._before = self._pixels + len(ids), int(ids[-1])
        order = np.lexsort((borders, whose))
        found, starts, counts = np.unique(whose[order], return_index=True, return_counts=True)
        return {
            one: self._mask(one).told(borders[order[start : start + count]])
            for one, start, count in zip(found.tolist(), starts, counts, strict=True)
            if one not in (_NOBODY, UNLABELLED)
        }

    def close(self) -> dict[int, str]:
        """Return what is left of each mask after the last column, by id in ascending order."""
        end = np.array([self._pixels])
        return {one: mask.told(end) for one, mask in sorted(self._masks.items())}

    def _mask(self, one: int) -> _Mask:
        return self._masks.setdefault(one, _Mask(0, np.zeros(2, np.int64), 0))
