"""Edges that follow the image: the guided filter, from coarse scores to full-resolution labels.

He, Sun and Tang, "Guided image filtering", TPAMI 2013, section 3 (colour guides), in the
subsampled form of He and Sun, "Fast guided filter" (arXiv 1505.00996): the linear model that
explains scores by the image is fitted on the coarse grid and applied on the fine one. Unlike there,
the moments of the image are taken at full resolution and only then averaged over cells, so the
result equals the full filter for scores that are constant within a cell.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import Tensor
from torch.nn import functional

from napari_firstpass.progress import Progress, Steps

if TYPE_CHECKING:
    from collections.abc import Iterator

_CLASSES_AT_ONCE = 2
"""Full-resolution scores in memory at a time."""


@dataclass(frozen=True, slots=True, kw_only=True)
class GuidedFilterConfig:
    """How closely labels follow the image.

    Attributes
    ----------
    radius : int
        Reach of the averaging boxes, in cells.
    smoothness : float
        ε of the paper, for a guide in [0, 1]: variance below which the image counts as flat.
    """

    radius: int = 2
    smoothness: float = 1e-3


@dataclass(frozen=True, slots=True)
class SharpLabels:
    """Labels at full resolution.

    Attributes
    ----------
    winner : (H, W) int64 tensor
        Index of the best class, from 0.
    margin : (H, W) float tensor
        Its lead over the second best, in [0, 1].
    """

    winner: Tensor
    margin: Tensor


def sharpen(
    scores: Tensor, guide: Tensor, stride: int, config: GuidedFilterConfig
) -> Steps[SharpLabels]:
    """Choose a class for every pixel, with borders where the image has them.

    Parameters
    ----------
    scores : (K, h, w) float tensor
        Class probabilities of cells.
    guide : (G, H, W) float tensor
        The image in [0, 1]; H ≤ h · stride, and likewise W. Few bands: the effort grows with G².
    stride : int
        Pixels per cell.
    config : GuidedFilterConfig
        Reach and smoothness.
    """
    height, width = guide.shape[1:]
    pad = (0, scores.shape[2] * stride - width, 0, scores.shape[1] * stride - height)
    padded = functional.pad(guide[None], pad, mode="replicate")[0]
    model = _LinearModel.of(padded, stride, config)
    yield Progress(0, 1, "sharpening edges")
    best = torch.full((height, width), -torch.inf, device=guide.device)
    second, winner = best.clone(), torch.zeros_like(best, dtype=torch.int64)
    for first, fine in _fine_scores(model, scores, padded):
        for index, score in enumerate(fine[:, :height, :width], start=first):
            ahead = score > best
            second = torch.where(ahead, best, torch.maximum(second, score))
            best = torch.where(ahead, score, best)
            winner.masked_fill_(ahead, index)
        yield Progress(first, len(scores), "sharpening edges")
    margin = (best.clamp(0, 1) - second.clamp(0, 1)).clamp(0, 1)
    return SharpLabels(winner, margin)


def _fine_scores(
    model: _LinearModel, scores: Tensor, guide: Tensor
) -> Iterator[tuple[int, Tensor]]:
    """Yield (index of the first, (k, H, W) filtered scores) for a few classes at a time."""
    for first in range(0, len(scores), _CLASSES_AT_ONCE):
        slope, offset = model.explain(scores[first : first + _CLASSES_AT_ONCE])
        maps = torch.cat([slope.flatten(0, 1), offset])
        fine = functional.interpolate(maps[None], size=guide.shape[1:], mode="bilinear")[0]
        count = len(offset)
        result = fine[count * len(guide) :]
        for band, image in enumerate(guide):
            result.addcmul_(fine[band : count * len(guide) : len(guide)], image)
        yield first, result


@dataclass(frozen=True, slots=True)
class _LinearModel:
    """Local statistics of the guide, on the coarse grid."""

    cells: Tensor
    mean: Tensor
    inverse: Tensor
    radius: int

    @classmethod
    def of(cls, guide: Tensor, stride: int, config: GuidedFilterConfig) -> _LinearModel:
        """Measure ``guide`` (G, H, W), whose sides are multiples of ``stride``."""
        cells = functional.avg_pool2d(guide, stride)
        mean = _box(cells, config.radius)
        count = len(guide)
        products = torch.stack(
            [functional.avg_pool2d((a * b)[None], stride)[0] for a in guide for b in guide]
        )
        second = _box(products, config.radius).reshape(count, count, *mean.shape[1:])
        covariance = (second - mean[:, None] * mean[None]).permute(2, 3, 0, 1)
        ridge = config.smoothness * torch.eye(count).to(guide)
        return cls(cells, mean, torch.linalg.inv(covariance + ridge), config.radius)

    def fit(self, scores: Tensor) -> tuple[Tensor, Tensor]:
        """Explain scores (k, h, w) by the guide: slope (k, G, h, w) and offset (k, h, w)."""
        average = _box(scores, self.radius)
        joint = torch.stack([_box(scores * band, self.radius) for band in self.cells], dim=1)
        covariance = joint - average[:, None] * self.mean
        slope = torch.einsum("hwab,kbhw->kahw", self.inverse, covariance)
        return slope, average - (slope * self.mean).sum(1)

    def explain(self, scores: Tensor) -> tuple[Tensor, Tensor]:
        """Return slope and offset averaged over all boxes that hold a cell."""
        slope, offset = self.fit(scores)
        return _box(slope.flatten(0, 1), self.radius).view_as(slope), _box(offset, self.radius)


def _box(maps: Tensor, radius: int) -> Tensor:
    """Average (c, h, w) over squares of 2 · radius + 1 cells; at borders over what is inside."""
    ones = torch.ones_like(maps[:1])
    return _box_sum(maps, radius) / _box_sum(ones, radius)


def _box_sum(maps: Tensor, radius: int) -> Tensor:
    # Adding shifted copies is five times as fast as pooling with stride 1.
    height, width = maps.shape[1:]
    rows = functional.pad(maps, (0, 0, radius, radius))
    total = _sum_of(rows[:, i : i + height] for i in range(2 * radius + 1))
    cols = functional.pad(total, (radius, radius))
    return _sum_of(cols[:, :, i : i + width] for i in range(2 * radius + 1))


def _sum_of(parts: Iterator[Tensor]) -> Tensor:
    """Add tensors up in one new tensor."""
    total = next(parts).clone()
    for part in parts:
        total += part
    return total
