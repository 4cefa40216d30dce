"""Masks as lengths of runs, in the form that COCO's files hold.

Pixels are counted down the columns, from the left one on. The first run lies outside the mask (it
may be empty), and runs outside and inside take turns.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_firstpass.errors import FirstPassError
from napari_firstpass.grid import Window

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

_BITS = 5  # of a number in one letter
_MORE = 32  # the bit that says that further letters follow
_FIRST_LETTER = 48
_LETTERS_MAX = 12  # of a number below 2**59
_PLAIN_RUNS = 3  # the first ones, which are told as they are


class RunLengthError(FirstPassError, ValueError):
    """Lengths of runs that are no mask of the size they are said to have."""


@dataclass(frozen=True, slots=True, eq=False)
class RunLength:
    """A mask as lengths of runs, down the columns.

    Attributes
    ----------
    height, width : int
        The size of the mask in pixels.
    counts : (R,) int64 array
        Pixels of each run, outside and inside in turn; they add up to height × width.
    """

    height: int
    width: int
    counts: NDArray[np.int64]

    def __post_init__(self) -> None:
        size = self.height * self.width
        if (self.counts < 0).any() or int(self.counts.sum()) != size:
            raise RunLengthError(
                expected=f"runs that fill {self.height} x {self.width} = {size} pixels",
                found=f"{len(self.counts)} runs of {int(self.counts.sum())} pixels in all",
                remedy="check the size of the mask, and that the file is whole",
            )

    @classmethod
    def of(cls, mask: NDArray[np.bool_]) -> RunLength:
        """Return the runs of a mask (H, W) of a whole image."""
        height, width = mask.shape
        return cls.of_part(mask, Window(0, 0, height, width), height, width)

    @classmethod
    def of_part(cls, mask: NDArray[np.bool_], window: Window, height: int, width: int) -> RunLength:
        """Return the runs of a mask that lies in a window of a larger image.

        Parameters
        ----------
        mask : (h, w) bool array
            The pixels inside the window; there are none outside.
        window : Window
            Where it lies.
        height, width : int
            The size of the image.
        """
        # With a line of nothing between the columns no run goes round a corner: columns of the
        # window do not follow each other in the image.
        apart = np.zeros((window.height + 1, window.width), dtype=bool)
        apart[:-1] = mask
        inside = np.concatenate(([False], apart.ravel(order="F")))
        col, row = np.divmod(np.flatnonzero(inside[1:] != inside[:-1]), window.height + 1)
        return cls.between((col + window.col) * height + row + window.row, height, width)

    @classmethod
    def between(cls, borders: NDArray[np.int64], height: int, width: int) -> RunLength:
        """Return the runs between borders.

        Parameters
        ----------
        borders : (2 N,) int64 array
            Where runs inside begin and end, counted down the columns, in order; a run lies in one
            column.
        height, width : int
            The size of the image.
        """
        keep = np.ones(len(borders), dtype=bool)
        # Columns that are full from the top to the bottom of the image do follow each other.
        keep[2::2] = borders[2::2] != borders[1:-1:2]
        keep[1:-1:2] = keep[2::2]
        counts = np.diff(borders[keep], prepend=0, append=height * width)
        return cls(height, width, counts if counts[-1] or len(counts) == 1 else counts[:-1])

    @classmethod
    def from_text(cls, text: str, height: int, width: int) -> RunLength:
        """Read the short form, which `text` gives.

        Raises
        ------
        RunLengthError
            If the text is no such form, or of a mask of another size.
        """
        letters = np.frombuffer(text.encode("utf-8", "replace"), np.uint8).astype(np.int64)
        parts = letters - _FIRST_LETTER
        last = (parts & _MORE) == 0
        starts = np.flatnonzero(np.concatenate(([True], last))[:-1])
        lengths = np.diff(starts, append=len(parts))
        in_range = ((parts >= 0) & (parts < 2 * _MORE)).all()
        if not len(parts) or not in_range or not last[-1] or lengths.max() > _LETTERS_MAX:
            raise RunLengthError(
                expected="a mask in the short form that COCO's files hold",
                found=repr(text[:40]),
                remedy="check that the file is whole",
            )
        place = _BITS * (np.arange(len(parts)) - np.repeat(starts, lengths))
        numbers = np.add.reduceat((parts & (_MORE - 1)) << place, starts)
        negative = (parts[last] & (_MORE >> 1)) != 0
        numbers -= negative.astype(np.int64) << (_BITS * lengths)
        for first in (1, 2):
            numbers[first::2] = np.cumsum(numbers[first::2])
        return cls(height, width, numbers)

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> RunLength:
        """Read COCO's form: ``size`` and ``counts``, which may be numbers or the short text.

        Raises
        ------
        RunLengthError
            If it is something else.
        """
        try:
            height, width = (int(side) for side in data["size"])
            counts = data["counts"]
            if isinstance(counts, str):
                return cls.from_text(counts, height, width)
            return cls(height, width, np.asarray(counts, dtype=np.int64).reshape(-1))
        except (KeyError, TypeError, OverflowError) as error:
            raise RunLengthError(
                expected="a mask as size and counts",
                found=f"{type(error).__name__}: {error}",
                remedy="check that the file is whole",
            ) from error

    @property
    def mask(self) -> NDArray[np.bool_]:
        """The mask, (height, width)."""
        inside = np.arange(len(self.counts)) % 2 == 1
        return np.repeat(inside, self.counts).reshape((self.height, self.width), order="F")

    @property
    def area(self) -> int:
        """Pixels inside."""
        return int(self.counts[1::2].sum())

    @property
    def box(self) -> Window | None:
        """The smallest window around the mask, None for an empty one."""
        ends = np.cumsum(self.counts)
        first, last = ends[:-1:2], ends[1::2] - 1
        first, last = first[first <= last], last[first <= last]
        if not len(first):
            return None
        (left, tops), (right, bottoms) = np.divmod(first, self.height), np.divmod(last, self.height)
        # A run that goes on in the next column has touched the bottom and the top.
        turns = bool((left < right).any())
        top = 0 if turns else int(tops.min())
        bottom = self.height - 1 if turns else int(bottoms.max())
        col = int(left.min())
        return Window(top, col, bottom - top + 1, int(right.max()) - col + 1)

    @property
    def text(self) -> str:
        """The short form: differences to the run before the last, in letters of five bits each."""
        return spelt(self.counts)

    def to_dict(self) -> dict[str, Any]:
        """Return COCO's form, with the short text."""
        return {"size": [self.height, self.width], "counts": self.text}


def spelt(counts: NDArray[np.int64], last: NDArray[np.int64] | None = None, runs: int = 0) -> str:
    """Return the short form of lengths of runs; see `RunLength.text`.

    Parameters
    ----------
    counts : (R,) int64 array
        The lengths.
    last : (2,) int64 array or None
        The two before them, for a mask that is told in parts.
    runs : int
        How many came before.
    """
    known = np.concatenate([np.zeros(2, np.int64) if last is None else last, counts])
    plain = max(_PLAIN_RUNS - runs, 0)
    numbers = counts.copy()
    numbers[plain:] -= known[plain:-2]
    lengths = np.ones(len(numbers), dtype=np.int64)
    for bits in range(_BITS, 64, _BITS):
        lengths += (numbers < -(1 << (bits - 1))) | (numbers >= 1 << (bits - 1))
    starts = np.cumsum(lengths) - lengths
    place = np.arange(lengths.sum()) - np.repeat(starts, lengths)
    parts = (np.repeat(numbers, lengths) >> (_BITS * place)) & (_MORE - 1)
    parts |= np.where(place < np.repeat(lengths, lengths) - 1, _MORE, 0)
    letters = (parts + _FIRST_LETTER).astype(np.uint8)
    return bytes(letters).decode("ascii")
