"""Windows that slide over a map too large for one look, and how their results are blended."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from napari_firstpass.grid import Window


@dataclass(frozen=True, slots=True)
class View:
    """One window, and how much its result counts at each of its cells.

    Attributes
    ----------
    window : Window
        Where it lies, in cells.
    weights : (h, w) float32 tensor
        Positive; over all windows they sum to 1 at every cell.
    """

    window: Window
    weights: Tensor


def views(height: int, width: int, *, side: int, overlap: int) -> tuple[View, ...]:
    """Lay windows evenly over a map of height x width cells, row by row.

    Parameters
    ----------
    height, width : int
        Size of the map.
    side : int
        Side of the windows; along an axis that is shorter, they are as long as the axis.
    overlap : int
        Cells that neighbours share at least, less than ``side``. Over as many cells from a cut, the
        weight of a window rises linearly, so that no seam shows.

    Returns
    -------
    tuple of View
        All of one size.
    """
    return tuple(
        View(Window(row, col, len(rows), len(cols)), rows[:, None] * cols)
        for row, rows in _spans(height, side, overlap)
        for col, cols in _spans(width, side, overlap)
    )


def _spans(length: int, side: int, overlap: int) -> list[tuple[int, Tensor]]:
    """Return the starts of windows along one axis, with their weights."""
    side = min(side, length)
    starts = _starts(length, side, overlap)
    raw = [_ramps(side, overlap, cut=(s > 0, s + side < length)) for s in starts]
    total = torch.zeros(length)
    for start, weights in zip(starts, raw, strict=True):
        total[start : start + side] += weights
    return [(s, weights / total[s : s + side]) for s, weights in zip(starts, raw, strict=True)]


def _starts(length: int, side: int, overlap: int) -> list[int]:
    last = length - side
    if not last:
        return [0]
    steps = -(-last // (side - overlap))
    return [round(i * last / steps) for i in range(steps + 1)]


def _ramps(side: int, overlap: int, *, cut: tuple[bool, bool]) -> Tensor:
    """Return weights (side,) that rise from a cut at the start, and fall to one at the end."""
    rise = ((torch.arange(side) + 0.5) / max(overlap, 1)).clamp_max(1)
    weights = rise.clone() if cut[0] else torch.ones(side)
    return torch.minimum(weights, rise.flip(0)) if cut[1] else weights
