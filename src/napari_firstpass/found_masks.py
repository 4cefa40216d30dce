"""Masks of single things in an image: bits of a box each, so that hundreds of them are small."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
import torch

from napari_firstpass.grid import Window

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from torch import Tensor


@dataclass(frozen=True, slots=True, eq=False)
class FoundMask:
    """A mask, kept as one bit for each pixel of its box.

    Attributes
    ----------
    top, left, bottom, right : int
        Its box, in pixels; bottom and right lie outside.
    bits : array of uint8
        The pixels of the box, row by row.
    score : float
        How much of it the model expects to be right, in [0, 1].
    stability : float
        What share of it is left where it must be surer, in [0, 1].
    row, col : float
        The point that it was found at.
    """

    top: int
    left: int
    bottom: int
    right: int
    bits: NDArray[np.uint8]
    score: float
    stability: float
    row: float
    col: float

    @classmethod
    def of(
        cls,
        inside: NDArray[np.bool_],
        box: Window,
        *,
        score: float,
        stability: float,
        row: float,
        col: float,
    ) -> FoundMask:
        """Pack the pixels (h, w) of a box, which need not fit tightly; not all are False."""
        rows, cols = np.flatnonzero(inside.any(1)), np.flatnonzero(inside.any(0))
        top, bottom, left, right = (int(i) for i in (rows[0], rows[-1] + 1, cols[0], cols[-1] + 1))
        bits = np.packbits(inside[top:bottom, left:right])
        sides = top + box.row, left + box.col, bottom + box.row, right + box.col
        return cls(*sides, bits, score, stability, row, col)

    @property
    def box(self) -> Window:
        """Its box."""
        return Window(self.top, self.left, self.bottom - self.top, self.right - self.left)

    @property
    def area(self) -> int:
        """Pixels inside."""
        return int(np.bitwise_count(self.bits).sum())

    def moved(self, row: int, col: int) -> FoundMask:
        """Return the same mask so many pixels further down and to the right."""
        return replace(
            self,
            top=self.top + row,
            left=self.left + col,
            bottom=self.bottom + row,
            right=self.right + col,
            row=self.row + row,
            col=self.col + col,
        )

    def resized(self, before: tuple[int, int], after: tuple[int, int]) -> FoundMask | None:
        """Return the same mask in an image of other height and width, None if nothing is left.

        Each pixel is what the middle of it was.
        """
        rows, cols = (nearest(new, old) for old, new in zip(before, after, strict=True))
        down = np.flatnonzero((rows >= self.top) & (rows < self.bottom))
        across = np.flatnonzero((cols >= self.left) & (cols < self.right))
        if not len(down) or not len(across):
            return None
        inside = self.inside()[np.ix_(rows[down] - self.top, cols[across] - self.left)]
        if not inside.any():
            return None
        place = Window(int(down[0]), int(across[0]), len(down), len(across))
        row, col = self.row * after[0] / before[0], self.col * after[1] / before[1]
        stability = self.stability
        return FoundMask.of(inside, place, score=self.score, stability=stability, row=row, col=col)

    def inside(self) -> NDArray[np.bool_]:
        """Return the pixels of its box (bottom − top, right − left)."""
        shape = (self.bottom - self.top, self.right - self.left)
        flat = np.unpackbits(self.bits, count=shape[0] * shape[1])
        return flat.reshape(shape).astype(bool)


@dataclass(frozen=True, slots=True, eq=False)
class FoundMasks:
    """Masks of one image, the best score first; they may overlap, and need not cover it.

    Attributes
    ----------
    height, width : int
        Of the image.
    masks : tuple of FoundMask
        Perhaps none.
    """

    height: int
    width: int
    masks: tuple[FoundMask, ...]

    def __len__(self) -> int:
        return len(self.masks)

    def __getitem__(self, index: int) -> Tensor:
        """Return a mask (H, W), bool."""
        found = self.masks[index]
        whole = torch.zeros(self.height, self.width, dtype=torch.bool)
        inside = torch.from_numpy(found.inside())
        whole[found.top : found.bottom, found.left : found.right] = inside
        return whole

    @property
    def scores(self) -> Tensor:
        """Scores (N,), in [0, 1]."""
        return torch.tensor([mask.score for mask in self.masks])

    @property
    def boxes(self) -> Tensor:
        """Boxes (N, 4): top, left, bottom, right."""
        sides = [(mask.top, mask.left, mask.bottom, mask.right) for mask in self.masks]
        return torch.tensor(sides, dtype=torch.int64).reshape(-1, 4)


def nearest(count: int, length: int) -> NDArray[np.int64]:
    """Return which of ``length`` pixels lies at the middle of each of ``count`` new ones."""
    return ((np.arange(count) + 0.5) * length / count).astype(np.int64)


def masks_of_regions(places: NDArray[np.int32], valid: NDArray[np.bool_]) -> FoundMasks:
    """Return each region of an image as a mask; those without data are left out.

    Parameters
    ----------
    places : (H, W) int array
        Region of each pixel, 0 … n − 1.
    valid : (H, W) bool array
        Where there is data.
    """
    # Imported where it is used: most who look at masks have no regions.
    from scipy.ndimage import find_objects

    numbered = (places + 1) * valid
    masks = []
    for number, found in enumerate(find_objects(numbered), start=1):
        if found is not None:
            rows, cols = found
            box = Window(rows.start, cols.start, rows.stop - rows.start, cols.stop - cols.start)
            inside = numbered[found] == number
            row, col = (int(axis[0]) for axis in np.nonzero(inside))
            masks.append(
                FoundMask.of(
                    inside, box, score=1.0, stability=1.0,
                    row=box.row + row + 0.5, col=box.col + col + 0.5,
                )
            )  # fmt: skip
    height, width = places.shape
    return FoundMasks(height, width, tuple(masks))
