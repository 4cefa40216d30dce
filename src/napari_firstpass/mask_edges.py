"""Outlines of masks that follow the edges of the image: the guided filter, for masks.

Unlike `sharpening`, which chooses between classes, each mask is decided by itself.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch.nn import functional

from napari_firstpass.cells import cell_means
from napari_firstpass.local_linear import LocalLinear

if TYPE_CHECKING:
    from torch import Tensor

_RADIUS, _SMOOTHNESS = 2, 1e-3
"""Reach of the averaging boxes in cells, and variance below which the image counts as flat."""

_STRIDES = ((10, 4), (5, 2), (0, 1))
"""How coarse the filter is fitted, by how far outlines may be off: from so many pixels on."""


@dataclass(frozen=True, slots=True)
class MaskEdges:
    """Colours of an image, measured once for all its masks.

    Attributes
    ----------
    picture : (3, H, W) float tensor
        In [0, 1]; H and W are multiples of ``stride``.
    model : LocalLinear
        Its local statistics.
    stride : int
        Pixels of a cell, along each axis.
    """

    picture: Tensor
    model: LocalLinear
    stride: int

    @classmethod
    def of(cls, picture: Tensor, off: float) -> MaskEdges:
        """Measure a picture (3, H, W) in [0, 1] for outlines that may be ``off`` by some pixels."""
        stride = next(stride for least, stride in _STRIDES if off >= least)
        beyond = (0, -picture.shape[2] % stride, 0, -picture.shape[1] % stride)
        whole = functional.pad(picture[None], beyond, mode="replicate")[0]
        model = LocalLinear.of(whole, stride, radius=_RADIUS, smoothness=_SMOOTHNESS)
        return cls(whole, model, stride)

    @torch.no_grad()
    def follow(self, masks: Tensor) -> Tensor:
        """Return masks (N, H, W), bool, with outlines at edges of the image nearby."""
        height, width = masks.shape[1:]
        grown = functional.pad(
            masks.float(),
            (0, self.picture.shape[2] - width, 0, self.picture.shape[1] - height),
        )
        cells = cell_means(grown, self.stride)
        rows, cols = self._around(cells)
        if rows.stop == rows.start:
            return masks.clone()
        slope, offset = self.model.explain(cells)
        maps = torch.cat([slope, offset[:, None]], 1)[:, :, rows, cols]
        fine = [slice(part.start * self.stride, part.stop * self.stride) for part in (rows, cols)]
        image = self.picture[:, fine[0], fine[1]]
        found = torch.zeros(grown.shape, dtype=torch.bool)
        for one, whole in zip(maps, found, strict=True):
            between = functional.interpolate(one[None], image.shape[1:], mode="bilinear")[0]
            whole[fine[0], fine[1]] = (between[:3] * image).sum(0) + between[3] > 0.5
        return found[:, :height, :width]

    def _around(self, cells: Tensor) -> tuple[slice, slice]:
        """Return the rows and columns of cells (N, h, w) that an outline may get to."""
        spans = []
        for axis in (1, 2):
            filled = cells.amax((0, 3 - axis)).nonzero()
            low, high = (int(filled[0]), int(filled[-1]) + 1) if len(filled) else (0, 0)
            reach = 2 * _RADIUS + 1 if len(filled) else 0
            spans.append(slice(max(0, low - reach), min(cells.shape[axis], high + reach)))
        return spans[0], spans[1]
