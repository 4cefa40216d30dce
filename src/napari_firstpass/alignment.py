"""Labels brought to the classes of another list, and why each region got its class."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from napari_firstpass.errors import TaxonomyError
from napari_firstpass.taxonomy import UNLABELLED

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import TypeAlias

    from napari_firstpass.grid import Window
    from napari_firstpass.segmentation import Labels, Segmentation
    from napari_firstpass.taxonomy import Taxonomy

Reason: TypeAlias = Literal[
    "table", "name", "overlap", "features", "text", "clip", "default", "unknown"
]
"""What decided: a table, a common name, shared pixels, nearness of features, words, a picture
compared with words, what the source class stands for anyway, or nothing (the region stays
unlabelled)."""

_IDS = 2**16


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
    told : mapping of str to plain value
        What else the record tells of it.
    """

    region: int
    source: int
    target: int
    pixels: int
    confidence: float
    reason: Reason
    scores: tuple[tuple[int, float], ...] = ()
    window: Window | None = None
    told: Mapping[str, Any] = field(default_factory=dict)

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
            **self.told,
        }


@dataclass(frozen=True, slots=True)
class Flows:
    """Where pixels went: how many of each class of the source became each class of the target.

    Attributes
    ----------
    pixels : mapping of (int, int) to int
        By ids of source and target, 0 among them; without zeros.
    """

    pixels: Mapping[tuple[int, int], int] = field(default_factory=dict)

    @classmethod
    def between(cls, before: Labels, after: Labels) -> Flows:
        """Count the pixels of two label maps (h, w) of the same place."""
        pairs = before.astype(np.int64) * _IDS + after
        keys, counts = np.unique(pairs, return_counts=True)
        both = zip(keys.tolist(), counts.tolist(), strict=True)
        return cls({divmod(key, _IDS): count for key, count in both})

    def plus(self, other: Flows) -> Flows:
        """Add those of another place."""
        total = dict(self.pixels)
        for key, count in other.pixels.items():
            total[key] = total.get(key, 0) + count
        return Flows(dict(sorted(total.items())))

    @property
    def unlabelled(self) -> dict[int, int]:
        """Pixels that lost their class, by id of the source."""
        return {
            source: count
            for (source, target), count in sorted(self.pixels.items())
            if target == UNLABELLED and source != UNLABELLED
        }

    @property
    def merged(self) -> dict[int, tuple[int, ...]]:
        """Ids of the source that can no longer be told apart, by id of the target."""
        found: dict[int, list[int]] = {}
        for source, target in sorted(self.pixels):
            if UNLABELLED not in (source, target):
                found.setdefault(target, []).append(source)
        return {key: tuple(ids) for key, ids in sorted(found.items()) if len(ids) > 1}

    def unreached(self, target: Taxonomy) -> tuple[int, ...]:
        """Return the ids of the target that no pixel has."""
        reached = {key for _, key in self.pixels}
        return tuple(i for i in target.ids if i not in reached)

    def losses(self, source: Taxonomy, target: Taxonomy) -> dict[str, Any]:
        """Return what was lost, by name, as plain containers fit for JSON."""

        def named(ids: tuple[int, ...]) -> list[str]:
            return [source[i].name if i in source else f"class {i}" for i in ids]

        return {
            "merged": {target[key].name: named(ids) for key, ids in self.merged.items()},
            "unreached": [target[i].name for i in self.unreached(target)],
            "unlabelled": [
                {"id": i, "name": named((i,))[0], "pixels": count}
                for i, count in self.unlabelled.items()
            ],
        }


@dataclass(frozen=True, slots=True)
class Alignment:
    """Labels in the classes of the target, and how they got there.

    Attributes
    ----------
    segmentation : Segmentation
        Labels, names and confidence.
    decisions : tuple of Decision
        One for each class of the source where whole classes were decided on, else one for each
        region; in order of their numbers.
    flows : Flows
        Where pixels went.
    """

    segmentation: Segmentation
    decisions: tuple[Decision, ...]
    flows: Flows = field(default_factory=Flows)

    @property
    def unknown(self) -> tuple[Decision, ...]:
        """The regions that stayed unlabelled, the largest first."""
        left = (entry for entry in self.decisions if entry.target == UNLABELLED)
        return tuple(sorted(left, key=lambda entry: -entry.pixels))
