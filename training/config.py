"""Everything that decides what the weights will be."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Area:
    """A part of a mosaic.

    Attributes
    ----------
    mosaic : str
        Name of the file in ``aerial_geotiff``, without its ending.
    rows, cols : (int, int)
        First pixel, and the one behind the last.
    """

    mosaic: str
    rows: tuple[int, int]
    cols: tuple[int, int]


AREAS = (
    Area("site1_a_7cm", (0, 4096), (0, 2048)),
    Area("site1_a_7cm", (0, 4096), (6144, 8192)),
    Area("site1_b_7cm", (0, 2048), (0, 2560)),
    Area("site1_b_7cm", (0, 2048), (4608, 7168)),
    Area("site3_a_7cm", (0, 2048), (0, 2048)),
    Area("site3_b_7cm", (0, 2048), (0, 2048)),
)
"""Site 5 and the middles of site 1 are left out: `benchmarks/quality.py` measures on them."""


@dataclass(frozen=True, slots=True)
class Config:
    """What is learned from, and how.

    Attributes
    ----------
    areas : tuple of Area
        Where crops are drawn; how many in each goes with the root of its area, so that small
        places count for more than their size.
    crops, held_out : int
        How many to learn from, and how many more to watch the progress on.
    side : int
        Side of a crop in pixels.
    shrink : tuple of float
        By how much crops are shrunk, in turns: pixels of 7 cm become 7, 10 and 15 cm.
    grey, shuffled : float
        Share of crops whose bands are replaced by their mean, and by themselves in another order,
        so that images of one band and false colours have words too.
    vectors : int
        Cells to learn from.
    keep, power : float
        Share of the variance of their descriptions that is kept, and how far the rest is whitened
        (0 not, 1 fully).
    kinds : int
        How many kinds of cell are told apart first. Words are found among their centres, so that
        rare kinds count as much as common ones: else most words describe common ground.
    words : int
        Length of the vocabulary.
    restarts, iterations : int
        Effort of k-means.
    seed : int
        Drives every random choice.
    """

    areas: tuple[Area, ...] = AREAS
    crops: int = 320
    held_out: int = 40
    side: int = 384
    shrink: tuple[float, ...] = (1.0, 1.4, 2.0)
    grey: float = 0.1
    shuffled: float = 0.1
    vectors: int = 120_000
    keep: float = 0.99
    power: float = 0.5
    kinds: int = 2000
    words: int = 64
    restarts: int = 6
    iterations: int = 100
    seed: int = 0
