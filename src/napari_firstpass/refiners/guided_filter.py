"""Edges that follow the image: the guided filter, from coarse scores to full-resolution labels.

The filter itself, and where it comes from, is in `local_linear`. The pipeline sharpens its scores
with it; `GuidedRefiner` does the same with labels that are there already.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import Tensor
from torch.nn import functional

from napari_firstpass.local_linear import LocalLinear
from napari_firstpass.progress import Progress, Steps
from napari_firstpass.refinement import DEFAULT_PRESET, Refinement, decided, preset_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from napari_firstpass.refinement import LabelGuide

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
    model = LocalLinear.of(padded, stride, radius=config.radius, smoothness=config.smoothness)
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


def _fine_scores(model: LocalLinear, scores: Tensor, guide: Tensor) -> Iterator[tuple[int, Tensor]]:
    """Yield (index of the first, (k, H, W) filtered scores) for a few classes at a time."""
    for first in range(0, len(scores), _CLASSES_AT_ONCE):
        yield first, model.follow(scores[first : first + _CLASSES_AT_ONCE], guide)


@dataclass(frozen=True, slots=True, kw_only=True)
class GuidedRefiner:
    """Filters the votes of labels for their classes; looks 4 · stride · radius pixels far at most.

    Attributes
    ----------
    stride : int
        Pixels of a cell, along each axis, on which the filter is fitted.
    config : GuidedFilterConfig
        Reach and smoothness.
    """

    stride: int
    config: GuidedFilterConfig

    def refine(self, picture: Tensor, valid: Tensor, guide: LabelGuide) -> Steps[Refinement]:
        """Return labels whose borders follow the image; see `Refiner`."""
        yield Progress(0, 10, "following edges")
        ids = guide.present
        cells = torch.cat([_on_cells(guide.votes(one[None]), self.stride) for one in ids])
        sharp = yield from sharpen(cells, picture, self.stride, self.config)
        return decided(ids[sharp.winner], sharp.margin, valid, guide)


def _on_cells(votes: Tensor, stride: int) -> Tensor:
    """Average (k, H, W) over cells; those that reach beyond the window over what is inside."""
    return functional.avg_pool2d(votes, stride, ceil_mode=True)


_PRESETS = {
    DEFAULT_PRESET: (2, GuidedFilterConfig(radius=2)),
    "wide": (2, GuidedFilterConfig(radius=4)),
}


def guided_refiner(*, preset: str, seed: int, device: torch.device) -> GuidedRefiner:
    """Return the refiner ``guided``; see `RefinerFactory`. It draws nothing, and goes anywhere."""
    del seed, device
    stride, config = preset_of("guided", _PRESETS, preset)
    return GuidedRefiner(stride=stride, config=config)
