"""How likely each class of the source is in each place of a window, and in a mask as a whole."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from napari_firstpass.found_masks import nearest

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from napari_firstpass.features import FeatureMap
    from napari_firstpass.found_masks import FoundMask


@dataclass(frozen=True, slots=True, eq=False)
class SourceBelief:
    """What the network that labels come from believes of a window, before it chose classes.

    Attributes
    ----------
    ids : tuple of K int
        The classes, by their ids in the labels.
    shares : (K, h, w) float32 array
        Probabilities of cells; they sum to 1 over K.
    rows, cols : (H,) and (W,) int64 array
        The cell that each row, and each column, of pixels lies in; ascending.
    """

    ids: tuple[int, ...]
    shares: NDArray[np.float32]
    rows: NDArray[np.int64]
    cols: NDArray[np.int64]

    @classmethod
    def of(cls, found: FeatureMap, ids: Sequence[int], shape: tuple[int, int]) -> SourceBelief:
        """Return the belief about a window of ``shape`` pixels, of what a network says of cells."""
        rows, cols = (np.arange(length) // found.stride for length in shape)
        return cls(tuple(ids), found.vectors.cpu().numpy(), rows, cols)

    def framed(self, frame: tuple[int, int]) -> SourceBelief:
        """Return the same for the window brought to another height and width."""
        rows = self.rows[nearest(frame[0], len(self.rows))]
        return replace(self, rows=rows, cols=self.cols[nearest(frame[1], len(self.cols))])

    def in_mask(self, mask: FoundMask) -> dict[int, float]:
        """Return the mean over the pixels of a mask, by id; they sum to 1."""
        down, across = mask.box.slices
        rows, cols = self.rows[down], self.cols[across]
        top, left, bottom, right = rows[0], cols[0], rows[-1] + 1, cols[-1] + 1
        cells = np.add.outer((rows - top) * (right - left), cols - left)[mask.inside()]
        pixels = np.bincount(cells, minlength=(bottom - top) * (right - left))
        means = self.shares[:, top:bottom, left:right].reshape(len(self.ids), -1) @ pixels
        return dict(zip(self.ids, (means / len(cells)).tolist(), strict=True))
