"""What tells whether a region belongs to a thing that was boxed, clicked or stroked.

Each cue is a number for each region. A weighted sum of them is the logarithm of the odds that the
region belongs to the thing: a logistic regression. The weights are fitted by
``training/prompt_weights.py``; see docs/methods/prompts.md.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from scipy import sparse
from scipy.sparse.csgraph import dijkstra
from scipy.sparse.linalg import splu

from napari_firstpass.region_tree import RegionTree

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from napari_firstpass.region_graph import RegionGraph

    Values = NDArray[np.float64]

_COLOUR_SIGMA, _LOOK_SIGMA = 0.07, 0.45
"""How far apart two regions may be and still look alike: in Oklab, and in descriptions of which the
mean square is 1."""

_RARE = 1e-3
"""Added to densities before they are compared: one region alone proves nothing."""

_WITHIN = (0.02, 0.1, 0.3, 0.5)
"""Shares of a joined region that may lie outside of a box."""

_UPTO = (0.05, 0.15, 0.4, 0.8)
"""Shares of a box that a joined region may fill."""

_RINGS, _FAR = 2.0, 0.1
"""Regions further from the middle of a box than so many times its half side count a tenth."""

_ROUNDS = 3
"""How often both sides of a box are described anew by what was found."""

_RIM = 0.5
"""How strongly a walk is held at the rim of the image, where nothing was marked as background."""

_HELD = 1e4
"""How strongly a walk is held at marks."""


@dataclass(frozen=True, slots=True)
class Regions:
    """Regions of an image with all that does not depend on a prompt.

    Attributes
    ----------
    graph : RegionGraph
        The regions.
    tree : RegionTree
        What they make up.
    alike_colour, alike_look : (n, n) float32 array
        How alike two regions look, in [0, 1].
    near_rim : (n, 6) float array
        How near each region is to the rim of the image; see `nearness`.
    ways : (n, n) sparse array
        How far it is to neighbours, in contrast.
    links : (n, n) sparse array
        How easily a walk crosses to neighbours.
    """

    graph: RegionGraph
    tree: RegionTree
    alike_colour: NDArray[np.float32]
    alike_look: NDArray[np.float32]
    near_rim: Values
    ways: sparse.csr_array
    links: sparse.csr_array

    @classmethod
    def of(cls, graph: RegionGraph) -> Regions:
        """Compare regions."""
        one, other = graph.ends.T
        colour = np.square(graph.colours[one] - graph.colours[other]).sum(1)
        look = np.square(graph.looks[one] - graph.looks[other]).sum(1)
        way = np.sqrt(colour) + 0.15 * np.sqrt(look) + 0.5 * graph.contrasts + 0.004
        link = graph.borders * np.exp(-colour / (2 * 0.04**2) - graph.contrasts / 0.06 - look)
        tree, ways = RegionTree.of(graph), _both_ways(graph, way)
        return cls(
            graph, tree,
            _alike(graph.colours, _COLOUR_SIGMA), _alike(graph.looks, _LOOK_SIGMA),
            _nearness(graph, tree, ways, graph.rim), ways, _both_ways(graph, link),
        )  # fmt: skip

    def nearness(self, marked: NDArray[np.int64]) -> Values:
        """Return how near (n, 6) regions are to marked ones.

        In place, in the tree, by way, in the logarithm of place, and in both looks.
        """
        return _nearness(self.graph, self.tree, self.ways, marked)

    def walker(self, sure: Values) -> Callable[[Values], Values]:
        """Return what finds where a walk ends that is drawn to a map (n,) as strongly as ``sure``.

        It is the restart walk of `entropy_reduction`, over neighbours and with a restart of its own
        for each region, solved instead of iterated.
        """
        # Never 0, or a region without neighbours would have no answer.
        held = sure + 1e-9
        degree = sparse.diags_array(np.asarray(self.links.sum(1)).ravel() + held)
        solved = splu((degree - self.links).tocsc())

        def walked(wanted: Values) -> Values:
            ended: Values = solved.solve(held * wanted)
            return ended.clip(0, 1)

        return walked


def box_cues(regions: Regions, inside: Values, sides: tuple[float, float, float, float]) -> Values:
    """Return cues of a box.

    Parameters
    ----------
    regions : Regions
        Of the image.
    inside : (n,) float array
        Which share of each region lies in the box.
    sides : (float, float, float, float)
        Its top, left, bottom and right, in pixels.

    Returns
    -------
    (n, len(BOX_CUES)) float array
    """
    graph = regions.graph
    off = _offsets(graph, sides)
    square = (off**4).sum(1) ** 0.25
    held = graph.pixels * inside
    outer = graph.pixels * (1 - inside) * np.where(off.max(1) < _RINGS, 1.0, _FAR)
    first = _sigmoid(1.5 - 2.6 * square**4)
    colour = _lead(regions.alike_colour, held * first, outer)
    look = _lead(regions.alike_look, held * first, outer)
    cues = [square, square**4, np.sqrt((off**2).sum(1)), colour, look]
    cues += _straddling(regions, held, (sides[2] - sides[0]) * (sides[3] - sides[1]))
    cues.append(_settled(regions, inside, square, outer))
    return np.stack(cues, 1)


BOX_CUES = (
    "distance from the middle", "its fourth power", "distance, round", "colour", "look",
    *(f"fills, {share:g} outside" for share in _WITHIN),
    *(f"outside, fills {share:g}" for share in _UPTO),
    "settled",
)  # fmt: skip
"""Names of the cues of boxes, in their order."""


def mark_cues(regions: Regions, positive: NDArray[np.int64], negative: NDArray[np.int64]) -> Values:
    """Return cues of marks.

    Parameters
    ----------
    regions : Regions
        Of the image.
    positive, negative : (k,) int64 array
        Regions that were marked. Without negative ones, the rim of the image stands for them.

    Returns
    -------
    (n, len(MARK_CUES)) float array
    """
    graph, alone = regions.graph, len(negative) == 0
    against = graph.rim if alone else negative
    wanted, sure = np.zeros(graph.count), np.full(graph.count, 1e-5)
    sure[against] = _RIM if alone else _HELD
    wanted[positive], sure[positive] = 1.0, _HELD
    ended = regions.walker(sure)(wanted)
    near = regions.nearness(positive)
    far = regions.near_rim if alone else regions.nearness(negative)
    walk = np.log((ended + 0.003) / (1.003 - ended))
    return np.column_stack([near, far[:, 1:], walk])


MARK_CUES = (
    "distance", "joined with", "way", "log distance", "colour", "look",
    *(f"{name}, other side" for name in ("joined with", "way", "log distance", "colour", "look")),
    "walk",
)  # fmt: skip
"""Names of the cues of marks, in their order."""


def odds(cues: Values, weights: tuple[float, ...]) -> Values:
    """Return the chances in [0, 1] of regions by cues (n, C) and C + 1 weights, the last alone."""
    return _sigmoid(cues @ np.array(weights[:-1]) + weights[-1])


def _alike(vectors: Values, sigma: float) -> NDArray[np.float32]:
    narrow = (vectors / (sigma * 2**0.5)).astype(np.float32)
    square = (narrow**2).sum(1)
    apart = square[:, None] + square - 2 * narrow @ narrow.T
    alike: NDArray[np.float32] = np.exp(-apart.clip(0))
    return alike


def _both_ways(graph: RegionGraph, values: Values) -> sparse.csr_array:
    one, other = graph.ends.T
    ends = np.concatenate([one, other]), np.concatenate([other, one])
    shape = (graph.count, graph.count)
    return sparse.coo_array((np.concatenate([values, values]), ends), shape).tocsr()


def _offsets(graph: RegionGraph, sides: tuple[float, float, float, float]) -> Values:
    """Return how far (n, 2) regions are from the middle of a box, in half sides."""
    low, high = np.array(sides[:2]), np.array(sides[2:])
    off: Values = np.abs(graph.middles - (low + high) / 2) / ((high - low) / 2)
    return off


def _sigmoid(values: Values) -> Values:
    chance: Values = 1 / (1 + np.exp(-values.clip(-30, 30)))
    return chance


def _lead(alike: NDArray[np.float32], held: Values, outer: Values) -> Values:
    """Return how much more regions look like those held than like the outer ones: a logarithm."""
    ours, theirs = _density(alike, held), _density(alike, outer)
    lead: Values = np.log((ours + _RARE) / (theirs + _RARE)).astype(np.float64)
    return lead.clip(-3, 3)


def _density(alike: NDArray[np.float32], weights: Values) -> NDArray[np.float32]:
    """Return the mean of how alike regions (k, n) look to others, by weights (n,)."""
    narrow = weights.astype(np.float32)
    dense: NDArray[np.float32] = alike @ narrow / max(float(narrow.sum()), 1e-6)
    return dense


def _straddling(regions: Regions, held: Values, area: float) -> list[Values]:
    """Return how joined regions fill a box, and how far they reach out of it."""
    tree = regions.tree
    filled = tree.sums(held)
    outside = 1 - filled / tree.pixels
    kept = outside[:, None] <= np.array(_WITHIN)
    fills = tree.largest_where(filled[:, None] * kept)
    reach = tree.of_largest(filled[:, None] <= area * np.array(_UPTO), outside)
    return [*np.log(fills / area + 0.003).T, *reach.T]


def _settled(regions: Regions, inside: Values, square: Values, outer: Values) -> Values:
    """Return chances that settle when both sides are described again and again, and walked."""
    graph = regions.graph
    within = inside > 0.5
    walked = regions.walker(np.where(within, np.sqrt(graph.pixels) / 6, _HELD))
    alike = regions.alike_colour[within]
    alike *= regions.alike_look[within]
    place = 1.5 - 2.6 * square**4
    held, wanted = graph.pixels * inside, np.zeros(graph.count)
    chance = _sigmoid(place) * within
    for _ in range(_ROUNDS):
        lead = _lead(alike, held * chance, outer + held * (1 - chance))
        wanted[within] = _sigmoid(place[within] + 0.6 * lead)
        chance = walked(wanted)
    return chance


def _nearness(
    graph: RegionGraph, tree: RegionTree, ways: sparse.csr_array, marked: NDArray[np.int64]
) -> Values:
    seeds = np.zeros(graph.count, bool)
    seeds[marked] = True
    place = np.sqrt(_nearest(graph.middles, marked)) / graph.places.size**0.5
    way = dijkstra(ways, directed=False, indices=np.flatnonzero(seeds), min_only=True)
    return np.column_stack(
        [
            place,
            np.log(tree.least_with(seeds) + 1e-4),
            np.log(way + 0.02),
            np.log(place + 0.02),
            -np.log(_nearest(graph.colours, marked) + 0.0005),
            -np.log(_nearest(graph.looks, marked) + 0.02),
        ]
    )


def _nearest(vectors: Values, marked: NDArray[np.int64]) -> Values:
    """Return the squared distance (n,) to the nearest marked vector."""
    some = vectors[np.unique(marked)]
    apart = (vectors**2).sum(1)[:, None] + (some**2).sum(1) - 2 * vectors @ some.T
    nearest: Values = apart.min(1).clip(0)
    return nearest
