"""One object class: how well the one best cluster of an image shows it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from napari_firstpass.evaluation.matching import ClassScore
from rulers.figures import Figure
from rulers.protocols.classes import overlaps

if TYPE_CHECKING:
    from collections.abc import Sequence

    from napari_firstpass.evaluation.overlap import Overlap
    from rulers.pictures import Picture, Prediction


@dataclass(frozen=True, slots=True)
class BestCluster:
    """Takes in each image the cluster of highest F1, and adds up pixels over images.

    Attributes
    ----------
    clusters : int
        Number of clusters.
    target : int
        Id of the object class in the truth.
    group : str
        Only pictures whose name begins with this count; a column each.
    """

    clusters: int
    target: int
    group: str

    @property
    def figures(self) -> tuple[Figure, ...]:
        """F1 and IoU of the object."""
        protocol = (
            f"of {self.clusters} clusters of each image the one with the highest F1; pixels added "
            "up over images"
        )
        labels = "to select the cluster (an upper bound, not what a user would get)"
        return tuple(
            Figure(
                f"{key}_{self.group}", f"{title}, {self.group}", "best cluster", protocol, labels
            )
            for key, title in (("f1", "F1"), ("iou", "IoU"))
        )

    def score(
        self, pictures: Sequence[Picture], predictions: Sequence[Prediction]
    ) -> dict[str, float]:
        """Return the value of each figure, by its key."""
        best = [
            _best(overlap, self.target)
            for picture, overlap in zip(pictures, overlaps(pictures, predictions), strict=True)
            if picture.name.startswith(self.group)
        ]
        total = ClassScore(
            self.target,
            truth=sum(one.truth for one in best),
            predicted=sum(one.predicted for one in best),
            hits=sum(one.hits for one in best),
        )
        return {f"f1_{self.group}": total.f1 or 0.0, f"iou_{self.group}": total.iou or 0.0}


def _best(overlap: Overlap, target: int) -> ClassScore:
    """Return the score of the cluster with the highest F1."""
    if target not in overlap.truth_ids:
        raise ValueError(f"the truth holds no pixel of class {target}: choose another image")
    row = np.searchsorted(overlap.truth_ids, target)
    hits = np.zeros(len(overlap.pred_ids), dtype=np.int64)
    own = overlap.rows == row
    hits[overlap.cols[own]] = overlap.counts[own]
    truth = int(overlap.truth_sizes[row])
    best = int((2 * hits / (truth + overlap.pred_sizes)).argmax())
    return ClassScore(target, truth, int(overlap.pred_sizes[best]), int(hits[best]))
