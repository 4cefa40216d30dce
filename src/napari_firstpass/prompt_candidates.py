"""Masks cut out of chances: which threshold, which pieces, and how good they are held to be."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from scipy import sparse
from scipy.sparse.csgraph import connected_components

if TYPE_CHECKING:
    from numpy.typing import NDArray

_LEVELS = (0.15, 0.25, 0.35, 0.45, 0.55, 0.65, 0.75, 0.85)

_APART = 0.8
"""Candidates overlap each other by no more than that."""

_PIECE = 0.1
"""Pieces smaller than that share of the largest are left out, where no mark says which one is
meant."""

_HOLE = 0.1
"""Holes smaller than that share of a mask are filled."""


@dataclass(frozen=True, slots=True)
class Candidates:
    """Masks over regions, the best first.

    Attributes
    ----------
    masks : (N, n) bool array
        At least one, at most three.
    scores : (N,) float array
        Overlap with the thing that is expected of each, in [0, 1].
    """

    masks: NDArray[np.bool_]
    scores: NDArray[np.float64]


def candidates(
    chances: NDArray[np.float64],
    pixels: NDArray[np.float64],
    ends: NDArray[np.int64],
    marked: NDArray[np.int64],
    outer: NDArray[np.int64],
) -> Candidates:
    """Cut masks out of chances.

    Parameters
    ----------
    chances : (n,) float array
        How likely each region belongs to the thing.
    pixels : (n,) float array
        How many of its pixels count.
    ends : (m, 2) int array
        Regions that touch.
    marked : (k,) int array
        Regions that belong to the thing for certain: only pieces that hold one of them are kept.
        Without any, those that are not much smaller than the largest.
    outer : (k,) int array
        Regions at the rim of the image and those that do not belong to the thing for certain: small
        holes that hold none of them are filled.
    """
    some = np.unique(chances)
    levels = [level for level in _LEVELS if level < some[-1]] or [some[-1] / 2]
    pieces = [_pieces(chances > level, pixels, ends, marked) for level in levels]
    found = [_without_holes(mask, pixels, ends, outer) for mask in pieces]
    scores = [_expected(mask, chances, pixels) for mask in found]
    best = int(np.argmax(scores))
    # One larger and one smaller: those of the next levels that differ enough.
    kept = [best]
    for others in (range(best - 1, -1, -1), range(best + 1, len(found))):
        kept += [at for at in others if _overlap(found[at], found[best], pixels) < _APART][:1]
    kept.sort(key=lambda at: -scores[at])
    return Candidates(np.stack([found[at] for at in kept]), np.array([scores[at] for at in kept]))


def _pieces(
    mask: NDArray[np.bool_],
    pixels: NDArray[np.float64],
    ends: NDArray[np.int64],
    marked: NDArray[np.int64],
) -> NDArray[np.bool_]:
    piece = _connected(mask, ends)
    sizes = np.bincount(piece, pixels * mask)
    kept = sizes >= _PIECE * sizes.max()
    if mask[marked].any():
        kept = np.zeros(len(sizes), bool)
        kept[piece[marked[mask[marked]]]] = True
    found: NDArray[np.bool_] = mask & kept[piece]
    return found


def _without_holes(
    mask: NDArray[np.bool_],
    pixels: NDArray[np.float64],
    ends: NDArray[np.int64],
    outer: NDArray[np.int64],
) -> NDArray[np.bool_]:
    hole = _connected(~mask, ends)
    small = np.bincount(hole, pixels * ~mask) < _HOLE * pixels[mask].sum()
    small[hole[outer[~mask[outer]]]] = False
    filled: NDArray[np.bool_] = mask | small[hole]
    return filled


def _connected(mask: NDArray[np.bool_], ends: NDArray[np.int64]) -> NDArray[np.int32]:
    """Return the connected piece (n,) of each region; one outside of the mask is its own."""
    within = ends[mask[ends].all(1)]
    links = sparse.coo_array((np.ones(len(within)), within.T), (len(mask), len(mask)))
    piece: NDArray[np.int32] = connected_components(links, directed=False)[1]
    return piece


def _expected(
    mask: NDArray[np.bool_], chances: NDArray[np.float64], pixels: NDArray[np.float64]
) -> float:
    """Return the overlap with the thing that is expected: intersection over union of means."""
    likely = chances * pixels
    union = float(pixels[mask].sum() + likely[~mask].sum())
    return float(likely[mask].sum()) / union if union > 0 else 0.0


def _overlap(
    one: NDArray[np.bool_], other: NDArray[np.bool_], pixels: NDArray[np.float64]
) -> float:
    union = float(pixels[one | other].sum())
    return float(pixels[one & other].sum()) / union if union > 0 else 1.0
