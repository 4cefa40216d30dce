"""Self-attention of several resolutions as one: for each cell, how much it has to do with each.

Step 1 of DiffSeg (arXiv 2308.12469). Of each resolution, the mean over layers and heads is taken.
A row of a coarse one is interpolated to the finest grid, made to sum to 1 again, and counts for all
fine cells under its coarse cell. Resolutions count by their number of cells along a side: 64, 32,
16 and 8 of 120.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from torch.nn import functional

from napari_firstpass.errors import GridMismatchError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from torch import Tensor

    from napari_firstpass.diffusion.attention import Attentions

_ROWS = 256
"""Rows interpolated at a time."""
_LEAST = 1e-20
"""Numbers near the smallest there are make products of matrices a hundred times as slow."""


def aggregated(levels: Iterable[tuple[int, Tensor]], grid: tuple[int, int]) -> Tensor:
    """Return the weighted mean of attention at several resolutions, on the finest grid.

    Parameters
    ----------
    levels : iterable of (int, (n, n) float tensor)
        Factor and rows of each resolution: n = (h / factor) · (w / factor) cells, rows that sum
        to 1. One at a time is looked at.
    grid : (int, int)
        h and w of the finest grid.

    Returns
    -------
    (h · w, h · w) float32 tensor
        Rows sum to 1. 64 MB for 64 x 64 cells, and some 12 MB more while it is computed.

    Raises
    ------
    GridMismatchError
        If rows do not fit the grid, or there are none.
    """
    total, parts = None, 0.0
    for factor, rows in levels:
        cells = (grid[0] // factor, grid[1] // factor)
        fits = cells[0] * factor == grid[0] and cells[1] * factor == grid[1]
        if not fits or tuple(rows.shape) != (cells[0] * cells[1],) * 2:
            raise _misfit(factor, grid, tuple(rows.shape))
        if total is None:
            total = rows.new_zeros(*grid, grid[0] * grid[1]).float()
        _add(total, rows.float(), cells, factor)
        parts += 1 / factor
    if total is None:
        raise _misfit(1, grid, ())
    return total.div_(parts).clamp_min_(_LEAST).flatten(0, 1)


def _add(total: Tensor, rows: Tensor, cells: tuple[int, int], factor: int) -> None:
    """Add rows of a resolution to those of the finest (h, w, h · w), as its share says."""
    height, width, places = total.shape
    blocks = total.view(cells[0], factor, cells[1], factor, places)
    step = max(1, _ROWS // cells[1])
    for first in range(0, cells[0], step):
        part = rows[first * cells[1] : (first + step) * cells[1]]
        fine = functional.interpolate(
            part.view(-1, 1, *cells), (height, width), mode="bilinear", align_corners=False
        ).flatten(1)
        fine = fine / (fine.sum(1, keepdim=True) * factor)
        blocks[first : first + step] += fine.view(-1, 1, cells[1], 1, places)


def _misfit(factor: int, grid: tuple[int, int], found: tuple[int, ...]) -> GridMismatchError:
    return GridMismatchError(
        expected=f"rows for the cells of {grid[0]} x {grid[1]}, {factor} by {factor} at once",
        found=f"shape {found}" if found else "none",
        remedy="give square tables of self-attention, and the grid of the latent image",
    )


def aggregated_attention(found: Attentions) -> Tensor:
    """Return the self-attention of a network at all resolutions that were kept, as one.

    Returns
    -------
    (h · w, h · w) float32 tensor
        Rows sum to 1; h and w are those of the latent image.

    Raises
    ------
    GridMismatchError
        If no self-attention was kept.
    """
    factors = sorted({layer.factor for layer in found.maps if layer.kind == "self"})
    return aggregated(((at, found.mean("self", at)) for at in factors), found.latent)
