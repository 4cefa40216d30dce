"""Masks and values of many pixels, compressed; to NumPy they look like arrays."""

from __future__ import annotations

import zlib
from dataclasses import dataclass
from threading import Lock
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import DTypeLike, NDArray

    from napari_firstpass.grid import Window

_ROWS_AT_ONCE = 512
_FASTEST, _NOT = 1, 0
"""zlib's levels; higher ones take several times as long for a third less."""

_CHANGING = Lock()


class Packed:
    """Compressed pieces that may be given up when too many are kept; then there are none.

    Parameters
    ----------
    parts : tuple of bytes
        As `packed_bits` and `packed_values` return them.
    is_loose : bool
        Whether they are only in zlib's form, and are to be compressed by `squeeze`.
    """

    __slots__ = ("__weakref__", "is_loose", "parts")

    def __init__(self, parts: tuple[bytes, ...], *, is_loose: bool = False) -> None:
        self.parts, self.is_loose = parts, is_loose

    @property
    def nbytes(self) -> int:
        """Bytes that are kept."""
        return sum(map(len, self.parts))

    @property
    def is_given_up(self) -> bool:
        """Whether nothing is kept any more."""
        return not self.parts

    def give_up(self) -> None:
        """Keep nothing from now on."""
        with _CHANGING:
            self.parts = ()

    def squeeze(self) -> None:
        """Compress the pieces, in a thread: others may read them meanwhile, or give them up."""
        taken = self.parts
        small = tuple(p and zlib.compress(zlib.decompress(p), _FASTEST) for p in taken)
        with _CHANGING:
            if self.parts is taken:
                self.parts, self.is_loose = small, False


@dataclass(frozen=True, slots=True)
class PackedMask:
    """A mask of an image, in an eighth of a byte for each pixel, and less where they lie together.

    To NumPy it looks like an array: ``labels[mask] = 3`` unpacks it.

    Attributes
    ----------
    shape : (int, int)
        Height and width.
    window : Window
        Outside, nothing is in the mask.
    packed : Packed
        The rows of the window from the top, so many at once, a bit for each pixel; no bytes where
        none is set.
    """

    shape: tuple[int, int]
    window: Window
    packed: Packed

    def __array__(self, dtype: DTypeLike | None = None, copy: bool | None = None) -> NDArray[Any]:
        """Return the mask (H, W), bool; empty if it was given up."""
        del copy  # it is a new array each time
        mask = np.zeros(self.shape, np.bool_)
        mask[self.window.slices] = self.inside()
        return mask if dtype is None else mask.astype(dtype, copy=False)

    def inside(self) -> NDArray[np.bool_]:
        """Return the mask of the window alone (h, w)."""
        mask = np.zeros((self.window.height, self.window.width), np.bool_)
        for strip, bits in zip(strips(self.window.height), self.packed.parts, strict=False):
            if bits:
                unpacked = np.frombuffer(zlib.decompress(bits), np.uint8)
                rows = mask[strip]
                rows[:] = np.unpackbits(unpacked, count=rows.size).reshape(rows.shape)
        return mask

    @property
    def nbytes(self) -> int:
        """Bytes that are kept."""
        return self.packed.nbytes


@dataclass(frozen=True, slots=True)
class PackedValues:
    """One value for each pixel of a mask, row by row; to NumPy it looks like an array (n,).

    Attributes
    ----------
    dtype : dtype
        Type of the values.
    packed : Packed
        As many pieces as the mask has.
    """

    dtype: np.dtype[Any]
    packed: Packed

    def __array__(self, dtype: DTypeLike | None = None, copy: bool | None = None) -> NDArray[Any]:
        """Return the values (n,); none if they were given up."""
        del copy
        whole = b"".join(zlib.decompress(part) for part in self.packed.parts if part)
        return np.frombuffer(whole, self.dtype).astype(dtype or self.dtype)

    @property
    def nbytes(self) -> int:
        """Bytes that are kept."""
        return self.packed.nbytes


def packed_bits(mask: NDArray[np.bool_], *, is_loose: bool = False) -> bytes:
    """Return a piece of a mask compressed, unless it is loose; nothing if no pixel is set."""
    level = _NOT if is_loose else _FASTEST
    return zlib.compress(np.packbits(mask).tobytes(), level) if mask.any() else b""


def packed_values(values: NDArray[Any], *, is_loose: bool = False) -> bytes:
    """Return values compressed, unless they are loose; nothing for none."""
    return zlib.compress(values.tobytes(), _NOT if is_loose else _FASTEST) if values.size else b""


def strips(height: int) -> list[slice]:
    """Return rows in pieces, so that what is computed of them stays small."""
    tops = range(0, height, _ROWS_AT_ONCE)
    return [slice(top, min(top + _ROWS_AT_ONCE, height)) for top in tops]
