"""Which pixels of a truth the simulated annotator is judged at, and where its classes meet."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from scipy.ndimage import distance_transform_edt

from napari_firstpass.evaluation.label_image import Numbering
from napari_firstpass.evaluation.overlap import require_truth

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from napari_firstpass.evaluation.label_image import LabelImage


@dataclass(frozen=True, slots=True)
class Judging:
    """A truth with its classes numbered, and the pixels that count.

    Attributes
    ----------
    classes : (C,) int64 array
        Ids of the classes that occur, ascending.
    numbers : (H, W) int32 array
        Position in ``classes`` of each pixel; -1 where the truth is not valid.
    judged : (H, W) bool array
        Valid pixels outside the band around the boundaries; all valid pixels where the band leaves
        none.
    """

    classes: NDArray[np.int64]
    numbers: NDArray[np.int32]
    judged: NDArray[np.bool_]

    @classmethod
    def of(cls, truth: LabelImage, band: int) -> Judging:
        """Prepare a truth.

        Parameters
        ----------
        truth : LabelImage
            With one valid pixel or more.
        band : int
            How many pixels at each side of a boundary are not judged, at least 0.

        Raises
        ------
        ImageContentError
            If the truth has no valid pixel.
        """
        require_truth(truth)
        numbering = Numbering(truth)
        numbers = numbering.index(slice(None))
        outside = truth.valid & ~_band(numbers, band)
        return cls(numbering.ids, numbers, outside if outside.any() else truth.valid)

    @property
    def shape(self) -> tuple[int, int]:
        """(height, width)."""
        height, width = self.numbers.shape
        return height, width

    @property
    def valid(self) -> NDArray[np.bool_]:
        """Where the truth says something: (H, W)."""
        return self.numbers >= 0

    def numbers_of(self, classes: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return the numbers of class ids; what the truth lacks is numbered on from C."""
        known = np.concatenate([self.classes, np.setdiff1d(classes, self.classes)])
        order = np.argsort(known)
        return order[np.searchsorted(known, classes, sorter=order)]


def cracks(numbers: NDArray[np.int32]) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Find the pixel edges at which two classes of a truth meet.

    Parameters
    ----------
    numbers : (H, W) array
        Class of each pixel; -1 where not valid. Nothing ends there: we do not know.

    Returns
    -------
    beside : (H, W - 1) bool array
        Whether the edge between a pixel and its right neighbour is one.
    below : (H - 1, W) bool array
        The same for its lower neighbour.
    """
    valid = numbers >= 0
    beside = (numbers[:, :-1] != numbers[:, 1:]) & valid[:, :-1] & valid[:, 1:]
    below = (numbers[:-1] != numbers[1:]) & valid[:-1] & valid[1:]
    return beside, below


def _band(numbers: NDArray[np.int32], width: int) -> NDArray[np.bool_]:
    """Return the pixels within ``width`` of a boundary; those that touch it are the first."""
    beside, below = cracks(numbers)
    touching = np.zeros(numbers.shape, dtype=bool)
    touching[:, :-1] |= beside
    touching[:, 1:] |= beside
    touching[:-1] |= below
    touching[1:] |= below
    if width == 0 or not touching.any():
        return np.zeros_like(touching)
    within: NDArray[np.bool_] = distance_transform_edt(~touching) <= width - 1
    return within
