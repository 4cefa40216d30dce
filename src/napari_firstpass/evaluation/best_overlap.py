"""Two lenient rules for regions, kept to compare with papers that used them; not with each other.

Both let several truth regions, or several predicted ones, share a partner, so that both reward
cutting an image into pieces. Neither goes without the number of predicted segments.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from napari_firstpass.errors import ImageContentError
from napari_firstpass.evaluation.regions import best_ious

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from napari_firstpass.evaluation.overlap import Overlap
    from napari_firstpass.evaluation.regions import RegionPair


@dataclass(frozen=True, slots=True)
class BestOverlap:
    """Best IoU of each truth region of an image, by annotator.

    Attributes
    ----------
    ious : tuple of (T,) float arrays
        One for each annotator.
    segments : int
        Connected pieces of the prediction.
    """

    ious: tuple[NDArray[np.float64], ...]
    segments: int

    @classmethod
    def of(cls, pairs: Sequence[RegionPair]) -> BestOverlap:
        """Measure an image, of which each pair is one annotator's.

        The rule wants predictions split into connected pieces
        (`napari_firstpass.evaluation.pieces.split`); unsplit clusters score far lower.
        """
        ious = tuple(best_ious(pair.overlap) for pair in pairs)
        return cls(ious, max(len(pair.overlap.pred_ids) for pair in pairs))


@dataclass(frozen=True, slots=True)
class DfcScores:
    """The figures of Kim, Kanezaki and Tanaka (2020), section IV.

    Attributes
    ----------
    all, fine, coarse : float
        Mean best IoU over all truth regions of all images together: of every annotator, and of
        the one with most and with fewest regions in each image; in [0, 1].
    segments : float
        Mean number of predicted segments in an image.
    """

    all: float
    fine: float
    coarse: float
    segments: float

    @property
    def figures(self) -> dict[str, float]:
        """All of them by name."""
        return {
            "all": self.all,
            "fine": self.fine,
            "coarse": self.coarse,
            "predicted segments": self.segments,
        }


def dfc_scores(images: Sequence[BestOverlap]) -> DfcScores:
    """Pool the regions of a set of images.

    Raises
    ------
    ImageContentError
        If there are none.
    """
    if not images:
        raise ImageContentError(
            expected="at least one image", found="none", remedy="check the names of the files"
        )
    every = [ious for image in images for ious in image.ious]
    fine = [max(image.ious, key=len) for image in images]
    coarse = [min(image.ious, key=len) for image in images]
    a, f, c = (float(np.concatenate(part).mean()) for part in (every, fine, coarse))
    segments = float(np.mean([image.segments for image in images]))
    return DfcScores(all=a, fine=f, coarse=c, segments=segments)


@dataclass(frozen=True, slots=True)
class MergeScores:
    """What is left after an oracle has merged segments; see `merge_scores`.

    Attributes
    ----------
    miou : float
        Mean over truth regions, then over annotators; in [0, 1].
    segments : float
        Number of predicted segments, without which the figure says nothing.
    """

    miou: float
    segments: float

    @classmethod
    def mean(cls, scores: Sequence[MergeScores]) -> MergeScores:
        """Average over images."""
        return cls(
            float(np.mean([one.miou for one in scores])),
            float(np.mean([one.segments for one in scores])),
        )

    @property
    def figures(self) -> dict[str, float]:
        """Both by name."""
        return {"mIoU after the merge": self.miou, "predicted segments": self.segments}


def merge_scores(pairs: Sequence[RegionPair]) -> MergeScores:
    """Merge every predicted segment into the truth region of highest IoU, then measure mean IoU.

    The rule of DynaGuide's published evaluation: a grid of 20 x 20 squares that never saw the image
    reaches .49 on BSDS500. ``pairs`` has one for each annotator of an image.
    """
    mious = [_merged_miou(pair.overlap) for pair in pairs]
    segments = np.mean([len(pair.overlap.pred_ids) for pair in pairs])
    return MergeScores(float(np.mean(mious)), float(segments))


def _merged_miou(overlap: Overlap) -> float:
    chosen = _best_rows(overlap)
    sizes, count = overlap.truth_sizes, len(overlap.truth_ids)
    merged = np.bincount(chosen, weights=overlap.pred_sizes, minlength=count)
    own = chosen[overlap.cols] == overlap.rows
    hits = np.bincount(overlap.rows[own], weights=overlap.counts[own], minlength=count)
    return float((hits / (sizes + merged - hits)).mean())


def _best_rows(overlap: Overlap) -> NDArray[np.int64]:
    """Return for each predicted segment (P,) the row of highest IoU; ties take the lower id."""
    order = np.lexsort((overlap.rows, -overlap.ious, overlap.cols))
    first = np.unique(overlap.cols[order], return_index=True)[1]
    return overlap.rows[order][first]
