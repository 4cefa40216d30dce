"""Labels replaced by others in place, and what is kept to take that back."""

from __future__ import annotations

import weakref
from collections import deque
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from napari_firstpass.grid import Window
from napari_firstpass.packed_pixels import (
    Packed,
    PackedMask,
    PackedValues,
    packed_bits,
    packed_values,
    strips,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from numpy.typing import NDArray

_THREADS = 4
_MOST_BYTES = 256 * 2**20


@dataclass(frozen=True, slots=True)
class Change:
    """Pixels of labels that became others.

    Attributes
    ----------
    where : PackedMask
        The pixels.
    before, after : int or PackedValues
        What they were, and what they are now: one value for all, or one for each.
    pixels : int
        How many, at least one.
    first : (int, int)
        Row and column of the first.
    """

    where: PackedMask
    before: int | PackedValues
    after: int | PackedValues
    pixels: int
    first: tuple[int, int]

    @property
    def packed(self) -> tuple[Packed, ...]:
        """All that is kept of it."""
        values = [part for part in (self.before, self.after) if isinstance(part, PackedValues)]
        return (self.where.packed, *(part.packed for part in values))


class Kept(Protocol):
    """A part of a step."""

    @property
    def packed(self) -> tuple[Packed, ...]:
        """All that is kept of it."""
        ...


class StepBudget:
    """Keeps the steps of a history within a number of bytes: the oldest are given up first.

    What was given up stays a step, which changes nothing any more.

    Parameters
    ----------
    most_bytes : int
        How much is kept; the newest step is, whatever its size.
    """

    def __init__(self, most_bytes: int = _MOST_BYTES) -> None:
        self._most_bytes = most_bytes
        self._steps: deque[tuple[weakref.ref[Packed], ...]] = deque()

    def add(self, step: Sequence[Kept]) -> None:
        """Note the newest step, which somebody else keeps."""
        refs = (weakref.ref(packed) for change in step for packed in change.packed)
        self._steps.append(tuple(refs))
        sizes = deque(sum(packed.nbytes for packed in _alive(step)) for step in self._steps)
        while len(self._steps) > 1 and sum(sizes) > self._most_bytes:
            sizes.popleft()
            for packed in _alive(self._steps.popleft()):
                packed.give_up()
        while self._steps and not sizes[0]:
            sizes.popleft()
            self._steps.popleft()


def _alive(step: tuple[weakref.ref[Packed], ...]) -> list[Packed]:
    return [packed for ref in step if (packed := ref()) is not None]


@dataclass(frozen=True, slots=True)
class Replacement:
    """Labels of a window that are to become others; compared before they are written.

    Attributes
    ----------
    window : Window
        Where they lie.
    before, after : (h, w) integer array
        What was there when this was asked for, and what is to be there.
    change : Change or None
        The difference, ready to be kept; None if there is none.
    """

    window: Window
    before: NDArray[Any]
    after: NDArray[Any]
    change: Change | None

    @classmethod
    def of(cls, whole: Window, before: NDArray[Any], after: NDArray[Any]) -> Replacement:
        """Compare all labels (H, W) of an image with what they are to be."""
        return cls.within((whole.height, whole.width), whole, before, after)

    @classmethod
    def within(
        cls, shape: tuple[int, ...], window: Window, before: NDArray[Any], after: NDArray[Any]
    ) -> Replacement:
        """Compare labels (h, w) of a window of an image (H, W) with what they are to be."""
        return cls(window, before, after, _difference(shape, window, before, after, before))

    def write(self, labels: NDArray[Any]) -> Change | None:
        """Write it into labels (H, W), where they still are what they were; return what changed."""
        return self.onto(labels[self.window.slices], labels.shape)

    def onto(self, part: NDArray[Any], shape: tuple[int, ...]) -> Change | None:
        """Do the same with the labels (h, w) of its window alone, of an image of a shape."""
        if np.array_equal(part, self.before):
            np.copyto(part, self.after, casting="unsafe")
            return self.change
        change = _difference(shape, self.window, part, self.after, self.before)
        if change is not None:
            np.copyto(part, self.after, where=part == self.before, casting="unsafe")
        return change


def replace(labels: NDArray[Any], window: Window, after: NDArray[Any]) -> Change | None:
    """Write labels (h, w) into a window of others (H, W); return what changed, None for nothing.

    Somebody waits for the pixels, nobody for what takes them back: see `Packed.squeeze`.
    """
    part = labels[window.slices]
    change = _difference(labels.shape, window, part, after, part, is_loose=True)
    np.copyto(part, after, casting="unsafe")
    return change


def _difference(
    shape: tuple[int, ...],
    window: Window,
    now: NDArray[Any],
    after: NDArray[Any],
    expected: NDArray[Any],
    *,
    is_loose: bool = False,
) -> Change | None:
    """Return the pixels of a window that are as expected and are to become others."""

    def compared(rows: slice) -> _Rows:
        old, new = now[rows], after[rows]
        mask = old != new
        if now is not expected:
            mask &= old == expected[rows]
        values = new[mask].astype(now.dtype, copy=False)
        kept = _kept(old[mask], is_loose), _kept(values, is_loose)
        bits = packed_bits(mask, is_loose=is_loose)
        return _Rows((bits,), int(np.count_nonzero(mask)), int(mask.argmax()), kept)

    pieces = strips(window.height)
    with ThreadPoolExecutor(_THREADS) as threads:
        done = list(threads.map(compared, pieces))
    found = _found(window, pieces, done)
    if found is None:
        return None
    bits = Packed(tuple(part.pieces[0] for part in done), is_loose=is_loose)
    where = PackedMask((shape[0], shape[1]), window, bits)
    old, new = (_joined(done, index, now.dtype, is_loose) for index in (0, 1))
    return Change(where, old, new, *found)


@dataclass(frozen=True, slots=True)
class _Rows:
    """Changed pixels of a strip: packed, how many, which is the first; what they were, and are."""

    pieces: tuple[bytes, ...]
    pixels: int
    first: int
    values: tuple[bytes | int, ...] = ()


def _kept(values: NDArray[Any], is_loose: bool) -> bytes | int:
    """Return values packed, or the one that all are: so it is with most regions and strokes."""
    is_one = bool(values.size) and bool((values == values[0]).all())
    return int(values[0]) if is_one else packed_values(values, is_loose=is_loose)


def _joined(
    done: Sequence[_Rows], index: int, dtype: np.dtype[Any], is_loose: bool
) -> int | PackedValues:
    """Return the values of all strips, or the one that all are."""
    parts = [(part.values[index], part.pixels) for part in done]
    different = {kept for kept, pixels in parts if pixels}
    only = different.pop() if len(different) == 1 else None
    if isinstance(only, int):
        return only
    packed = (
        packed_values(np.full(pixels, kept, dtype)) if isinstance(kept, int) else kept
        for kept, pixels in parts
    )
    return PackedValues(dtype, Packed(tuple(packed), is_loose=is_loose))


def _found(
    window: Window, pieces: Sequence[slice], done: Sequence[_Rows]
) -> tuple[int, tuple[int, int]] | None:
    """Return how many pixels changed, and where the first lies; None for none."""
    pixels = sum(part.pixels for part in done)
    if not pixels:
        return None
    top, first = next((s.start, p.first) for s, p in zip(pieces, done, strict=True) if p.pixels)
    row, col = divmod(first, window.width)
    return pixels, (window.row + top + row, window.col + col)


def reassign(labels: NDArray[Any], mapping: Mapping[int, int]) -> tuple[Change, ...]:
    """Replace class ids in place; all at the same time, so that two may change places.

    Parameters
    ----------
    labels : (H, W) integer array
        Class ids; changed.
    mapping : mapping of int to int
        Old id to new id. Ids that are absent keep their value.

    Returns
    -------
    tuple of Change
        One for each id that had pixels and is another now, in order.
    """
    goals = {old: mapping[old] for old in sorted(mapping) if mapping[old] != old}
    height, width = labels.shape
    pieces = strips(height)
    with ThreadPoolExecutor(_THREADS) as threads:
        done = list(threads.map(lambda strip: _reassign_rows(labels[strip], goals), pieces))
    changes = []
    for index, (before, after) in enumerate(goals.items()):
        parts = [strip[index] for strip in done]
        found = _found(Window(0, 0, height, width), pieces, parts)
        if found is not None:
            bits = Packed(tuple(part.pieces[0] for part in parts))
            where = PackedMask((height, width), Window(0, 0, height, width), bits)
            changes.append(Change(where, before, after, *found))
    return tuple(changes)


def _reassign_rows(rows: NDArray[Any], goals: Mapping[int, int]) -> list[_Rows]:
    """Replace ids in rows (h, W); NumPy and zlib let other threads work meanwhile."""
    masks = [rows == before for before in goals]
    for mask, after in zip(masks, goals.values(), strict=True):
        np.copyto(rows, after, where=mask)
    return [
        _Rows((packed_bits(mask),), int(np.count_nonzero(mask)), int(mask.argmax()))
        for mask in masks
    ]


def relabelled(labels: NDArray[Any], mapping: Mapping[int, int]) -> NDArray[Any]:
    """Return labels (H, W) with class ids replaced, of the same type; the input is left alone."""
    changed = labels.copy()
    for strip in strips(len(labels)):
        for old, new in mapping.items():
            np.copyto(changed[strip], new, where=labels[strip] == old)
    return changed


def chained(
    became: Iterable[tuple[int, int]], mapping: Mapping[int, int]
) -> tuple[tuple[int, int], ...]:
    """Return which ids became which once others did, too."""
    before = {old: mapping.get(now, now) for old, now in became}
    return tuple(sorted((dict(mapping) | before).items()))
