"""Accuracy and mean IoU of classes, under two ways to name clusters."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from napari_firstpass.evaluation.label_image import LabelImage
from napari_firstpass.evaluation.matching import Rule, many_to_one_scores, set_scores
from napari_firstpass.evaluation.overlap import Overlap
from napari_firstpass.evaluation.statement import MANY_TO_ONE_RULE, Protocol
from rulers.figures import Figure

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rulers.pictures import Picture, Prediction

_PROTOCOLS = {Rule.SET: Protocol.SET.rule, Rule.SET_MANY_TO_ONE: MANY_TO_ONE_RULE}
_SHORT = {Rule.SET: "set", Rule.SET_MANY_TO_ONE: "many-to-one"}
_SCORES = {Rule.SET: set_scores, Rule.SET_MANY_TO_ONE: many_to_one_scores}


@dataclass(frozen=True, slots=True)
class Classes:
    """Names clusters once for the whole set.

    Attributes
    ----------
    clusters : int
        Number of clusters.
    rule : Rule
        `Rule.SET` or `Rule.SET_MANY_TO_ONE`.
    """

    clusters: int
    rule: Rule

    @property
    def figures(self) -> tuple[Figure, ...]:
        """Accuracy and mean IoU."""
        protocol, short = _PROTOCOLS[self.rule], _SHORT[self.rule]
        labels = f"{Protocol.SET.labels_used}, to select nothing"
        return tuple(
            Figure(
                f"{key}_{self._suffix}",
                f"{title}, {self.clusters} {short}",
                self.rule,
                protocol,
                labels,
            )
            for key, title in (("accuracy", "accuracy"), ("miou", "mIoU"))
        )

    def score(
        self, pictures: Sequence[Picture], predictions: Sequence[Prediction]
    ) -> dict[str, float]:
        """Return the value of each figure, by its key."""
        scores = _SCORES[self.rule](overlaps(pictures, predictions))
        return {f"accuracy_{self._suffix}": scores.accuracy, f"miou_{self._suffix}": scores.miou}

    @property
    def _suffix(self) -> str:
        return f"{_SHORT[self.rule].replace('-', '_')}_{self.clusters}"


def overlaps(pictures: Sequence[Picture], predictions: Sequence[Prediction]) -> list[Overlap]:
    """Compare each prediction with the one truth of its picture."""
    return [
        Overlap.of(picture.truths[0], LabelImage.of(prediction))
        for picture, prediction in zip(pictures, predictions, strict=True)
    ]
