"""Pictures and guides on the grid of a network: averaged over cells, weighted, several at once."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch.nn import functional

from napari_firstpass.local_linear import Boxes
from napari_firstpass.refinement import LabelGuide, View

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from torch import Tensor

_PART = 256
"""Pixels, along each axis, of the parts of a large picture that are sampled alike."""

NOTHING = -1
"""Target of a cell of which the guide says nothing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class GuideWeights:
    """How much a guide counts where.

    Attributes
    ----------
    confidence : bool
        Whether it counts as much as it is sure; else alike.
    reach : int
        Cells around a cell whose labels are looked at; 0 to look at none.
    least : float
        Weight where half of them or fewer are of the cell's own class, in [0, 1]: at borders, where
        the image is to decide. It grows to 1 where all are.
    """

    confidence: bool = False
    reach: int = 0
    least: float = 1.0


EVEN = GuideWeights()
"""A guide counts alike wherever it says something."""


def sampled(views: Sequence[View], pixels: float) -> list[View]:
    """Return views, cut into pieces spread evenly over them if they have more than ``pixels``."""
    share = (pixels / sum(view.valid.numel() for view in views)) ** 0.5
    return list(views) if share >= 1 else [piece for view in views for piece in _cut(view, share)]


def _cut(view: View, share: float) -> Iterator[View]:
    """Yield the middle of each part of a view, a share of its rows and of its columns."""
    spans = [_middles(side, share) for side in view.valid.shape]
    for rows in spans[0]:
        for cols in spans[1]:
            here = (rows, cols)
            labels, confidence = view.guide.labels[here], view.guide.confidence[here]
            guide = LabelGuide(labels, confidence, view.guide.classes)
            yield View(view.picture[:, rows, cols], view.valid[here], guide)


