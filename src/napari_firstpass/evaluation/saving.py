"""How much work pre-labels save over many tiles, and how sure that is."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from napari_firstpass.errors import ImageContentError, OptionError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from napari_firstpass.evaluation.annotator import Work

RESAMPLES = 2000
_AT_ONCE = 100
_CONFIDENCE = (2.5, 97.5)


@dataclass(frozen=True, slots=True, kw_only=True)
class Totals:
    """Work summed over tiles.

    Attributes
    ----------
    clicks, strokes, path : int
        As in `Work`: path in pixel edges.
    seconds : float
        All of it.
    """

    clicks: int
    strokes: int
    path: int
    seconds: float

    @classmethod
    def of(cls, works: Sequence[Work]) -> Totals:
        """Sum up."""
        return cls(
            clicks=sum(work.clicks for work in works),
            strokes=sum(work.strokes for work in works),
            path=sum(work.path for work in works),
            seconds=sum(work.seconds for work in works),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Saving:
    """What pre-labels save.

    Attributes
    ----------
    share : float
        1 - seconds with pre-labels / seconds from scratch, both summed over tiles: at most 1,
        negative where pre-labels cost more than they save, 0 where there was nothing to draw.
    interval : (float, float) or None
        95 % confidence interval of ``share``: percentiles of a bootstrap over tiles. None with
        fewer than two tiles.
    negative : float
        Share of tiles at which the pre-label costs more seconds than drawing from scratch.
    tiles : int
        How many there were.
    prelabelled, scratch : Totals
        The work of both sides.
    """

    share: float
    interval: tuple[float, float] | None
    negative: float
    tiles: int
    prelabelled: Totals
    scratch: Totals

    @classmethod
    def of(
        cls,
        pairs: Sequence[tuple[Work, Work]],
        *,
        once: Work | None = None,
        seed: int = 0,
        resamples: int = RESAMPLES,
    ) -> Saving:
        """Compare tile by tile.

        Parameters
        ----------
        pairs : sequence of (Work, Work)
            With the pre-label and from scratch, of each tile.
        once : Work, optional
            What pre-labels cost beside, once for all tiles: naming their clusters.
        seed : int
            Drives the bootstrap, at least 0.
        resamples : int
            How often the tiles are drawn again, at least 1.

        Raises
        ------
        ImageContentError
            If there is no tile.
        OptionError
            If ``seed`` or ``resamples`` is too small.
        """
        _check(pairs, seed, resamples)
        seconds = np.array([(pre.seconds, scratch.seconds) for pre, scratch in pairs], np.float64)
        extra = [once] if once else []
        # A tile that is drawn again brings its part of what all tiles cost together.
        seconds[:, 0] += sum(work.seconds for work in extra) / len(pairs)
        return cls(
            share=float(_share(seconds.sum(axis=0))),
            interval=_interval(seconds, seed, resamples) if len(pairs) > 1 else None,
            negative=float((seconds[:, 0] > seconds[:, 1]).mean()),
            tiles=len(pairs),
            prelabelled=Totals.of([*extra, *(pre for pre, _ in pairs)]),
            scratch=Totals.of([scratch for _, scratch in pairs]),
        )


def _check(pairs: Sequence[tuple[Work, Work]], seed: int, resamples: int) -> None:
    if not pairs:
        raise ImageContentError(
            expected="the work at one tile or more", found="none", remedy="annotate a tile first"
        )
    if seed < 0 or resamples < 1:
        raise OptionError(
            expected="a seed of at least 0, and at least 1 resample",
            found=f"seed {seed}, {resamples} resamples",
            remedy="enlarge them",
        )


def _share(sums: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the shares saved, given sums (..., 2) of both sides."""
    pre, scratch = sums[..., 0], sums[..., 1]
    # Where nothing had to be drawn there was nothing to save.
    ratio = np.divide(pre, scratch, out=np.ones_like(scratch), where=scratch > 0)
    saved: NDArray[np.float64] = 1 - ratio
    return saved


def _interval(seconds: NDArray[np.float64], seed: int, resamples: int) -> tuple[float, float]:
    dice = np.random.default_rng(seed)
    tiles = len(seconds)
    shares = [
        # In portions: all resamples of many tiles at once would fill the memory.
        _share(seconds[dice.integers(tiles, size=(min(_AT_ONCE, resamples - done), tiles))].sum(1))
        for done in range(0, resamples, _AT_ONCE)
    ]
    low, high = np.percentile(np.concatenate(shares), _CONFIDENCE)
    return float(low), float(high)
