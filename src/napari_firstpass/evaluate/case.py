"""A pair of label files as the protocols see it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING

from napari_firstpass.errors import OptionError
from napari_firstpass.evaluation.overlap import Overlap
from napari_firstpass.evaluation.pieces import split
from napari_firstpass.evaluation.regions import RegionPair
from napari_firstpass.evaluation.statement import Protocol
from napari_firstpass.io.label_images import (
    on_same_grid,
    read_label_images,
    require_same_grid,
    resampled,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

    from napari_firstpass.evaluate.config import EvaluateConfig
    from napari_firstpass.evaluation.label_image import LabelImage
    from napari_firstpass.pairing import Pair


@dataclass(frozen=True)
class Case:
    """A pair of label files, with ids ignored and merged as asked for.

    What protocols share is computed once, and only if one of them wants it.

    Attributes
    ----------
    truths : tuple of LabelImage
        One for each annotator.
    pred : LabelImage
        As it is in the file.
    drawn : bool
        Whether the truths are regions that people drew, not classes.
    names : mapping of int to str
        Names of the truth's ids, as far as known.
    config : EvaluateConfig
        How to compare.
    """

    truths: tuple[LabelImage, ...]
    pred: LabelImage
    drawn: bool
    names: Mapping[int, str]
    config: EvaluateConfig

    @classmethod
    def read(cls, pair: Pair, config: EvaluateConfig) -> Case:
        """Read both files of a pair.

        Raises
        ------
        FirstPassError
            If one cannot be read, they do not fit each other, or ids are not in the table.
        """
        truth = read_label_images(pair.truth, ignore=config.ignore)
        pred = read_label_images(pair.pred)
        if len(pred.images) > 1:
            raise OptionError(
                expected="a prediction of one map",
                found=f"{len(pred.images)} in {pair.pred}",
                remedy="give it as --truth, if people drew it",
            )
        if config.resample and not on_same_grid(truth.grid, pred.grid):
            pred = resampled(pred, truth.grid)
        require_same_grid(truth, pred)
        truths, names = truth.images, truth.names
        if config.table:
            truths = tuple(config.table.of_truth(image) for image in truths)
            names = dict(enumerate(config.table.names))
        return cls(truths, pred.images[0], truth.drawn, names, config)

    @property
    def truth(self) -> LabelImage:
        """The truth, where there is one only.

        Raises
        ------
        OptionError
            If several people drew.
        """
        if len(self.truths) == 1:
            return self.truths[0]
        raise OptionError(
            expected="one truth of classes, for this protocol or an annotator",
            found=f"regions that {len(self.truths)} people drew",
            remedy=f"compare them with --protocol {Protocol.REGIONS} alone",
        )

    @cached_property
    def overlap(self) -> Overlap:
        """What classes and predicted ids share; raises as `truth` and `Overlap.of`."""
        return Overlap.of(self.truth, self.pred)

    @cached_property
    def named_pred(self) -> LabelImage:
        """The prediction with the ids of the truth's classes, where it is judged.

        Raises
        ------
        TaxonomyError
            If an id there is not in the table.
        """
        table = self.config.table
        if table is None:
            return self.pred
        judged = replace(self.pred, valid=self.pred.valid & self.truth.valid)
        return table.of_prediction(judged)

    @property
    def named_overlap(self) -> Overlap:
        """What classes and predicted classes share; raises as `overlap` and `named_pred`."""
        return (
            self.overlap if self.config.table is None else Overlap.of(self.truth, self.named_pred)
        )

    @cached_property
    def pieces(self) -> tuple[RegionPair, ...]:
        """Each truth's regions, and the connected pieces of the prediction."""
        return self._paired(split(self.pred))

    @cached_property
    def regions(self) -> tuple[RegionPair, ...]:
        """Each truth's regions, and those of the prediction as the options define them."""
        return self.pieces if self.config.regions == "pieces" else self._paired(self.pred)

    def _paired(self, pred: LabelImage) -> tuple[RegionPair, ...]:
        return tuple(RegionPair.of(truth, pred) for truth in self._true_regions)

    @cached_property
    def _true_regions(self) -> tuple[LabelImage, ...]:
        """Regions of the truth; what people drew stays as it is."""
        as_given = self.drawn or self.config.regions == "ids"
        return self.truths if as_given else tuple(split(truth) for truth in self.truths)