def _middles(side: int, share: float) -> list[slice]:
    parts = -(-side // _PART)
    height = max(1, int(side / parts * share))
    starts = [(2 * part + 1) * side // (2 * parts) - height // 2 for part in range(parts)]
    return [slice(start, start + height) for start in starts]


def class_ids(views: Sequence[View]) -> tuple[int, ...]:
    """Return the classes that guides hold, in rising order."""
    found = torch.unique(torch.cat([torch.unique(view.said) for view in views]))
    return tuple(int(value) for value in found if value > 0)


@dataclass(frozen=True, slots=True)
class Batch:
    """What a network is trained on at one scale.

    Attributes
    ----------
    pictures : (N, 3, h, w) float32 tensor
        Means over the pixels of a cell that hold data.
    mask : (N, 1, h, w) float32 tensor or None
        1 for cells that hold data; None if all do.
    targets : (N, h, w) int64 tensor
        Index of the class that most labelled pixels of a cell have; -1 where none is labelled.
    weight : (N, h, w) float32 tensor
        How much the guide counts, in [0, 1].
    """

    pictures: Tensor
    mask: Tensor | None
    targets: Tensor
    weight: Tensor

    @classmethod
    def of(
        cls, views: Sequence[View], ids: Sequence[int], shrink: int, weights: GuideWeights
    ) -> Batch:
        """Bring views to cells of ``shrink`` × ``shrink`` pixels, and to the largest one's size."""
        cells = [_Cells.of(view, ids, shrink, weights) for view in views]
        height = max(one.mask.shape[0] for one in cells)
        width = max(one.mask.shape[1] for one in cells)
        grown = [one.padded(height, width) for one in cells]
        mask = torch.stack([one.mask for one in grown])[:, None]
        pictures = torch.stack([one.picture for one in grown])
        return cls(
            pictures.contiguous(memory_format=torch.channels_last),
            None if bool(mask.all()) else mask,
            torch.stack([one.targets for one in grown]),
            torch.stack([one.weight for one in grown]),
        )

    def labels(self, responses: Tensor) -> Tensor:
        """Return the strongest channel (N, h, w) of each cell, -1 where there are no data."""
        strongest = responses.detach().argmax(1)
        return strongest if self.mask is None else strongest.where(self.mask[:, 0] > 0, NOTHING)


@dataclass(frozen=True, slots=True)
class _Cells:
    """A view on its cells, alone."""

    picture: Tensor
    mask: Tensor
    targets: Tensor
    weight: Tensor

    @classmethod
    def of(cls, view: View, ids: Sequence[int], shrink: int, weights: GuideWeights) -> _Cells:
        picture, mask = picture_cells(view, shrink)
        counts = _counts(view.said, ids, shrink, picture.shape[1:])
        said, targets = counts.max(0)
        targets = targets.masked_fill(said == 0, NOTHING)
        weight = _depth(targets, len(ids), weights).to(picture)
        if weights.confidence:
            weight = weight * _mean_confidence(view, shrink)
        return cls(picture, mask, targets, weight)

    def padded(self, height: int, width: int) -> _Cells:
        """Add cells without data below and to the right."""
        pad = (0, width - self.mask.shape[1], 0, height - self.mask.shape[0])
        return _Cells(
            functional.pad(self.picture, pad, mode="replicate"),
            functional.pad(self.mask, pad),
            functional.pad(self.targets, pad, value=NOTHING),
            functional.pad(self.weight, pad),
        )


def picture_cells(view: View, shrink: int) -> tuple[Tensor, Tensor]:
    """Return the picture (3, h, w) of a view by cells, and 1 for those (h, w) that hold data."""
    held = pooled(view.valid[None].to(view.picture), shrink)
    picture = pooled(view.picture * view.valid, shrink) / held.clamp_min(1e-6)
    # A cell without data shows what its pixels were filled with, so that no edge is made up.
    filled = pooled(view.picture, shrink, replicate=True)
    return picture.where(held > 0, filled), (held[0] > 0).to(picture)


def pooled(maps: Tensor, shrink: int, *, replicate: bool = False) -> Tensor:
    """Return means (c, h, w) over cells of maps (c, H, W); beyond them is 0, or their border."""
    if shrink == 1:
        return maps
    height, width = maps.shape[1:]
    pad = (0, -width % shrink, 0, -height % shrink)
    grown = functional.pad(maps[None], pad, mode="replicate" if replicate else "constant")
    return functional.avg_pool2d(grown, shrink)[0]


def _counts(labels: Tensor, ids: Sequence[int], shrink: int, shape: Sequence[int]) -> Tensor:
    """Count the pixels (G, h, w) of each class in each cell."""
    height, width = shape
    known = torch.tensor(ids, device=labels.device, dtype=labels.dtype)
    index = torch.searchsorted(known, labels).clamp_max(len(ids) - 1)
    rows, cols = (known[index] == labels).nonzero(as_tuple=True)
    cells = (rows // shrink) * width + cols // shrink
    keys = index[rows, cols] * (height * width) + cells
    return torch.bincount(keys, minlength=len(ids) * height * width).reshape(-1, height, width)


def _depth(targets: Tensor, classes: int, weights: GuideWeights) -> Tensor:
    """Return the weight (h, w) of cells by how many of their neighbours are of the same class."""
    said = targets >= 0
    if weights.reach == 0:
        return said.float()
    boxes = Boxes.over(said.float(), weights.reach)
    around = boxes.means(said[None].float())[0].clamp_min(1e-6)
    own = torch.zeros_like(around)
    for index in range(classes):
        here = targets == index
        own = torch.where(here, boxes.means(here[None].float())[0] / around, own)
    inside = (2 * own - 1).clamp(0, 1)
    return (weights.least + (1 - weights.least) * inside) * said


def prior(view: View, ids: Sequence[int], shrink: int, reach: int, least: float) -> Tensor:
    """Return how likely (G, h, w) classes are by what a guide says of a cell and those around it.

    Parameters
    ----------
    view : View
        The guide.
    ids : sequence of int
        Its classes, in rising order.
    shrink : int
        Pixels of a cell.
    reach : int
        Cells around a cell whose labels count.
    least : float
        Of a class that none of them has, above 0. All are equally likely where there is no label.
    """
    height, width = (-(-side // shrink) for side in view.valid.shape)
    counts = _counts(view.said, ids, shrink, (height, width)).to(view.picture)
    boxes = Boxes.over(counts, reach)
    shares = boxes.means(counts)
    total = shares.sum(0)
    even = torch.full_like(total, 1 / len(ids))
    sure = torch.where(total > 0, boxes.means(_mean_confidence(view, shrink)[None])[0], 0)
    return ((shares / total.clamp_min(1e-6)) * sure + even * (1 - sure)).clamp_min(least)


def _mean_confidence(view: View, shrink: int) -> Tensor:
    """Return how sure a guide is (h, w), on average over the labelled pixels of a cell."""
    said = (view.said > 0).to(view.picture)[None]
    sure = pooled(view.guide.confidence.to(said) * said, shrink)
    return (sure / pooled(said, shrink).clamp_min(1e-6))[0]
