"""Numbers of regions in images of any size, the same wherever strips meet."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from napari_firstpass.outlines.regions import labelled

if TYPE_CHECKING:
    from numpy.typing import NDArray


class Joining:
    """Which regions of strips, one below the other, are the same."""

    def __init__(self) -> None:
        self._count = 1
        self._links: list[NDArray[np.int64]] = []
        self._last: tuple[NDArray[Any], NDArray[np.int64]] | None = None

    def add(self, values: NDArray[Any]) -> None:
        """Look at the next strip (h, W) of classes, 0 for none."""
        found = labelled(values)
        ours = np.where(found > 0, found + (self._count - 1), 0).astype(np.int64)
        if self._last is not None:
            above, theirs = self._last
            touching = (above == values[0]) & (above > 0)
            self._links.append(np.unique(np.stack([theirs, ours[0]])[:, touching], axis=1))
        self._last = (values[-1], ours[-1])
        self._count += int(found.max())

    def numbers(self) -> NDArray[np.int64]:
        """Return the number of the region, from 1 in order of first pixels, of each one found.

        Entry n is that of the n-th region of all strips, as `regions.labelled` counts in each, one
        after the other; entry 0 is 0.
        """
        one, other = np.concatenate([np.zeros((2, 0), np.int64), *self._links], axis=1)
        links = coo_array((np.ones(len(one), bool), (one, other)), shape=(self._count,) * 2)
        group: NDArray[np.int32] = connected_components(links, directed=False)[1]
        return group.astype(np.int64)
