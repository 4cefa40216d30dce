"""How many pixels each truth id shares with each predicted id: what most protocols are made of."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from napari_firstpass.errors import GridMismatchError, ImageContentError
from napari_firstpass.evaluation.label_image import LabelImage, Numbering, strips

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

_LARGEST_DENSE = 2**22


@dataclass(frozen=True, slots=True)
class Overlap:
    """A contingency table without its zeros, over the pixels where the truth is valid.

    Attributes
    ----------
    truth_ids, pred_ids : (T,) and (P,) int64 array
        Ids that occur on these pixels, ascending.
    rows, cols, counts : (n,) int64 arrays
        ``counts[i]`` > 0 pixels are ``truth_ids[rows[i]]`` and predicted ``pred_ids[cols[i]]``.
    missed : (T,) int64 array
        Pixels of each truth id for which nothing was predicted.
    """

    truth_ids: NDArray[np.int64]
    pred_ids: NDArray[np.int64]
    rows: NDArray[np.int64]
    cols: NDArray[np.int64]
    counts: NDArray[np.int64]
    missed: NDArray[np.int64]

    @classmethod
    def of(cls, truth: LabelImage, pred: LabelImage) -> Overlap:
        """Count the pixels of a pair.

        Raises
        ------
        GridMismatchError
            If the two differ in size.
        ImageContentError
            If no pixel of the truth is valid.
        """
        if truth.shape != pred.shape:
            raise GridMismatchError(
                expected=f"a prediction as large as the truth, {truth.shape[0]} x {truth.shape[1]}",
                found=f"{pred.shape[0]} x {pred.shape[1]}",
                remedy="compare labels of the same image",
            )
        require_truth(truth)
        left, right = Numbering(truth), Numbering(pred)
        width = len(right.ids) + 1  # the first column is for no prediction
        codes, counts = _counted(truth, left, right, width)
        rows, cols = np.divmod(codes, width)
        missed = np.zeros(len(left.ids), dtype=np.int64)
        missed[rows[cols == 0]] = counts[cols == 0]
        some = cols > 0
        # A predicted id may occur only where the truth is not valid.
        used, cols = np.unique(cols[some] - 1, return_inverse=True)
        return cls(left.ids, right.ids[used], rows[some], cols, counts[some], missed)

    @classmethod
    def pooled(cls, overlaps: Sequence[Overlap]) -> Overlap:
        """Add up the tables of several images, in which an id means the same.

        Raises
        ------
        ImageContentError
            If there are none.
        """
        if not overlaps:
            raise ImageContentError(
                expected="at least one pair of truth and prediction",
                found="none",
                remedy="check the names of the files",
            )
        truth_ids = np.unique(np.concatenate([o.truth_ids for o in overlaps]))
        pred_ids = np.unique(np.concatenate([o.pred_ids for o in overlaps]))
        width = max(len(pred_ids), 1)
        codes = np.concatenate(
            [
                np.searchsorted(truth_ids, o.truth_ids)[o.rows] * width
                + np.searchsorted(pred_ids, o.pred_ids)[o.cols]
                for o in overlaps
            ]
        )
        found, counts = _added_up(codes, np.concatenate([o.counts for o in overlaps]))
        missed = np.zeros(len(truth_ids), dtype=np.int64)
        for o in overlaps:
            missed[np.searchsorted(truth_ids, o.truth_ids)] += o.missed
        return cls(truth_ids, pred_ids, found // width, found % width, counts, missed)

    @property
    def truth_sizes(self) -> NDArray[np.int64]:
        """Pixels of each truth id."""
        return _summed(self.rows, self.counts, len(self.truth_ids)) + self.missed

    @property
    def pred_sizes(self) -> NDArray[np.int64]:
        """Pixels of each predicted id, where the truth is valid."""
        return _summed(self.cols, self.counts, len(self.pred_ids))

    @property
    def pixels(self) -> int:
        """Pixels judged: all where the truth is valid."""
        return int(self.counts.sum() + self.missed.sum())

    @property
    def ious(self) -> NDArray[np.float64]:
        """Intersection over union of each pair that shares pixels (n,), as ``counts``."""
        union = self.truth_sizes[self.rows] + self.pred_sizes[self.cols] - self.counts
        return self.counts / union


def require_truth(truth: LabelImage) -> None:
    """Raise `ImageContentError` if no pixel of a truth is valid."""
    if not truth.valid.any():
        raise ImageContentError(
            expected="a truth with pixels to judge by",
            found="ignored or no-data pixels only",
            remedy="leave this image out, or ignore fewer ids",
        )


def _summed(index: NDArray[np.int64], counts: NDArray[np.int64], size: int) -> NDArray[np.int64]:
    sums = np.zeros(size, dtype=np.int64)
    np.add.at(sums, index, counts)
    return sums


def _counted(
    truth: LabelImage, left: Numbering, right: Numbering, width: int
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return codes ``row * width + col`` that occur, ascending, and how often each does."""
    size = len(left.ids) * width
    dense = np.zeros(size if size <= _LARGEST_DENSE else 0, dtype=np.int64)
    parts: list[tuple[NDArray[np.int64], NDArray[np.int64]]] = []
    for rows in strips(len(truth.ids)):
        code = left.index(rows).astype(np.int64) * width + right.index(rows) + 1
        code = code[truth.valid[rows]]
        if dense.size:
            dense += np.bincount(code, minlength=size)
        else:
            parts.append(np.unique(code, return_counts=True))
    if dense.size:
        codes = np.flatnonzero(dense)
        return codes, dense[codes]
    codes, counts = (np.concatenate(both) for both in zip(*parts, strict=True))
    return _added_up(codes, counts)


def _added_up(
    codes: NDArray[np.int64], counts: NDArray[np.int64]
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return each code once, ascending, with the sum of its counts."""
    found, where = np.unique(codes, return_inverse=True)
    return found, _summed(where, counts, len(found))
