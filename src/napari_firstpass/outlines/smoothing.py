"""Outlines without the stairs of pixels, which regions still share.

Lines between nodes go through the middles of the sides of pixels, and points in nearly straight
lines are left out. What a line becomes depends on the line alone, and it moves by less than half
the way to the next one: regions on both sides get the same, and lines do not cross.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from napari_firstpass.outlines.rings import Rings

if TYPE_CHECKING:
    from numpy.typing import NDArray

_TOLERANCE = 0.35
"""Pixels. Middles of the sides of pixels on two different lines are 0.7 pixels apart or more."""

_SCALE = 2
"""Half pixels are counted, so that both sides of a line compute with the same whole numbers."""


def smoothed(rings: Rings, height: int, width: int) -> Rings:
    """Return rings along the same regions without stairs.

    Parameters
    ----------
    rings : Rings
        As `rings.rings_of` makes them, on corners of pixels.
    height, width : int
        The size of the image, whose corners stay.
    """
    if not len(rings.points):
        return rings
    chains = _through_middles(rings, height, width)
    chains = _turned(chains)
    return _thinned(chains)


def _through_middles(rings: Rings, height: int, width: int) -> Rings:
    """Return rings through the nodes and the middles of the first and last side of each edge."""
    points = _SCALE * rings.points
    after = points[rings.following]
    way = np.sign(after - points)
    is_long = np.abs(after - points).sum(axis=1) > _SCALE
    at_end = (rings.points == 0) | (rings.points == (height, width))
    node = rings.node | at_end.all(axis=1)
    parts = np.stack([points, points + way, after - way], axis=1)
    used = np.stack([node, np.ones(len(node), bool), is_long], axis=1)
    is_node = np.stack([node, *[np.zeros(len(node), bool)] * 2], axis=1)
    counts = np.add.reduceat(used.sum(axis=1), rings.starts[:-1])
    starts = np.concatenate(([0], np.cumsum(counts)))
    return Rings(parts[used], is_node[used], starts, rings.region)


def _turned(rings: Rings) -> Rings:
    """Let rings start at a node; those without get two, which do not depend on where they start."""
    ring, starts = rings.ring, rings.starts[:-1]
    node = rings.node.copy()
    has_none = ~np.logical_or.reduceat(node, starts)
    first = _first_of(rings, np.ones(len(node), bool))
    apart = ((rings.points - rings.points[first][ring]) ** 2).sum(axis=1)
    farthest = _first_of(rings, apart == np.maximum.reduceat(apart, starts)[ring])
    node[first[has_none]] = node[farthest[has_none]] = True
    turn = _first_of(rings, node) - starts
    length = np.diff(rings.starts)[ring]
    place = np.arange(len(node)) - starts[ring]
    index = starts[ring] + (place + turn[ring]) % length
    return Rings(rings.points[index], node[index], rings.starts, rings.region)


def _first_of(rings: Rings, where: NDArray[np.bool_]) -> NDArray[np.int64]:
    """Return the topmost point of each ring, the leftmost of several, out of those in a mask."""
    found = np.flatnonzero(where)
    row, col = rings.points[found].T
    ring = rings.ring[found]
    order = np.lexsort((col, row, ring))
    return found[order[np.flatnonzero(np.diff(ring[order], prepend=-1))]]


def _thinned(rings: Rings) -> Rings:
    """Leave out points that lie near enough to the line between two that stay."""
    # Each ring with its first point once more at the end, so that the last line has one.
    count = np.diff(rings.starts) + 1
    starts = np.concatenate(([0], np.cumsum(count)))
    place = np.arange(starts[-1]) - np.repeat(starts[:-1], count)
    index = np.repeat(rings.starts[:-1], count) + place % np.repeat(count - 1, count)
    points, keep = rings.points[index], rings.node[index]
    is_extra = place == np.repeat(count - 1, count)
    active = np.flatnonzero(~keep)
    while len(active):
        active = _split_once(points, keep, active)
    keep &= ~is_extra
    kept = np.add.reduceat(keep.astype(np.int64), starts[:-1])
    ends = np.concatenate(([0], np.cumsum(kept)))
    return Rings(points[keep] / _SCALE, rings.node[index][keep], ends, rings.region)


def _split_once(
    points: NDArray[np.float64], keep: NDArray[np.bool_], active: NDArray[np.int64]
) -> NDArray[np.int64]:
    """Keep the point farthest from each line, if it is far, and return those still undecided."""
    kept = np.flatnonzero(keep)
    line = np.searchsorted(kept, active) - 1
    begin, end = points[kept[line]], points[kept[line + 1]]
    chord, offset = end - begin, points[active] - begin
    length = (chord**2).sum(axis=1)
    across = np.abs(chord[:, 0] * offset[:, 1] - chord[:, 1] * offset[:, 0])
    # A line that comes back to where it started has no direction.
    apart = np.where(length > 0, across**2, (offset**2).sum(axis=1))
    bounds = np.flatnonzero(np.diff(line, prepend=-1))
    group = np.cumsum(np.diff(line, prepend=-1) > 0) - 1
    is_farthest = apart == np.maximum.reduceat(apart, bounds)[group]
    is_far = apart > (_SCALE * _TOLERANCE) ** 2 * np.where(length > 0, length, 1.0)
    # Of several the same whichever way one goes: the topmost, the leftmost.
    choice = np.flatnonzero(is_farthest & is_far)
    row, col = points[active[choice]].T
    order = choice[np.lexsort((col, row, group[choice]))]
    chosen = order[np.flatnonzero(np.diff(group[order], prepend=-1))]
    keep[active[chosen]] = True
    goes_on = np.isin(group, group[chosen])
    goes_on[chosen] = False
    return active[goes_on]
