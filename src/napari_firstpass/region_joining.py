"""Joining regions between which the image has no edge.

Clusters of colour cut a sky into bands: what changes slowly crosses from one class to the next
somewhere, and nothing is there to be seen. Regions are joined two by two, those first whose common
border has the weakest edge.
"""

from __future__ import annotations

import heapq
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy import ndimage
from skimage.color import rgb2lab
from skimage.measure import label

if TYPE_CHECKING:
    from numpy.typing import NDArray

_BLUR = 2.0
"""Spread in pixels of the blur under which edges are looked for: texture has edges everywhere."""

_LEAST_CHANGE = 1e-6
"""What a picture of one colour is taken to change by."""


@dataclass(frozen=True, slots=True, kw_only=True)
class JoinConfig:
    """Which regions are joined.

    Attributes
    ----------
    edge : float
        Borders weaker than that are none: mean change of colour across them, as a multiple of the
        mean over all labelled pixels. What is an edge in fog is none in a forest.
    least : int
        Regions of fewer pixels are joined to the neighbour with the weakest border in any case.
    """

    edge: float
    least: int = 0


def join_regions(
    labels: NDArray[np.int64], picture: NDArray[np.float32], config: JoinConfig
) -> NDArray[np.int64]:
    """Give regions with no edge between them one class: that of most of their pixels.

    Parameters
    ----------
    labels : (H, W) int64 array
        Class ids; 0 stays 0, and joins nothing. The input is not modified.
    picture : (3, H, W) float array
        Red, green and blue in [0, 1].
    config : JoinConfig
        Which.

    Returns
    -------
    (H, W) int64 array
        Classes of the input.
    """
    regions = label(labels, background=0, connectivity=1)
    strength = edge_strength(picture)
    usual = float(strength[labels > 0].mean()) if regions.any() else 0.0
    graph = _Graph.of(regions, strength / max(usual, _LEAST_CHANGE))
    groups = graph.joined(config)[regions]
    ids, index = np.unique(labels, return_inverse=True)
    base = len(ids)
    keys = groups.ravel() * base + index.ravel()
    votes = np.bincount(keys, minlength=(int(groups.max()) + 1) * base)
    joined: NDArray[np.int64] = ids[votes.reshape(-1, base).argmax(1)][groups]
    return joined


def edge_strength(picture: NDArray[np.float32]) -> NDArray[np.float64]:
    """Return the change of colour (H, W) from pixel to pixel, in units of CIELAB, blurred."""
    colours = np.moveaxis(rgb2lab(np.moveaxis(picture, 0, -1)), -1, 0)
    total = np.zeros(colours.shape[1:])
    for band in colours:
        smooth = ndimage.gaussian_filter(band, _BLUR)
        total += (ndimage.sobel(smooth, 0) / 8) ** 2 + (ndimage.sobel(smooth, 1) / 8) ** 2
    return np.sqrt(total)


@dataclass(slots=True)
class _Graph:
    """Regions that touch.

    Attributes
    ----------
    sizes : list of int
        Pixels of each; that of number 0, what is no region, does not count.
    borders : list of dict
        For each, its neighbours: strength summed along the border, and pixels of it.
    """

    sizes: list[int]
    borders: list[dict[int, tuple[float, int]]]

    @classmethod
    def of(cls, regions: NDArray[np.integer[Any]], strength: NDArray[np.float64]) -> _Graph:
        count = int(regions.max()) + 1
        graph = cls(np.bincount(regions.ravel()).tolist(), [{} for _ in range(count)])
        sides = ((np.s_[:, :-1], np.s_[:, 1:]), (np.s_[:-1], np.s_[1:]))
        keys, values = [], []
        for one, other in sides:
            a, b = regions[one], regions[other]
            apart = (a != b) & (a > 0) & (b > 0)
            keys.append(np.minimum(a, b)[apart] * np.int64(count) + np.maximum(a, b)[apart])
            values.append(np.maximum(strength[one], strength[other])[apart])
        found, index, lengths = np.unique(
            np.concatenate(keys), return_inverse=True, return_counts=True
        )
        sums = np.bincount(index, np.concatenate(values), len(found))
        for key, total, length in zip(found.tolist(), sums.tolist(), lengths.tolist(), strict=True):
            graph.put(key // count, key % count, (total, length))
        return graph

    def put(self, one: int, other: int, border: tuple[float, int]) -> None:
        """Set the border of two regions."""
        self.borders[one][other] = self.borders[other][one] = border

    def rank(self, one: int, other: int, least: int) -> tuple[bool, float]:
        """Return how soon two regions are joined: small ones first, then weak borders."""
        total, length = self.borders[one][other]
        return min(self.sizes[one], self.sizes[other]) >= least, total / length

    def joined(self, config: JoinConfig) -> NDArray[np.int64]:
        """Join regions, and return the group of each."""
        owner = np.arange(len(self.sizes))
        queue = [
            (self.rank(one, other, config.least), one, other)
            for one, near in enumerate(self.borders)
            for other in near
            if one < other
        ]
        heapq.heapify(queue)
        while queue:
            rank, one, other = heapq.heappop(queue)
            if other not in self.borders[one]:
                continue
            now = self.rank(one, other, config.least)
            if now != rank:
                # It was put there before one of the two grew.
                heapq.heappush(queue, (now, one, other))
                continue
            if rank[0] and rank[1] >= config.edge:
                break
            self.join(one, other)
            owner[owner == other] = one
            for near in self.borders[one]:
                pair = (min(one, near), max(one, near))
                heapq.heappush(queue, (self.rank(*pair, config.least), *pair))
        return owner

    def join(self, one: int, other: int) -> None:
        """Make one region of two; the second one's number is free then."""
        self.sizes[one] += self.sizes[other]
        for near, (total, length) in self.borders[other].items():
            del self.borders[near][other]
            if near != one:
                was = self.borders[one].get(near, (0.0, 0))
                self.put(one, near, (was[0] + total, was[1] + length))
        self.borders[other] = {}
