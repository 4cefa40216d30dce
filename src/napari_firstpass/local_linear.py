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

if TYPE_CHECKING:
    from collections.abc import Iterator

    from torch import Tensor


@dataclass(frozen=True, slots=True)
class LocalLinear:
    """Local statistics of a guide, on a coarse grid.

    Attributes
    ----------
    cells : (G, h, w) float tensor
        The guide, averaged over cells.
    mean : (G, h, w) float tensor
        The same, averaged over boxes of cells.
    inverse : (h, w, G, G) float tensor
        Inverse covariance of the guide in these boxes.
    radius : int
        Reach of a box, in cells.
    """

    cells: Tensor
    mean: Tensor
    inverse: Tensor
    radius: int

    @classmethod
    def of(cls, guide: Tensor, stride: int, *, radius: int, smoothness: float) -> LocalLinear:
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
        cells = functional.avg_pool2d(guide, stride)
        mean = box(cells, radius)
        count = len(guide)
        products = torch.stack(
            [functional.avg_pool2d((a * b)[None], stride)[0] for a in guide for b in guide]
        )
        second = box(products, radius).reshape(count, count, *mean.shape[1:])
        covariance = (second - mean[:, None] * mean[None]).permute(2, 3, 0, 1)
        ridge = smoothness * torch.eye(count).to(guide)
        return cls(cells, mean, torch.linalg.inv(covariance + ridge), radius)

    def follow(self, maps: Tensor, guide: Tensor) -> Tensor:
        """Return maps (k, h, w) on the grid of a guide (G, H, W): (k, H, W).

        All k are held several times at this size; hand over a few at a time.
        """
        slope, offset = self.explain(maps)
        both = torch.cat([slope.flatten(0, 1), offset])
        fine = functional.interpolate(both[None], size=guide.shape[1:], mode="bilinear")[0]
        count = len(offset)
        result = fine[count * len(guide) :]
        for band, image in enumerate(guide):
            result.addcmul_(fine[band : count * len(guide) : len(guide)], image)
        return result

    def fit(self, maps: Tensor) -> tuple[Tensor, Tensor]:
        """Explain maps (k, h, w) by the guide: slope (k, G, h, w) and offset (k, h, w)."""
        average = box(maps, self.radius)
        joint = torch.stack([box(maps * band, self.radius) for band in self.cells], dim=1)
        covariance = joint - average[:, None] * self.mean
        slope = torch.einsum("hwab,kbhw->kahw", self.inverse, covariance)
        return slope, average - (slope * self.mean).sum(1)

    def explain(self, maps: Tensor) -> tuple[Tensor, Tensor]:
        """Return slope and offset averaged over all boxes that hold a cell."""
        slope, offset = self.fit(maps)
        return box(slope.flatten(0, 1), self.radius).view_as(slope), box(offset, self.radius)


def box(maps: Tensor, radius: int) -> Tensor:
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
