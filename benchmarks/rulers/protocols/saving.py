"""How much of an annotator's work the labels save; simulated."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from napari_firstpass.evaluation.annotator import DEFAULT_CONFIG, annotate, from_scratch, naming
from napari_firstpass.evaluation.label_image import LabelImage
from napari_firstpass.evaluation.matching import many_to_one_scores
from napari_firstpass.evaluation.prelabel import Prelabel
from napari_firstpass.evaluation.saving import Saving
from rulers.figures import Figure
from rulers.protocols.classes import overlaps

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from napari_firstpass.evaluation.annotator import Work
    from rulers.pictures import Picture, Prediction

_RULE = "simulated annotator"
_LABELS = "to name the clusters, at a click each, and to correct the images"


@dataclass(frozen=True, slots=True)
class AnnotatorsSaving:
    """Names clusters many-to-one over the set, and corrects every image.

    Attributes
    ----------
    clusters : int
        Number of clusters.
    """

    clusters: int

    @property
    def figures(self) -> tuple[Figure, ...]:
        """Share of seconds saved, its confidence interval, and the share of images made worse."""
        config = DEFAULT_CONFIG
        protocol = (
            "share of seconds saved over drawing from scratch; "
            f"{self.clusters} clusters named many-to-one, then clicks and strokes until "
            f"{config.target:.0%} of the pixels outside a band of {config.band} are right; seconds "
            "added up over images"
        )
        interval = f"{protocol}; end of the 95 % bootstrap interval over images"
        worse = "share of images whose labels cost more seconds than they save"
        return (
            Figure("saving", "saving", _RULE, protocol, _LABELS),
            Figure("saving_low", "saving, from", _RULE, interval, _LABELS, best=None),
            Figure("saving_high", "saving, to", _RULE, interval, _LABELS, best=None),
            Figure("saving_negative", "images made worse", _RULE, worse, _LABELS, best=None),
        )

    def score(
        self, pictures: Sequence[Picture], predictions: Sequence[Prediction]
    ) -> dict[str, float]:
        """Return the value of each figure, by its key."""
        names = many_to_one_scores(overlaps(pictures, predictions)).names
        pairs = [
            _works(picture.truths[0], LabelImage.of(prediction), names)
            for picture, prediction in zip(pictures, predictions, strict=True)
        ]
        saving = Saving.of(pairs, once=naming(names))
        low, high = saving.interval or (saving.share, saving.share)
        return {
            "saving": saving.share,
            "saving_low": low,
            "saving_high": high,
            "saving_negative": saving.negative,
        }


def _works(truth: LabelImage, pred: LabelImage, names: Mapping[int, int]) -> tuple[Work, Work]:
    """Return the work with the labels, and from scratch."""
    scratch = from_scratch(truth)
    return annotate(truth, Prelabel.of_clusters(pred, names), scratch=scratch), scratch
