"""Classes of labels replaced by others, and what is kept to take that back."""

from __future__ import annotations

import zlib
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import DTypeLike, NDArray

_ROWS_AT_ONCE = 512
_THREADS = 4
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
    goals = {old: mapping[old] for old in sorted(mapping) if mapping[old] != old}
    height, width = labels.shape
    strips = _strips(height)
    with ThreadPoolExecutor(_THREADS) as threads:
        done = list(threads.map(lambda strip: _reassign_rows(labels[strip], goals), strips))
    changes = []
    for index, (before, after) in enumerate(goals.items()):
        parts = [strip[index] for strip in done]
        pixels = sum(part.pixels for part in parts)
        if pixels:
            top, first = next(
                (s.start, p.first) for s, p in zip(strips, parts, strict=True) if p.pixels
            )
            where = PackedMask((height, width), tuple(part.packed for part in parts))
            place = top + first // width, first % width
            changes.append(Reassigned(where, before, after, pixels, place))
    return tuple(changes)


@dataclass(frozen=True, slots=True)
class _Part:
    """The pixels of one class in a strip: packed, how many, and which is the first."""

    packed: bytes
    pixels: int
    first: int


def _reassign_rows(rows: NDArray[Any], goals: Mapping[int, int]) -> list[_Part]:
    """Replace ids in rows (h, W); NumPy and zlib let other threads work meanwhile."""
    masks = [rows == before for before in goals]
    for mask, after in zip(masks, goals.values(), strict=True):
        np.copyto(rows, after, where=mask)
    return [
        _Part(
            zlib.compress(np.packbits(mask).tobytes(), _FASTEST),
            int(np.count_nonzero(mask)),
            int(mask.argmax()),
        )
        for mask in masks
    ]


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
