"""From coarse scores to labels at full resolution, with borders where the image has edges.

The guided filter (`local_linear`): slopes and offsets of classes are interpolated between cells,
block by block, and only for the classes that are likely there.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from napari_firstpass.local_linear import LocalLinear
from napari_firstpass.progress import Progress, Span, Steps, relay

_CANDIDATES = 4
"""Classes that are compared in a pixel: the likeliest of the cells around it. To compare all of 24
takes twice as long, and one pixel in 10,000 gets another class."""

_CELLS_AT_ONCE = 83_000
"""Cells, each for one class, that are explained together: as a cache holds them."""

_PIXELS_AT_ONCE = 40_000
"""Pixels whose classes are compared together."""


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
    beyond = (0, scores.shape[2] * stride - width, 0, scores.shape[1] * stride - height)
    whole = _grown(guide, beyond)
    yield Progress(0, 10, "sharpening edges")
    measuring = LocalLinear.of_steps(
        whole, stride, radius=config.radius, smoothness=config.smoothness
    )
    model = yield from relay(measuring, Span(0, 1, 10), "sharpening edges")
    explained = yield from relay(_explained(model, scores), Span(1, 5, 10))
    between = _Between.of(stride)
    image = _grown(whole, between.beyond)
    shape = ((scores.shape[1] + 1) * stride, (scores.shape[2] + 1) * stride)
    winner = torch.empty(shape, dtype=torch.int64, device=guide.device)
    margin = torch.empty(shape, device=guide.device)
    blocks = max(1, _PIXELS_AT_ONCE // (shape[1] * stride))
    for top in range(0, scores.shape[1] + 1, blocks):
        yield Progress(shape[0] // stride + top, 2 * shape[0] // stride, "sharpening edges")
        rows = slice(top * stride, (top + blocks) * stride)
        winner[rows], margin[rows] = between.strip(explained, image[:, rows], top)
    first = between.first
    inside = slice(first, first + height), slice(first, first + width)
    return SharpLabels(winner[inside], margin[inside])


@dataclass(frozen=True, slots=True)
class _Explained:
    """What colours say of classes around each cell, with a rim of one cell on all sides.

    Attributes
    ----------
    linear : (G + 1, K, h + 2, w + 2) tensor
        Slopes for the bands of the guide, and an offset.
    candidates : (M, h + 1, w + 1) int64 tensor
        Classes that are likely in any of the four cells around a corner of cells, in ascending
        order.
    """

    linear: Tensor
    candidates: Tensor


def _explained(model: LocalLinear, scores: Tensor) -> Steps[_Explained]:
    """Explain scores (K, h, w) of cells by colours."""
    count, height, width = scores.shape
    linear = scores.new_empty((len(model.cells) + 1, count, height + 2, width + 2))
    likely = scores.new_empty((count, height + 1, width + 1))
    step = max(1, _CELLS_AT_ONCE // (height * width))
    for first in range(0, count, step):
        yield Progress(first, count, "sharpening edges")
        some = slice(first, min(first + step, count))
        slope, offset = model.explain(scores[some])
        parts = torch.cat([slope, offset[:, None]], dim=1).movedim(1, 0)
        linear[:, some] = functional.pad(parts, (1, 1, 1, 1), mode="replicate")
        near = _grown((slope * model.cells).sum(1) + offset, (1, 1, 1, 1))
        two = torch.maximum(near[:, 1:], near[:, :-1])
        likely[some] = torch.maximum(two[:, :, 1:], two[:, :, :-1])
    return _Explained(linear, likely.topk(min(_CANDIDATES, count), dim=0)[1].sort(0)[0])


@dataclass(frozen=True, slots=True)
class _Between:
    """Interpolation between the middles of four cells: a block of stride x stride pixels.

    Attributes
    ----------
    stride : int
        Pixels per cell.
    first : int
        Pixels of the first block that lie before the first pixel of the image.
    weights : (stride², 4) tensor
        What each pixel takes from the cells above left, above right, below left and below right.
    """

    stride: int
    first: int
    weights: Tensor

    @classmethod
    def of(cls, stride: int) -> _Between:
        first = stride - stride // 2
        # In an odd cell, a pixel lies in the very middle.
        way = (torch.arange(stride) + (0.5 if stride % 2 == 0 else 0.0)) / stride
        ends = torch.stack([1 - way, way])
        return cls(stride, first, torch.einsum("ay,bx->yxab", ends, ends).reshape(-1, 4))

    @property
    def beyond(self) -> tuple[int, int, int, int]:
        """How far the blocks around all cells reach beyond them: left, right, top and bottom."""
        return self.first, self.stride - self.first, self.first, self.stride - self.first

    def strip(self, explained: _Explained, image: Tensor, top: int) -> tuple[Tensor, Tensor]:
        """Return winner and margin of rows of blocks from ``top``, whose pixels are given."""
        chosen = explained.candidates[:, top : top + image.shape[1] // self.stride]
        count, tall, wide = chosen.shape
        scores = self._scores(explained.linear, image, chosen, top)
        winner, margin = _best(scores, chosen.reshape(count, -1))
        return self._laid_out(winner, tall, wide), self._laid_out(margin, tall, wide)

    def _scores(self, linear: Tensor, image: Tensor, chosen: Tensor, top: int) -> Tensor:
        """Return scores (stride², M, n) of the pixels of n blocks for their candidates."""
        bands, side = len(image), self.stride
        count, tall, wide = chosen.shape
        index = chosen.expand(bands + 1, -1, -1, -1)
        corners = [
            linear[:, :, top + row : top + row + tall, col : col + wide].gather(1, index)
            for row in (0, 1)
            for col in (0, 1)
        ]
        fine = self.weights.to(linear) @ torch.stack(corners).view(4, -1)
        fine = fine.view(side * side, bands + 1, count, tall * wide)
        pixels = image.reshape(bands, tall, side, wide, side).permute(2, 4, 0, 1, 3)
        pixels = pixels.reshape(side * side, bands, 1, tall * wide)
        scores = fine[:, bands]
        for band in range(bands):
            scores.addcmul_(fine[:, band], pixels[:, band])
        return scores

    def _laid_out(self, found: Tensor, tall: int, wide: int) -> Tensor:
        """Return (stride², n) pixels of blocks in their places."""
        side = self.stride
        blocks = found.view(side, side, tall, wide).permute(2, 0, 3, 1)
        return blocks.reshape(tall * side, wide * side)


def _best(scores: Tensor, classes: Tensor) -> tuple[Tensor, Tensor]:
    """Return the best class and its lead (p, n), of scores (p, M, n) for classes (M, n)."""
    best, winner = scores[:, 0], classes[0].expand(len(scores), -1)
    second = torch.full_like(best, -torch.inf)
    for score, index in zip(scores.unbind(1)[1:], classes[1:], strict=True):
        winner = torch.where(score > best, index, winner)
        second = torch.maximum(second, torch.minimum(best, score))
        best = torch.maximum(best, score)
    return winner, (best.clamp(0, 1) - second.clamp(0, 1)).clamp(0, 1)


def _grown(maps: Tensor, pad: tuple[int, int, int, int]) -> Tensor:
    """Continue (c, h, w) beyond its left, right, top and bottom."""
    return functional.pad(maps[None], pad, mode="replicate")[0]
