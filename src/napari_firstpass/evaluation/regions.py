"""Comparing regions that have no names: covering, Rand index, variation of information."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from napari_firstpass.evaluation.boundaries import boundary_f
from napari_firstpass.evaluation.overlap import Overlap

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from napari_firstpass.evaluation.label_image import LabelImage


@dataclass(frozen=True, slots=True)
class RegionScores:
    """How well the regions of an image, or of several, agree with people's.

    Attributes
    ----------
    covering : float
        Mean, over truth pixels, of the best IoU of their region with a predicted one; in [0, 1]
        (Arbelaez et al. 2011, section 2.3).
    rand_index : float
        Share of pixel pairs on which the two agree, together or apart; its mean over annotators
        is the probabilistic Rand index (Unnikrishnan et al. 2007); in [0, 1].
    variation_of_information : float
        What is unknown of one when the other is known, both ways, in bits (Meila 2007); 0 is best.
    boundary_f : float
        See `napari_firstpass.evaluation.boundaries.boundary_f`; in [0, 1].
    segments : float
        Number of predicted regions.
    """

    covering: float
    rand_index: float
    variation_of_information: float
    boundary_f: float
    segments: float

    @classmethod
    def mean(cls, scores: Sequence[RegionScores]) -> RegionScores:
        """Average over annotators, or over images."""
        fields = cls.__slots__
        values = np.array([[getattr(one, name) for name in fields] for one in scores])
        return cls(*(float(value) for value in values.mean(axis=0)))

    @property
    def figures(self) -> dict[str, float]:
        """All of them by name."""
        return {
            "covering": self.covering,
            "PRI": self.rand_index,
            "VoI (bits)": self.variation_of_information,
            "boundary F": self.boundary_f,
            "predicted segments": self.segments,
        }


@dataclass(frozen=True, slots=True)
class RegionPair:
    """One annotator's regions and the predicted ones.

    Regions are pixels of equal id; to have connected ones, split them first (see
    `napari_firstpass.evaluation.pieces.split`). Pixels without a prediction form a region that
    covers nothing.

    Attributes
    ----------
    truth, pred : LabelImage
        The two.
    overlap : Overlap
        What they share.
    """

    truth: LabelImage
    pred: LabelImage
    overlap: Overlap

    @classmethod
    def of(cls, truth: LabelImage, pred: LabelImage) -> RegionPair:
        """Count what the two share; raises as `Overlap.of`."""
        return cls(truth, pred, Overlap.of(truth, pred))


def region_scores(pairs: Sequence[RegionPair], *, tolerance: float | None = None) -> RegionScores:
    """Compare the predicted regions of an image with each annotator's, and average over these.

    Parameters
    ----------
    pairs : sequence of RegionPair
        One for each annotator.
    tolerance : float or None
        Of boundaries, in pixels; None for 0.75 % of the image's diagonal.
    """
    return RegionScores.mean([_one(pair, tolerance) for pair in pairs])


def _one(pair: RegionPair, tolerance: float | None) -> RegionScores:
    return RegionScores(
        covering(pair.overlap),
        rand_index(pair.overlap),
        variation_of_information(pair.overlap),
        boundary_f(pair.truth, pair.pred, tolerance=tolerance),
        len(pair.overlap.pred_ids),
    )


def best_ious(overlap: Overlap) -> NDArray[np.float64]:
    """Return for each truth region (T,) its best IoU with a predicted one."""
    best = np.zeros(len(overlap.truth_ids))
    np.maximum.at(best, overlap.rows, overlap.ious)
    return best


def covering(overlap: Overlap) -> float:
    """Return the covering of the truth by the prediction; see `RegionScores`."""
    return float(best_ious(overlap) @ overlap.truth_sizes / overlap.pixels)


def rand_index(overlap: Overlap) -> float:
    """Return the share of pixel pairs on which both agree; see `RegionScores`."""
    total = overlap.pixels
    if total == 1:
        return 1.0
    truth, pred, both = _sizes(overlap)
    disagreeing = ((truth**2).sum() + (pred**2).sum()) / 2 - (both**2).sum()
    return float(1 - disagreeing / (total * (total - 1) / 2))


def variation_of_information(overlap: Overlap) -> float:
    """Return the variation of information in bits; see `RegionScores`."""
    truth, pred, both = (_entropy(sizes / overlap.pixels) for sizes in _sizes(overlap))
    return max(0.0, 2 * both - truth - pred)


def _sizes(overlap: Overlap) -> tuple[NDArray[np.float64], ...]:
    """Return sizes of truth regions, predicted ones and intersections; unpredicted is one more."""
    missed = overlap.missed[overlap.missed > 0]
    pred = np.append(overlap.pred_sizes, missed.sum()) if len(missed) else overlap.pred_sizes
    both = np.append(overlap.counts, missed)
    # Squares of 64-bit counts overflow from 3 gigapixels on; doubles do not.
    return tuple(sizes.astype(np.float64) for sizes in (overlap.truth_sizes, pred, both))


def _entropy(shares: NDArray[np.float64]) -> float:
    return float(-(shares * np.log2(shares)).sum())
