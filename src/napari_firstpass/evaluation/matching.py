"""Naming clusters after classes, and what is right under these names.

Three rules that are not comparable with each other: one matching for a whole set of images, one
for each image, and none.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING

import numpy as np
from scipy.optimize import linear_sum_assignment

from napari_firstpass.errors import OptionError
from napari_firstpass.evaluation.overlap import Overlap

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

_LARGEST_TABLE = 2**25


class Rule(StrEnum):
    """How predicted ids get the names of classes."""

    SET = "set"
    SET_MANY_TO_ONE = "set, many-to-one"
    IMAGE = "image"
    NAMED = "named"


@dataclass(frozen=True, slots=True)
class ClassScore:
    """How well one class was found.

    Attributes
    ----------
    id : int
        Its id in the truth.
    truth, predicted, hits : int
        Pixels that are of this class, that are called so, and both.
    """

    id: int
    truth: int
    predicted: int
    hits: int

    @property
    def iou(self) -> float | None:
        """Intersection over union; None for a class that the truth does not hold."""
        return self.hits / (self.truth + self.predicted - self.hits) if self.truth else None

    @property
    def f1(self) -> float | None:
        """Harmonic mean of precision and recall (Dice); None as for `iou`."""
        return 2 * self.hits / (self.truth + self.predicted) if self.truth else None

    @property
    def recall(self) -> float | None:
        """Share of the class that was found; None as for `iou`."""
        return self.hits / self.truth if self.truth else None

    @property
    def precision(self) -> float | None:
        """Share that is right of what is called so; None if nothing is."""
        return self.hits / self.predicted if self.predicted else None


@dataclass(frozen=True, slots=True)
class ClassScores:
    """How well the classes of a set of images were found, under one rule.

    Attributes
    ----------
    rule : Rule
        How clusters were named.
    classes : tuple of ClassScore
        Those that occur in the truth, ascending by id.
    confusion : (T, T + 1) int64 array
        Pixels of each class (row) that are called each class (column); the last column is for
        what is called none of them, or nothing.
    clusters : int
        Different predicted ids; under `Rule.IMAGE` the largest number in an image.
    images : int
        Number of images.
    names : mapping of int to int
        Predicted id to class id; empty where each image has its own.
    """

    rule: Rule
    classes: tuple[ClassScore, ...]
    confusion: NDArray[np.int64]
    clusters: int
    images: int
    names: Mapping[int, int] = field(default_factory=dict)

    @property
    def pixels(self) -> int:
        """Pixels judged."""
        return int(self.confusion.sum())

    @property
    def accuracy(self) -> float:
        """Share of judged pixels that are right."""
        return sum(entry.hits for entry in self.classes) / self.pixels

    @property
    def miou(self) -> float:
        """Mean intersection over union of the classes that the truth holds."""
        ious = [entry.iou for entry in self.classes if entry.iou is not None]
        return sum(ious) / len(ious)

    @property
    def figures(self) -> dict[str, float]:
        """The two, and what they rest on, by name."""
        counted = {"classes": len(self.classes), "clusters": self.clusters, "pixels": self.pixels}
        return {"accuracy": self.accuracy, "mIoU": self.miou, **counted}


def set_scores(overlaps: Sequence[Overlap]) -> ClassScores:
    """Match clusters with classes one to one, once for the whole set.

    The matching maximises the number of right pixels (Kuhn 1955; the protocol of the PriMaPs and
    SmooSeg papers). Of several that do, one with the largest sum of IoU is taken. Clusters beyond
    the number of classes have no name, and their pixels are wrong.

    Raises
    ------
    ImageContentError
        If there are no pairs.
    """
    table = Overlap.pooled(overlaps)
    return _scores(Rule.SET, table, _one_to_one(table), images=len(overlaps))


def many_to_one_scores(overlaps: Sequence[Overlap]) -> ClassScores:
    """Call every cluster after the class with which it shares most pixels over the whole set.

    More clusters give higher figures: compare equal numbers of clusters only.

    Raises
    ------
    ImageContentError
        If there are no pairs.
    """
    table = Overlap.pooled(overlaps)
    return _scores(Rule.SET_MANY_TO_ONE, table, _many_to_one(table), images=len(overlaps))


def named_scores(overlaps: Sequence[Overlap]) -> ClassScores:
    """Take predicted ids for class ids.

    Raises
    ------
    ImageContentError
        If there are no pairs.
    """
    table = Overlap.pooled(overlaps)
    same = np.intersect1d(table.truth_ids, table.pred_ids)
    names = {int(i): int(i) for i in same}
    return _scores(Rule.NAMED, table, names, images=len(overlaps))


def image_scores(overlaps: Sequence[Overlap]) -> ClassScores:
    """Match clusters with classes one to one in each image by itself, and add up what is right.

    More lenient than `set_scores`, because a cluster may mean something else in the next image
    (the protocol of the DiffSeg paper).

    Raises
    ------
    ImageContentError
        If there are no pairs.
    """
    truth_ids = Overlap.pooled(overlaps).truth_ids
    confusion = np.zeros((len(truth_ids), len(truth_ids) + 1), dtype=np.int64)
    for overlap in overlaps:
        one = _confusion(overlap, _one_to_one(overlap))
        at = np.searchsorted(truth_ids, overlap.truth_ids)
        confusion[np.ix_(at, np.append(at, len(truth_ids)))] += one
    clusters = max(len(overlap.pred_ids) for overlap in overlaps)
    classes = _class_scores(truth_ids, confusion)
    return ClassScores(Rule.IMAGE, classes, confusion, clusters, len(overlaps))


def _one_to_one(table: Overlap) -> dict[int, int]:
    worth = _worth(table)
    rows, cols = linear_sum_assignment(worth, maximize=True)
    # A pair that shares no pixel is no match, it only fills the matrix.
    return {
        int(table.pred_ids[col]): int(table.truth_ids[row])
        for row, col in zip(rows, cols, strict=True)
        if worth[row, col] > 0
    }


def _many_to_one(table: Overlap) -> dict[int, int]:
    if not len(table.pred_ids):
        return {}
    best = _worth(table).argmax(axis=0)
    return {int(p): int(table.truth_ids[t]) for p, t in zip(table.pred_ids, best, strict=True)}


def _worth(table: Overlap) -> NDArray[np.float64]:
    """Return shared pixels (T, P), plus a part of one for the IoU, which decides ties only."""
    _require_room(len(table.truth_ids), len(table.pred_ids))
    worth = np.zeros((len(table.truth_ids), len(table.pred_ids)))
    pairs = 1 + min(worth.shape)
    worth[table.rows, table.cols] = table.counts + table.ious / pairs
    return worth


def _require_room(classes: int, clusters: int) -> None:
    """Refuse what are no classes but instances: their table would not fit into memory."""
    if classes * clusters > _LARGEST_TABLE:
        raise OptionError(
            expected="classes and clusters, to match them",
            found=f"{classes:,} and {clusters:,} different ids",
            remedy="compare regions (--protocol regions), or merge ids into classes (--merge)",
        )


def _scores(rule: Rule, table: Overlap, names: dict[int, int], *, images: int) -> ClassScores:
    confusion = _confusion(table, names)
    classes = _class_scores(table.truth_ids, confusion)
    return ClassScores(rule, classes, confusion, len(table.pred_ids), images, names)


def _confusion(table: Overlap, names: Mapping[int, int]) -> NDArray[np.int64]:
    """Return pixels (T, T + 1) of each class under ``names``; the last column has none."""
    count = len(table.truth_ids)
    _require_room(count, count)
    called = np.full(len(table.pred_ids), count)
    for place, pred in enumerate(table.pred_ids):
        if int(pred) in names:
            called[place] = np.searchsorted(table.truth_ids, names[int(pred)])
    confusion = np.zeros((count, count + 1), dtype=np.int64)
    np.add.at(confusion, (table.rows, called[table.cols]), table.counts)
    confusion[:, count] += table.missed
    return confusion


def _class_scores(
    truth_ids: NDArray[np.int64], confusion: NDArray[np.int64]
) -> tuple[ClassScore, ...]:
    truth, predicted, hits = confusion.sum(1), confusion.sum(0), np.diagonal(confusion)
    return tuple(
        ClassScore(int(i), int(truth[at]), int(predicted[at]), int(hits[at]))
        for at, i in enumerate(truth_ids)
    )
