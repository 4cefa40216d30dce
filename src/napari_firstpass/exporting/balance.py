"""Choosing some of many chips."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray


def spread(count: int, limit: int, seed: int) -> list[int]:
    """Return ``limit`` of ``count`` places at random, in order; all if there are not more."""
    if count <= limit:
        return list(range(count))
    chosen = np.random.default_rng(seed).choice(count, limit, replace=False)
    return [int(place) for place in np.sort(chosen)]


def balanced(pixels: NDArray[np.int64], limit: int) -> list[int]:
    """Return ``limit`` places, in order, such that classes have more equal numbers of pixels.

    Each next one is the one that adds most to the sum, over classes, of the square root of their
    share: a rare class counts more than more of a common one. Of equal ones, the first is taken.

    Parameters
    ----------
    pixels : (N, K) integer array
        Pixels of each class in each chip.
    limit : int
        How many to choose; all if there are not more.
    """
    if len(pixels) <= limit:
        return list(range(len(pixels)))
    shares = pixels / max(int(pixels.sum()), 1)
    held = np.zeros(pixels.shape[1])
    is_left = np.ones(len(pixels), dtype=bool)
    for _ in range(limit):
        gain = np.sqrt(held + shares).sum(axis=1)
        best = int(np.argmax(np.where(is_left, gain, -1.0)))
        is_left[best] = False
        held += shares[best]
    return [int(place) for place in np.flatnonzero(~is_left)]
