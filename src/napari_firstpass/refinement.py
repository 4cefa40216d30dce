"""Labels that are to be refined, and what becomes of them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

import torch

from napari_firstpass.errors import GridMismatchError, TaxonomyError, UnknownNameError
from napari_firstpass.taxonomy import UNLABELLED

if TYPE_CHECKING:
    from collections.abc import Mapping

    from torch import Tensor

T = TypeVar("T")

LEAST_SURE, MOST_SURE = 0.05, 0.9
"""Confidence that a label is taken to have at least and at most: one that nobody is sure of still
says something, and none is beyond doubt, for its border may be a few pixels off."""

_ENOUGH = 0.1
"""Lead of the best class from which on a pixel without a label is given it."""


@dataclass(frozen=True, slots=True)
class LabelGuide:
    """Labels that are to be refined.

    Attributes
    ----------
    labels : (H, W) int64 tensor
        Class ids from 1; 0 says nothing (nodata or unlabelled).
    confidence : (H, W) float tensor
        In [0, 1]; all 1 where nobody knows.
    classes : int
        Highest id there can be (the taxonomy's), at least that of ``labels``.
    """

    labels: Tensor
    confidence: Tensor
    classes: int

    def __post_init__(self) -> None:
        if self.labels.shape != self.confidence.shape or self.labels.ndim != 2:
            raise GridMismatchError(
                expected="labels and confidence of one shape (H, W)",
                found=f"{tuple(self.labels.shape)} and {tuple(self.confidence.shape)}",
                remedy="pass both of the same window",
            )
        low, high = (int(value) for value in self.labels.aminmax())
        if low < 0 or high > self.classes:
            raise TaxonomyError(
                expected=f"labels in [0, {self.classes}]",
                found=f"{low} to {high}",
                remedy="add the classes or relabel the pixels",
            )

    @property
    def present(self) -> Tensor:
        """Ids (G,) that occur, ascending, without 0."""
        counts = self.labels.flatten().bincount(minlength=1)
        counts[UNLABELLED] = 0
        return counts.nonzero()[:, 0]

    @property
    def weight(self) -> Tensor:
        """How much the label of a pixel counts (H, W): its confidence within limits, 0 without."""
        sure = self.confidence.float().clamp(LEAST_SURE, MOST_SURE)
        return sure * (self.labels != UNLABELLED)

    def votes(self, ids: Tensor) -> Tensor:
        """Return (G, H, W): `weight` in the map of a pixel's own class, 0 in all others."""
        return (self.labels == ids[:, None, None]) * self.weight

    def probabilities(self, ids: Tensor) -> Tensor:
        """Return class probabilities (G, H, W) of the classes ``ids``.

        Confidence is the lead of the best class over the second. If that is all that is known, the
        others share evenly what is left: of K classes, a label of confidence c has the probability
        c + (1 − c) / K, and each other class (1 − c) / K. Without a label, c is 0. Over all K
        classes they sum to 1, so that they do not depend on which of them occur in a window.
        """
        return self.votes(ids) + (1 - self.weight) / max(self.classes, 1)


@dataclass(frozen=True, slots=True)
class View:
    """A picture with what is known of it.

    Attributes
    ----------
    picture : (3, H, W) float32 tensor
        In [0, 1].
    valid : (H, W) bool tensor
        Where it holds data.
    guide : LabelGuide
        Labels of its grid.
    """

    picture: Tensor
    valid: Tensor
    guide: LabelGuide

    @property
    def said(self) -> Tensor:
        """The guide's labels (H, W), 0 where there are no data."""
        return self.guide.labels * self.valid


@dataclass(frozen=True, slots=True)
class Refinement:
    """Labels that were refined.

    Attributes
    ----------
    labels : (H, W) int64 tensor
        Of the classes of the guide; 0 without data, or where nothing is known.
    confidence : (H, W) float tensor
        In [0, 1]; 0 where the label is 0.
    """

    labels: Tensor
    confidence: Tensor


def decided(winner: Tensor, lead: Tensor, valid: Tensor, guide: LabelGuide) -> Refinement:
    """Return what a refiner came to, where it may say something.

    Pixels without data get no label. Those without a label keep having none where no class leads
    by a tenth: nothing in reach says what they are.

    Parameters
    ----------
    winner : (H, W) int64 tensor
        Id of the best class.
    lead : (H, W) float tensor
        Its lead over the second best, in [0, 1].
    valid : (H, W) bool tensor
        Where there is data.
    guide : LabelGuide
        What was refined.
    """
    kept = valid & ((guide.labels != UNLABELLED) | (lead >= _ENOUGH))
    return Refinement(winner.masked_fill(~kept, UNLABELLED), lead.masked_fill(~kept, 0.0))


def preset_of(refiner: str, presets: Mapping[str, T], name: str) -> T:
    """Return the settings of a preset.

    Raises
    ------
    UnknownNameError
        If the refiner has none of this name; lists those that it has.
    """
    if name not in presets:
        raise UnknownNameError.of(f"preset of {refiner}", name, presets)
    return presets[name]


def lead_of(scores: Tensor) -> tuple[Tensor, Tensor]:
    """Return of scores (G, …) the index of the best and its lead over the second; one leads 0."""
    both = scores if len(scores) > 1 else torch.cat([scores, torch.zeros_like(scores)])
    best = torch.topk(both, 2, dim=0)
    return best.indices[0], best.values[0] - best.values[1]
