"""Classes of labels replaced by others, and what is kept to take that back."""

from __future__ import annotations

import zlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import DTypeLike, NDArray

_ROWS_AT_ONCE = 512
_FASTEST = 1
"""zlib's level; higher ones take several times as long for a third less."""


@dataclass(frozen=True, slots=True)
class PackedMask:
    """A mask of an image, in an eighth of a byte for each pixel, and less where they lie together.

    To NumPy it looks like an array: ``labels[mask] = 3`` unpacks it.

    Attributes
    ----------
    shape : (int, int)
        Height and width.
    strips : tuple of bytes
        Its rows from the top, so many at once, a bit for each pixel, compressed.
    """

    shape: tuple[int, int]
    strips: tuple[bytes, ...]

    def __array__(self, dtype: DTypeLike | None = None, copy: bool | None = None) -> NDArray[Any]:
        """Return the mask (H, W), bool."""
        del copy  # it is a new array each time
        mask = np.empty(self.shape, np.bool_)
        for strip, packed in zip(_strips(self.shape[0]), self.strips, strict=True):
            rows = mask[strip]
            bits = np.frombuffer(zlib.decompress(packed), np.uint8)
            rows[:] = np.unpackbits(bits, count=rows.size).reshape(rows.shape)
        return mask if dtype is None else mask.astype(dtype, copy=False)

    @property
    def nbytes(self) -> int:
        """Bytes that are kept."""
        return sum(map(len, self.strips))


@dataclass(frozen=True, slots=True)
class Reassigned:
    """The pixels of one class that became another.

    Attributes
    ----------
    where : PackedMask
        The pixels.
    before, after : int
        Their class, and what it is now.
    pixels : int
        How many, at least one.
    first : (int, int)
        Row and column of the first.
    """

    where: PackedMask
    before: int
    after: int
    pixels: int
    first: tuple[int, int]


def reassign(labels: NDArray[Any], mapping: Mapping[int, int]) -> tuple[Reassigned, ...]:
    """Replace class ids in place; all at the same time, so that two may change places.

    Parameters
    ----------
    labels : (H, W) integer array
        Class ids; changed.
    mapping : mapping of int to int
        Old id to new id. Ids that are absent keep their value.

    Returns
    -------
    tuple of Reassigned
        One for each id that had pixels and is another now, in order.
    """
    sources = sorted(old for old, new in mapping.items() if old != new)
    packed: dict[int, list[bytes]] = {source: [] for source in sources}
    pixels = dict.fromkeys(sources, 0)
    first: dict[int, tuple[int, int]] = {}
    for strip in _strips(len(labels)):
        rows = labels[strip]
        masks = {source: rows == source for source in sources}
        for source, mask in masks.items():
            count = int(np.count_nonzero(mask))
            packed[source].append(zlib.compress(np.packbits(mask).tobytes(), _FASTEST))
            if not count:
                continue
            if not pixels[source]:
                row, col = np.unravel_index(int(mask.argmax()), mask.shape)
                first[source] = strip.start + int(row), int(col)
            pixels[source] += count
            np.copyto(rows, mapping[source], where=mask)
    height, width = labels.shape
    return tuple(
        Reassigned(
            PackedMask((height, width), tuple(packed[source])),
            source,
            mapping[source],
            pixels[source],
            first[source],
        )
        for source in sources
        if pixels[source]
    )


def relabelled(labels: NDArray[Any], mapping: Mapping[int, int]) -> NDArray[Any]:
    """Return labels (H, W) with class ids replaced, of the same type; the input is left alone."""
    changed = labels.copy()
    for strip in _strips(len(labels)):
        for old, new in mapping.items():
            np.copyto(changed[strip], new, where=labels[strip] == old)
    return changed


def _strips(height: int) -> list[slice]:
    """Return the rows in pieces, so that what is computed of them stays small."""
    tops = range(0, height, _ROWS_AT_ONCE)
    return [slice(top, min(top + _ROWS_AT_ONCE, height)) for top in tops]
