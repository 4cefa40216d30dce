"""Labels brought to the classes of another list, and why each region got its class."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from napari_firstpass.errors import TaxonomyError
from napari_firstpass.taxonomy import UNLABELLED

if TYPE_CHECKING:
    from typing import TypeAlias

    from napari_firstpass.grid import Window
    from napari_firstpass.segmentation import Segmentation

Reason: TypeAlias = Literal["table", "overlap", "features", "text", "clip", "default", "unknown"]
"""What decided: a table, shared pixels, nearness of features, words, a picture compared with words,
what the source class stands for anyway, or nothing (the region stays unlabelled)."""


@dataclass(frozen=True, slots=True)
class Decision:
    """What one region became, and why.

    Attributes
    ----------
    region : int
        Its number, from 1: a class of the source where whole classes are decided on.
    source : int
        Id of its class before, that of most of its pixels; 0 where it had none.
    target : int
        Id of its class now; 0 where nothing fits.
    pixels : int
        Its size.
    confidence : float
        In [0, 1].
    reason : Reason
        What decided.
    scores : tuple of (int, float)
        What was weighed against each other: ids of the target and how much spoke for each, in
        [0, 1], the best first; empty where nothing was weighed.
    window : Window or None
        Where it lies; None for a class of the source, which may lie anywhere.
    """

    region: int
    source: int
    target: int
    pixels: int
    confidence: float
    reason: Reason
    scores: tuple[tuple[int, float], ...] = ()
    window: Window | None = None

    def __post_init__(self) -> None:
        if not 0 <= self.confidence <= 1:
            raise TaxonomyError(
                expected="a confidence in [0, 1]",
                found=f"{self.confidence:g} for region {self.region}",
                remedy="scale it",
            )

    @property
    def margin(self) -> float:
        """By how much the best score leads over the next; the score itself without a next."""
        if not self.scores:
            return self.confidence
        runner_up = self.scores[1][1] if len(self.scores) > 1 else 0.0
        return self.scores[0][1] - runner_up

    def to_dict(self) -> dict[str, Any]:
        """Return plain containers, fit for JSON."""
        place = self.window
        return {
            "region": self.region,
            "source": self.source,
            "target": self.target,
            "pixels": self.pixels,
            "confidence": self.confidence,
            "reason": self.reason,
            "scores": [list(pair) for pair in self.scores],
            "window": place and [place.row, place.col, place.height, place.width],
        }


@dataclass(frozen=True, slots=True)
class Alignment:
    """Labels in the classes of the target, and how they got there.

    Attributes
    ----------
    segmentation : Segmentation
        Labels, names and confidence.
    decisions : tuple of Decision
        One for each region, in order of their numbers.
    """

    segmentation: Segmentation
    decisions: tuple[Decision, ...]

    @property
    def unknown(self) -> tuple[Decision, ...]:
        """The regions that stayed unlabelled, the largest first."""
        left = (entry for entry in self.decisions if entry.target == UNLABELLED)
        return tuple(sorted(left, key=lambda entry: -entry.pixels))
