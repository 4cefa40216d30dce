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

_REACH = 2 * _RADIUS + 1
"""Cells by which an outline can move: two boxes, and one to interpolate with."""

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
        found = masks.clone()
        for mask in found:
            if mask.any():
                rows, cols = (self._reached(mask, axis) for axis in (0, 1))
                mask[self._pixels(rows), self._pixels(cols)] = self._followed(mask, rows, cols)
        return found

    def _followed(self, mask: Tensor, rows: slice, cols: slice) -> Tensor:
        """Return what becomes of a mask (H, W) in cells outside of which it is empty."""
        image = self.picture[:, self._pixels(rows), self._pixels(cols)]
        part = mask[self._pixels(rows), self._pixels(cols)].float()
        beyond = (0, image.shape[2] - part.shape[1], 0, image.shape[1] - part.shape[0])
        cells = cell_means(functional.pad(part, beyond)[None], self.stride)
        slope, offset = self.model.crop(rows, cols).explain(cells)
        maps = torch.cat([slope, offset[:, None]], 1)
        *slopes, fine = functional.interpolate(maps, image.shape[1:], mode="bilinear")[0]
        for band, along in zip(image, slopes, strict=True):
            fine.addcmul_(along, band)
        followed: Tensor = fine[: part.shape[0], : part.shape[1]] > 0.5
        return followed

    def _reached(self, mask: Tensor, axis: int) -> slice:
        """Return the rows or columns of cells that the outline of a mask (H, W) may get to."""
        filled = mask.any(1 - axis).nonzero()
        low, high = int(filled[0]) // self.stride, int(filled[-1]) // self.stride + 1
        most = self.picture.shape[axis + 1] // self.stride
        return slice(max(0, low - _REACH), min(most, high + _REACH))

    def _pixels(self, cells: slice) -> slice:
        return slice(cells.start * self.stride, cells.stop * self.stride)
