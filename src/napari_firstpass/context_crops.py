"""What of an image is shown to a model of words for a region: the region alone, and around it.

The paddings of DynAlign (arXiv 2501.16410): two rings of six windows, the first with what is usual
around things of a class, the second with more. Only the first window is in both, so that there are
eleven; at the sides of the image some more coincide.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias

import torch
from torch.nn import functional

from napari_firstpass.grid import Window

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from torch import Tensor

NEAR = 20
"""Pixels that one side or the other of a window keeps."""

FARTHER = 200
"""How much wider the second ring is."""


Ring: TypeAlias = "tuple[Window, ...]"
"""Windows that count as one look at what is around a region."""


def published_rings(box: Window, padding: int, *, height: int, width: int) -> tuple[Ring, Ring]:
    """Return where to look around a region: two rings of six windows, clipped to the image.

    Parameters
    ----------
    box : Window
        Around the region.
    padding : int
        See `candidates.Choice`.
    height, width : int
        Of the image.
    """
    near, far = (
        tuple(_padded(box, pads, height, width) for pads in _pads(size))
        for size in (padding, padding + FARTHER)
    )
    return near, far


def single_ring(box: Window, padding: int, *, height: int, width: int) -> tuple[Ring]:
    """Return one window around a region, as a ring; see `published_rings`."""
    return ((box.grown(max(padding, NEAR), height=height, width=width),),)


def _pads(size: int) -> tuple[tuple[int, int, int, int], ...]:
    """Return six paddings: left, top, right, bottom."""
    low, high = NEAR, size
    return (
        (low, low, low, low), (high, high, high, high), (low, low, high, high),
        (high, high, low, low), (high, low, low, high), (low, high, high, low),
    )  # fmt: skip


def _padded(box: Window, pads: tuple[int, int, int, int], height: int, width: int) -> Window:
    left, top, right, bottom = pads
    row, col = max(box.row - top, 0), max(box.col - left, 0)
    below, beside = min(box.bottom + bottom, height), min(box.right + right, width)
    return Window(row, col, below - row, beside - col)


def squared(window: Window, *, height: int, width: int) -> Window:
    """Return a window widened to a square around its middle, moved to lie inside the image.

    Where the image is narrower than the square it stays that narrow.
    """
    side = max(window.height, window.width)
    row, rows = _widened(window.row, window.height, side, height)
    col, cols = _widened(window.col, window.width, side, width)
    return Window(row, col, rows, cols)


def _widened(start: int, length: int, side: int, limit: int) -> tuple[int, int]:
    wide = min(side, limit)
    first = start - (wide - length) // 2
    return min(max(first, 0), limit - wide), wide


def seen_through(picture: Tensor, window: Window, side: int) -> Tensor:
    """Return (3, side, side): what a picture (3, H, W) shows in a window."""
    rows, cols = window.slices
    return _resized(picture[:, rows, cols], side)


def cut_out(
    picture: Tensor, box: Window, inside: NDArray[np.bool_], side: int, *, square: bool
) -> Tensor:
    """Return (3, side, side): a region of a picture in black surroundings.

    The picture and the mask are resized before they are multiplied, as published.

    Parameters
    ----------
    picture : (3, H, W) float tensor
        In [0, 1].
    box : Window
        Of the region.
    inside : (h, w) bool array
        Which of its pixels belong to it.
    side : int
        Of the result.
    square : bool
        Whether the box keeps its shape: black is put beside the shorter side. Else it is stretched.
    """
    rows, cols = box.slices
    shown, mask = picture[:, rows, cols], torch.from_numpy(inside)[None].to(picture)
    if square:
        longest = max(box.height, box.width)
        pads = [*_around(box.width, longest), *_around(box.height, longest)]
        shown, mask = (functional.pad(part, pads) for part in (shown, mask))
    return (
        _resized(shown, side)
        * functional.interpolate(mask[None], (side, side), mode="bilinear", align_corners=False)[0]
    )


def _around(length: int, longest: int) -> tuple[int, int]:
    before = (longest - length) // 2
    return before, longest - length - before


def _resized(picture: Tensor, side: int) -> Tensor:
    if tuple(picture.shape[1:]) == (side, side):
        return picture
    resized = functional.interpolate(
        picture[None], (side, side), mode="bicubic", antialias=True, align_corners=False
    )
    return resized[0].clamp(0, 1)
