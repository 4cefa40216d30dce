"""Which pixels of labels somebody has looked at: a value that changes by making another."""

from __future__ import annotations

import struct
import zlib
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_firstpass.errors import ImageContentError
from napari_firstpass.grid import Window

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import DTypeLike, NDArray

_SIDE = 512
_FASTEST = 1
_HEADER = struct.Struct("<4sII")
_MAGIC = b"FPR1"


@dataclass(frozen=True, slots=True)
class Reviewed:
    """Pixels that were looked at, in an eighth of a byte each at most.

    To NumPy it looks like an array (H, W) of bool.

    Attributes
    ----------
    shape : (int, int)
        Height and width of the labels.
    tiles : tuple of bytes
        Squares of 512 pixels, row by row, a bit for each pixel, compressed; empty where nothing
        was looked at.
    pixels : int
        How many were looked at.
    """

    shape: tuple[int, int]
    tiles: tuple[bytes, ...]
    pixels: int = 0

    @classmethod
    def none(cls, shape: tuple[int, int]) -> Reviewed:
        """Return that nobody has looked at anything."""
        down, across = (-(-length // _SIDE) for length in shape)
        return cls(shape, (b"",) * (down * across))

    def __array__(self, dtype: DTypeLike | None = None, copy: bool | None = None) -> NDArray[Any]:
        """Return all pixels (H, W), bool."""
        del copy  # it is a new array each time
        whole = self.within(Window(0, 0, *self.shape))
        return whole if dtype is None else whole.astype(dtype, copy=False)

    def within(self, window: Window) -> NDArray[np.bool_]:
        """Return the pixels of a window (h, w)."""
        found = np.zeros((window.height, window.width), np.bool_)
        for index, tile in self._tiles(window):
            if self.tiles[index]:
                there, inner = _overlap(tile, window)
                found[there] = _unpacked(self.tiles[index], tile)[inner]
        return found

    def part(self, window: Window) -> Reviewed:
        """Return the same of a window alone, counted from its corner."""
        shape = window.height, window.width
        return Reviewed.none(shape).marked(Window(0, 0, *shape), self.within(window))

    def windows(self) -> Iterator[Window]:
        """Yield squares, outside of which nothing was looked at, row by row."""
        height, width = self.shape
        for index, tile in self._tiles(Window(0, 0, height, width)):
            if self.tiles[index]:
                yield tile

    def holds(self, row: int, col: int) -> bool:
        """Tell whether a pixel was looked at."""
        return bool(self.within(Window(row, col, 1, 1))[0, 0])

    def marked(self, window: Window, mask: NDArray[np.bool_], *, seen: bool = True) -> Reviewed:
        """Return the same with pixels (h, w) of a window looked at, or not after all."""
        tiles, pixels = list(self.tiles), self.pixels
        for index, tile in self._tiles(window):
            there, inner = _overlap(tile, window)
            chosen = mask[there]
            if not chosen.any() or (not seen and not tiles[index]):
                continue
            bits = _unpacked(tiles[index], tile)
            before = int(np.count_nonzero(bits))
            bits[inner] = (bits[inner] | chosen) if seen else (bits[inner] & ~chosen)
            after = int(np.count_nonzero(bits))
            tiles[index] = zlib.compress(np.packbits(bits).tobytes(), _FASTEST) if after else b""
            pixels += after - before
        return replace(self, tiles=tuple(tiles), pixels=pixels)

    def to_bytes(self) -> bytes:
        """Return all of it: ``FPR1``, height and width, and the rows, a bit for each pixel.

        The numbers have 32 bits, the lowest byte first; each row begins with a new byte; the rows
        are compressed together, in zlib's form.
        """
        height, width = self.shape
        packing = zlib.compressobj(_FASTEST)
        parts = [_HEADER.pack(_MAGIC, height, width)]
        for top in range(0, height, _SIDE):
            rows = self.within(Window(top, 0, min(_SIDE, height - top), width))
            parts.append(packing.compress(np.packbits(rows, axis=1).tobytes()))
        return b"".join([*parts, packing.flush()])

    @classmethod
    def from_bytes(cls, data: bytes) -> Reviewed:
        """Read what `to_bytes` wrote.

        Raises
        ------
        ImageContentError
            If it is something else, or damaged.
        """
        try:
            magic, height, width = _HEADER.unpack_from(data)
            packed = zlib.decompress(data[_HEADER.size :])
            lines = np.frombuffer(packed, np.uint8).reshape(height, -(-width // 8))
        except (struct.error, zlib.error, ValueError) as error:
            raise _damaged() from error
        if magic != _MAGIC or not height or not width:
            raise _damaged()
        found = cls.none((height, width))
        for top in range(0, height, _SIDE):
            bits = np.unpackbits(lines[top : top + _SIDE], axis=1, count=width).astype(np.bool_)
            found = found.marked(Window(top, 0, len(bits), width), bits)
        return found

    def _tiles(self, window: Window) -> Iterator[tuple[int, Window]]:
        """Yield the numbers and places of the tiles that a window meets."""
        height, width = self.shape
        across = -(-width // _SIDE)
        for down in range(window.row // _SIDE, (window.bottom - 1) // _SIDE + 1):
            for right in range(window.col // _SIDE, (window.right - 1) // _SIDE + 1):
                top, left = down * _SIDE, right * _SIDE
                sides = min(_SIDE, height - top), min(_SIDE, width - left)
                yield down * across + right, Window(top, left, *sides)


def _overlap(tile: Window, window: Window) -> tuple[tuple[slice, slice], tuple[slice, slice]]:
    """Return what two windows share: as slices of ``window``, and of ``tile``."""
    top, left = max(tile.row, window.row), max(tile.col, window.col)
    bottom, right = min(tile.bottom, window.bottom), min(tile.right, window.right)
    part = Window(top, left, bottom - top, right - left)
    return part.relative_to(window).slices, part.relative_to(tile).slices


def _unpacked(packed: bytes, tile: Window) -> NDArray[np.bool_]:
    """Return the pixels of a tile (h, w)."""
    bits = np.zeros((tile.height, tile.width), np.bool_)
    if packed:
        flat = np.unpackbits(np.frombuffer(zlib.decompress(packed), np.uint8), count=bits.size)
        bits[:] = flat.reshape(bits.shape)
    return bits


def _damaged() -> ImageContentError:
    return ImageContentError(
        expected="what was looked at, as firstpass keeps it",
        found="something else, or a damaged file",
        remedy="leave it out: all counts as not looked at then",
    )
