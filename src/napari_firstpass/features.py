"""Feature vectors on a coarser grid than the image they describe."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from napari_firstpass.errors import GridMismatchError

if TYPE_CHECKING:
    from torch import Tensor

    from napari_firstpass.grid import Grid


@dataclass(frozen=True, slots=True)
class FeatureMap:
    """What a backbone makes of a window.

    Attributes
    ----------
    vectors : (D, h, w) float32 tensor
        One vector for each cell of ``grid``; finite everywhere.
    valid : (h, w) bool tensor
        False for cells in which no pixel of the image holds data.
    grid : Grid
        The image's grid coarsened by ``stride``.
    stride : int
        Image pixels per cell, along each axis.
    groups : tuple of int, optional
        Sizes of groups of neighbouring channels, D together, that should count alike however many
        channels each has, as three colours beside many textures. By default, one group.
    """

    vectors: Tensor
    valid: Tensor
    grid: Grid
    stride: int
    groups: tuple[int, ...] = ()

    def __post_init__(self) -> None:
        if tuple(self.vectors.shape[1:]) != self.grid.shape or self.valid.shape != self.grid.shape:
            raise GridMismatchError(
                expected=f"features of {self.grid.height} x {self.grid.width} cells",
                found=f"{tuple(self.vectors.shape)} and valid {tuple(self.valid.shape)}",
                remedy="a backbone must return one vector for each stride x stride block",
            )
        if self.groups and sum(self.groups) != len(self.vectors):
            raise GridMismatchError(
                expected=f"groups of {len(self.vectors)} channels together",
                found=f"{self.groups}",
                remedy="a backbone must count every channel in one group",
            )
