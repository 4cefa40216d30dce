"""What is compared: ids of pixels, and which pixels have one."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_firstpass.errors import ImageContentError

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

    from numpy.typing import NDArray

_LARGEST_ID = 2**63 - 1
_LARGEST_TABLE = 2**22
_ROWS_AT_ONCE = 256


@dataclass(frozen=True, slots=True)
class LabelImage:
    """Labels of a truth or of a prediction; unlike in a `Segmentation`, 0 is an id like others.

    Attributes
    ----------
    ids : (H, W) integer array
        Class or segment of each pixel, at least 0 where ``valid``.
    valid : (H, W) bool array
        False where a truth is not to be judged by, and where a prediction says nothing.
    """

    ids: NDArray[Any]
    valid: NDArray[np.bool_]

    def __post_init__(self) -> None:
        if self.ids.ndim != 2 or self.ids.dtype.kind not in "iu" or 0 in self.ids.shape:
            raise ImageContentError(
                expected="labels: an array (H, W) of whole numbers",
                found=f"shape {self.ids.shape} of type {self.ids.dtype}",
                remedy="convert them first",
            )
        if self.valid.shape != self.ids.shape:
            raise ImageContentError(
                expected=f"a mask of shape {self.ids.shape}",
                found=str(self.valid.shape),
                remedy="crop both to the same pixels",
            )
        low, high = int(self.ids.min()), int(self.ids.max())
        if not 0 <= low <= high <= _LARGEST_ID and self.valid.any():
            low, high = int(self.ids[self.valid].min()), int(self.ids[self.valid].max())
            if low < 0 or high > _LARGEST_ID:
                raise ImageContentError(
                    expected="ids of at least 0 and less than 2^63",
                    found=str(low if low < 0 else high),
                    remedy="declare such ids to be no data, or renumber them",
                )

    @classmethod
    def of(
        cls,
        ids: NDArray[Any],
        *,
        valid: NDArray[np.bool_] | None = None,
        ignore: Collection[int] = (),
    ) -> LabelImage:
        """Wrap an array (H, W); pixels whose id is in ``ignore`` are not valid either."""
        if valid is None:
            valid = np.ones(ids.shape, dtype=bool)
        return cls(ids, valid & ~np.isin(ids, list(ignore)) if ignore else valid)

    @property
    def shape(self) -> tuple[int, int]:
        """(height, width)."""
        height, width = self.ids.shape
        return height, width

    def present(self) -> NDArray[np.int64]:
        """Return the ids of valid pixels, ascending."""
        found: set[int] = set()
        for rows in strips(len(self.ids)):
            strip = self.ids[rows][self.valid[rows]]
            # Counting needs no sort, but a table up to the largest id.
            if strip.size and int(strip.max()) < _LARGEST_TABLE:
                found.update(np.flatnonzero(np.bincount(strip)).tolist())
            else:
                found.update(np.unique(strip).tolist())
        return np.array(sorted(found), dtype=np.int64)


def strips(height: int) -> Iterator[slice]:
    """Cut rows into strips, so that what is computed of them fits into little memory."""
    return (slice(top, top + _ROWS_AT_ONCE) for top in range(0, height, _ROWS_AT_ONCE))


class Numbering:
    """Counts the ids that occur in some labels from 0.

    Attributes
    ----------
    ids : (n,) int64 array
        The ids, ascending.
    """

    def __init__(self, labels: LabelImage) -> None:
        self.ids = labels.present()
        self._labels = labels
        self._table: NDArray[np.int32] | None = None
        if len(self.ids) and self.ids[-1] < _LARGEST_TABLE:
            self._table = np.zeros(self.ids[-1] + 1, dtype=np.int32)
            self._table[self.ids] = np.arange(len(self.ids), dtype=np.int32)

    def index(self, rows: slice) -> NDArray[np.int32]:
        """Return for some rows which of ``ids`` each pixel has, -1 where it is not valid."""
        ids, valid = self._labels.ids[rows], self._labels.valid[rows]
        if self._table is None:
            index = np.searchsorted(self.ids, ids).astype(np.int32)
        else:
            # A pixel that is not valid may hold anything, even an id beyond the table.
            index = self._table[np.where(valid, ids, 0)]
        index[~valid] = -1
        return index
