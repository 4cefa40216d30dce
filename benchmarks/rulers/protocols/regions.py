"""Regions without names against those of several people."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from napari_firstpass.evaluation.best_overlap import BestOverlap, dfc_scores
from napari_firstpass.evaluation.boundaries import TOLERANCE
from napari_firstpass.evaluation.label_image import LabelImage
from napari_firstpass.evaluation.pieces import split
from napari_firstpass.evaluation.regions import RegionPair, RegionScores, region_scores
from napari_firstpass.evaluation.statement import DFC_RULE, Protocol
from rulers.figures import Figure

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rulers.pictures import Picture, Prediction

_REGIONS, _DFC = "regions", "regions, DFC rule"
_MEAN = "mean over annotators, then over images; predictions split into 4-connected pieces"
_EDGE = f"an edge within {TOLERANCE:.2%} of the diagonal is right, not one to one"


@dataclass(frozen=True, slots=True)
class Regions:
    """Splits every prediction into connected pieces and compares them.

    Attributes
    ----------
    clusters : int
        Number of clusters asked for, of rows that need one.
    """

    clusters: int

    @property
    def figures(self) -> tuple[Figure, ...]:
        """The figures of the region protocols."""
        information = f"variation of information in bits, 0 is best; {_MEAN}"
        pieces = _figure("segments", "pieces", _DFC, "mean number in an image")
        return (
            _figure("covering", "covering", _REGIONS, f"covering of the truth; {_MEAN}"),
            _figure("rand_index", "PRI", _REGIONS, f"probabilistic Rand index; {_MEAN}"),
            replace(_figure("voi", "VoI", _REGIONS, information), best="low", decimals=2),
            _figure("boundary_f", "boundary F", _REGIONS, f"{_EDGE}; {_MEAN}"),
            _figure("dfc_all", "DFC all", _DFC, f"{DFC_RULE}; all annotators"),
            _figure("dfc_fine", "DFC fine", _DFC, f"{DFC_RULE}; the annotator with most"),
            _figure("dfc_coarse", "DFC coarse", _DFC, f"{DFC_RULE}; the annotator with fewest"),
            replace(pieces, best=None, decimals=0),
        )

    def score(
        self, pictures: Sequence[Picture], predictions: Sequence[Prediction]
    ) -> dict[str, float]:
        """Return the value of each figure, by its key."""
        images = [
            _pairs(picture, prediction)
            for picture, prediction in zip(pictures, predictions, strict=True)
        ]
        mean = RegionScores.mean([region_scores(pairs) for pairs in images])
        dfc = dfc_scores([BestOverlap.of(pairs) for pairs in images])
        return {
            "covering": mean.covering,
            "rand_index": mean.rand_index,
            "voi": mean.variation_of_information,
            "boundary_f": mean.boundary_f,
            "dfc_all": dfc.all,
            "dfc_fine": dfc.fine,
            "dfc_coarse": dfc.coarse,
            "segments": dfc.segments,
        }


def _pairs(picture: Picture, prediction: Prediction) -> list[RegionPair]:
    """Put every annotator beside the connected pieces of a prediction."""
    pieces = split(LabelImage.of(prediction))
    return [RegionPair.of(truth, pieces) for truth in picture.truths]


def _figure(key: str, title: str, rule: str, protocol: str) -> Figure:
    return Figure(key, title, rule, protocol, labels=Protocol.REGIONS.labels_used)
