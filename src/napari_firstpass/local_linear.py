"""Maps of coarse cells, explained by the colours of the image nearby: the guided filter.

He, Sun and Tang, "Guided image filtering", TPAMI 2013, section 3 (colour guides), in the
subsampled form of He and Sun, "Fast guided filter" (arXiv 1505.00996): the linear model that
explains a map by the image is fitted on the coarse grid and applied on the fine one. Unlike there,
the moments of the image are taken at full resolution and only then averaged over cells, so the
result equals the full filter for maps that are constant within a cell.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch.nn import functional

from napari_firstpass.cells import cell_means
from napari_firstpass.progress import Progress, run

if TYPE_CHECKING:
    from torch import Tensor

    from napari_firstpass.progress import Steps


_INVERTED = 2**16
"""Matrices that are inverted at once: some 50 ms of work."""


@dataclass(frozen=True, slots=True)
class Boxes:
    """Squares of cells around each cell of a grid; at its borders, what of them is inside.

    Attributes
    ----------
    radius : int
        Cells from the middle to the rim.
    share : (h, w) float tensor
        One divided by the number of cells in a square.
    """

    radius: int
    share: Tensor

    @classmethod
    def over(cls, maps: Tensor, radius: int) -> Boxes:
        """Return the squares on the grid of float maps (…, h, w)."""
        ones = maps.new_ones((1, *maps.shape[-2:]))
        return cls(radius, _box_sums(ones, radius)[0].reciprocal_())

    def means(self, maps: Tensor) -> Tensor:
        """Average maps (c, h, w) over the square around each cell."""
        return _box_sums(maps, self.radius).mul_(self.share)


@dataclass(frozen=True, slots=True)
class LocalLinear:
    """Local statistics of a guide, on a coarse grid.

    Attributes
    ----------
    cells : (G, h, w) float tensor
        The guide, averaged over cells.
    mean : (G, h, w) float tensor
        The same, averaged over boxes of cells.
    inverse : (G, G, h, w) float tensor
        Inverse covariance of the guide in these boxes.
    boxes : Boxes
        Squares of cells.
    """

    cells: Tensor
    mean: Tensor
    inverse: Tensor
    boxes: Boxes

    @classmethod
    def of(cls, guide: Tensor, stride: int, *, radius: int, smoothness: float) -> LocalLinear:
        """Do the work of `of_steps` at once."""
        return run(cls.of_steps(guide, stride, radius=radius, smoothness=smoothness))

    @classmethod
    def of_steps(
        cls, guide: Tensor, stride: int, *, radius: int, smoothness: float
    ) -> Steps[LocalLinear]:
        """Measure a guide.

        Parameters
        ----------
        guide : (G, H, W) float tensor
            In [0, 1]; H and W are multiples of ``stride``. Few bands: the effort grows with G².
        stride : int
            Rows and columns of a cell.
        radius : int
            Reach of the averaging boxes, in cells.
        smoothness : float
            ε of the paper: variance below which the guide counts as flat.
        """
        cells = cell_means(guide, stride)
        boxes = Boxes.over(cells, radius)
        mean = boxes.means(cells)
        count = len(guide)
        covariance = cells.new_empty((*cells.shape[1:], count, count))
        for one in range(count):
            for other in range(one, count):
                yield Progress(one, 2 * count)
                joint = boxes.means(cell_means(guide[one] * guide[other], stride)[None])[0]
                joint.addcmul_(mean[one], mean[other], value=-1)
                covariance[:, :, one, other] = covariance[:, :, other, one] = joint
        covariance.diagonal(dim1=2, dim2=3).add_(smoothness)
        inverse = cells.new_empty((count, count, *cells.shape[1:]))
        rows = max(1, _INVERTED // cells.shape[2])
        for top in range(0, cells.shape[1], rows):
            yield Progress(cells.shape[1] + top, 2 * cells.shape[1])
            part = slice(top, top + rows)
            inverse[:, :, part] = torch.linalg.inv(covariance[part]).permute(2, 3, 0, 1)
        return cls(cells, mean, inverse, boxes)

    def crop(self, rows: slice, cols: slice) -> LocalLinear:
        """Return the statistics of some cells; boxes reach beyond them, where maps count as 0."""
        cells, mean, inverse, share = (
            array[..., rows, cols]
            for array in (self.cells, self.mean, self.inverse, self.boxes.share)
        )
        return LocalLinear(cells, mean, inverse, Boxes(self.boxes.radius, share))

    def fit(self, maps: Tensor) -> tuple[Tensor, Tensor]:
        """Explain maps (k, h, w) by the guide: slope (k, G, h, w) and offset (k, h, w)."""
        offset = self.boxes.means(maps)
        joint = self.boxes.means((maps[:, None] * self.cells).flatten(0, 1))
        covariance = joint.view(-1, *self.cells.shape)
        covariance.addcmul_(offset[:, None], self.mean, value=-1)
        slope = torch.empty_like(covariance)
        for band, row in enumerate(self.inverse):
            torch.mul(covariance[:, 0], row[0], out=slope[:, band])
            for other in range(1, len(row)):
                slope[:, band].addcmul_(covariance[:, other], row[other])
            offset.addcmul_(slope[:, band], self.mean[band], value=-1)
        return slope, offset

    def explain(self, maps: Tensor) -> tuple[Tensor, Tensor]:
        """Return slope and offset averaged over all boxes that hold a cell.

        A map takes 2 · (G + 1) times its size while it is worked on: hand over few large ones.
        """
        slope, offset = self.fit(maps)
        return self.boxes.means(slope.flatten(0, 1)).view_as(slope), self.boxes.means(offset)


def _box_sums(maps: Tensor, radius: int) -> Tensor:
    """Add up (c, h, w) over squares of 2 · radius + 1 cells; what is beyond the border is 0."""
    side = 2 * radius + 1
    rows = _run_sums(functional.pad(maps, (0, 0, radius, radius)), 1, side)
    return _run_sums(functional.pad(rows, (radius, radius)), 2, side)


def _run_sums(maps: Tensor, axis: int, length: int) -> Tensor:
    """Add up each ``length`` (odd) neighbours along an axis, which gets shorter by length - 1.

    Runs are joined to runs twice as long: 3 additions for 5 neighbours, where torch's pooling with
    stride 1 takes ten times as long.
    """
    kept = maps.shape[axis] - length + 1
    total, covered = maps.narrow(axis, 0, kept).clone(), 1
    run, size = maps, 1
    while covered < length:
        inside = run.shape[axis] - size
        run, size = run.narrow(axis, 0, inside) + run.narrow(axis, size, inside), 2 * size
        if (length & size) != 0:
            total += run.narrow(axis, covered, kept)
            covered += size
    return total
