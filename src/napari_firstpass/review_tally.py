"""What reviewing came to: how much of what was pre-labelled stayed, and how long it took."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from napari_firstpass.progress import Progress

if TYPE_CHECKING:
    from napari_firstpass.progress import Steps
    from napari_firstpass.reviewed import Reviewed
    from napari_firstpass.segmentation import LabelPixels

_IDS = 2**16
_BREAK_S = 60.0
"""Who does nothing for so long has gone for coffee: of a longer gap, so much counts."""


@dataclass(frozen=True, slots=True)
class ReviewClock:
    """Time spent on reviewing, without breaks.

    Attributes
    ----------
    seconds : float
        So far.
    last : float or None
        When something was done last, on any steady clock; None before the first time.
    """

    seconds: float = 0.0
    last: float | None = None

    def at(self, now: float) -> ReviewClock:
        """Return the same once something was done."""
        gap = 0.0 if self.last is None else max(now - self.last, 0.0)
        return replace(self, seconds=self.seconds + min(gap, _BREAK_S), last=now)


@dataclass(frozen=True, slots=True)
class ClassTally:
    """What became of the pixels of a class that somebody has looked at.

    Attributes
    ----------
    kept : int
        Those that were pre-labelled so, and stayed.
    lost, gained : int
        Those that became another class, and those that were another one.
    """

    kept: int = 0
    lost: int = 0
    gained: int = 0


def tally_steps(
    made: LabelPixels, now: LabelPixels, reviewed: Reviewed
) -> Steps[dict[int, ClassTally]]:
    """Count what became of each class, 0 among them, where somebody has looked.

    Parameters
    ----------
    made, now : (H, W) integer array
        Labels as they were pre-labelled, and as they are.
    reviewed : Reviewed
        Where somebody has looked.
    """
    pairs: Counter[tuple[int, int]] = Counter()
    windows = list(reviewed.windows())
    for done, window in enumerate(windows):
        yield Progress(done, len(windows), "counting what changed")
        seen = reviewed.within(window)
        before, after = (array[window.slices][seen].astype(np.int64) for array in (made, now))
        found, counts = np.unique(before * _IDS + after, return_counts=True)
        for pair, count in zip(found.tolist(), counts.tolist(), strict=True):
            pairs[divmod(pair, _IDS)] += count
    tally: dict[int, ClassTally] = {}
    for (before_id, after_id), count in sorted(pairs.items()):
        if before_id == after_id:
            _add(tally, before_id, kept=count)
        else:
            _add(tally, before_id, lost=count)
            _add(tally, after_id, gained=count)
    return tally


def _add(
    tally: dict[int, ClassTally], class_id: int, kept: int = 0, lost: int = 0, gained: int = 0
) -> None:
    one = tally.get(class_id, ClassTally())
    tally[class_id] = ClassTally(one.kept + kept, one.lost + lost, one.gained + gained)


def kept_share(tally: dict[int, ClassTally]) -> float | None:
    """Return which part of what was looked at stayed as it was pre-labelled; None of nothing."""
    kept = sum(one.kept for one in tally.values())
    whole = kept + sum(one.lost for one in tally.values())
    return kept / whole if whole else None
