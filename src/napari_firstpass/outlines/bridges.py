"""Polygons without holes, for formats that know none."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from napari_firstpass.outlines.rings import Rings, ordered_rings
from napari_firstpass.outlines.runs import columns_of

if TYPE_CHECKING:
    from numpy.typing import NDArray

_LIMIT = 2**20


def bridged(rings: Rings) -> Rings:
    """Join each hole to what lies above it by a line there and back; one ring for each region.

    The line has no width, so the ring encloses the same pixels.

    Parameters
    ----------
    rings : Rings
        As `rings.rings_of` makes them, on corners of pixels.
    """
    region = rings.region
    is_hole = np.concatenate(([False], region[1:] == region[:-1])) if len(region) else region > 0
    if not is_hole.any():
        return rings
    row, col = rings.points.T.astype(np.int64)
    owner = region[rings.ring]
    start, last = rings.starts[:-1][is_hole], rings.starts[1:][is_hole] - 1
    # Rings start at their topmost point, so above it the column belongs to the region.
    columns = columns_of(rings)
    below = (columns.region * _LIMIT + columns.col) * _LIMIT + columns.top
    above = (owner[start] * _LIMIT + col[start]) * _LIMIT + row[start] - 1
    top = columns.top[np.searchsorted(below, above, "right") - 1]
    edges = np.flatnonzero(col[rings.following] > col)
    keys = (owner[edges] * _LIMIT + row[edges]) * _LIMIT + col[edges]
    order = np.argsort(keys)
    wanted = (owner[start] * _LIMIT + top) * _LIMIT + col[start]
    edge = edges[order[np.searchsorted(keys[order], wanted, "right") - 1]]
    return _spliced(rings, start, last, edge, top)


def _spliced(
    rings: Rings,
    start: NDArray[np.int64],
    last: NDArray[np.int64],
    edge: NDArray[np.int64],
    top: NDArray[np.int64],
) -> Rings:
    """Lead the edge above each hole down to it, around it, and back."""
    by_place = np.lexsort((rings.points[start, 1], edge))
    start, last, edge, top = start[by_place], last[by_place], edge[by_place], top[by_place]
    count, holes = len(rings.points), len(start)
    down, back, up = (count + part * holes + np.arange(holes) for part in range(3))
    over = np.stack([top, rings.points[start, 1]], axis=1)
    points = np.concatenate([rings.points, over, rings.points[start], over])
    after = np.concatenate([rings.following, start, up, np.zeros(holes, np.int64)])
    after[last] = back
    is_first = np.concatenate(([True], edge[1:] != edge[:-1]))
    is_end = np.append(is_first[1:], True)
    after[up] = np.where(is_end, rings.following[edge], np.append(down[1:], 0))
    after[edge[is_first]] = down[is_first]
    owner = np.concatenate([rings.region[rings.ring], *[rings.region[rings.ring[start]]] * 3])
    node = np.concatenate([rings.node, np.zeros(3 * holes, bool)])
    return ordered_rings(points, node, owner, after)
