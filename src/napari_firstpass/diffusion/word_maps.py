"""Where in a picture Stable Diffusion looks at which word: category-enhanced cross-attention.

The part of iSeg (arXiv 2409.03209) that reads. The vectors of the names are made longer before the
network reads them (`AttentionConfig.stress`). Of its maps, the mean over
heads counts; each token's map is made to sum to 1, and two resolutions are added.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch.nn import functional

from napari_firstpass.errors import OptionError
from napari_firstpass.kl_merging import symmetric_kl

if TYPE_CHECKING:
    from collections.abc import Sequence

    from torch import Tensor

    from napari_firstpass.diffusion.attention import Attentions

_FLOOR = 1e-5
"""Added to all values before their logarithms are compared; that of the method."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MapLevel:
    """What counts of a resolution.

    Attributes
    ----------
    factor : int
        Cells of the latent image for each cell, along a side.
    share : float
        How much it counts.
    heads : tuple of int
        The heads that count, numbered through all its layers in the order in which they are
        computed; all where empty.
    """

    factor: int
    share: float
    heads: tuple[int, ...] = ()


LEVELS = (MapLevel(factor=4, share=0.7), MapLevel(factor=2, share=0.3))
"""As published: 16 x 16 and 32 x 32 cells of 64 x 64, and all heads."""


def token_maps(found: Attentions, levels: Sequence[MapLevel] = LEVELS) -> Tensor:
    """Return how much each cell of the latent image looks at each token.

    Parameters
    ----------
    found : Attentions
        With cross-attention of the levels, heads apart.
    levels : sequence of MapLevel
        What counts.

    Returns
    -------
    (h · w, T) float32 tensor
        Of T tokens, at least 0. At each level, each token's map sums to 1 over the level's own
        cells; it is then interpolated.

    Raises
    ------
    OptionError
        If a level has fewer heads than are named.
    """
    height, width = found.latent
    total = torch.zeros(())
    for level in levels:
        mean = _mean_of_heads(found, level)
        shares = mean / mean.sum(0).clamp_min(torch.finfo(mean.dtype).tiny)
        cells = (height // level.factor, width // level.factor)
        fine = functional.interpolate(
            shares.T.reshape(1, -1, *cells), (height, width), mode="bilinear", align_corners=False
        )
        total = total.to(fine) + level.share * fine[0]
    return total.flatten(1).T


def _mean_of_heads(found: Attentions, level: MapLevel) -> Tensor:
    """Return the mean over heads (N, T) of the layers of a level."""
    layers = found.where("cross", level.factor)
    heads = torch.cat([layer.weights.float().flatten(0, -3) for layer in layers])
    if max(level.heads, default=0) >= len(heads):
        raise OptionError(
            expected=f"a network with more than {max(level.heads)} heads at 1/{level.factor} of "
            "the latent image",
            found=f"{len(heads)} heads",
            remedy="choose a preset that takes all heads, or the network that the list was made "
            "for, sd-2-1-base",
        )
    return (heads[list(level.heads)] if level.heads else heads).mean(0)


def smoothed(vectors: Tensor, grid: tuple[int, int], *, side: int = 6, rounds: int = 10) -> Tensor:
    """Replace each cell's vector by the mean of those that say nearly the same: k-means with KL.

    Parameters
    ----------
    vectors : (h · w, T) float32 tensor
        Of cells, at least 0.
    grid : (int, int)
        h and w.
    side : int
        Cells along each axis that means begin from: 36 of 64 x 64, in rows and columns 0, 11, … 55.
    rounds : int
        How often cells are given to the nearest mean, and means are taken anew; means that no cell
        is nearest to vanish.

    Returns
    -------
    (h · w, T) float32 tensor
        Constant in each group, with the group's mean as before.
    """
    rows, cols = (torch.arange(0, length, -(-length // side)) for length in grid)
    means = vectors[(rows[:, None] * grid[1] + cols).flatten().to(vectors.device)]
    nearest = torch.zeros(len(vectors), dtype=torch.int64)
    for _ in range(rounds):
        nearest = symmetric_kl(means + _FLOOR, vectors + _FLOOR).argmin(0)
        groups = functional.one_hot(nearest, len(means)).to(vectors)
        there = groups.sum(0) > 0
        nearest = (there.cumsum(0) - 1)[nearest]
        means = (groups.T @ vectors)[there] / groups.sum(0)[there, None]
    return means[nearest] if rounds else vectors


def name_maps(maps: Tensor, tokens: Sequence[Sequence[int]], grid: tuple[int, int]) -> Tensor:
    """Return where each name is looked at: the mean over its tokens.

    Parameters
    ----------
    maps : (h · w, T) float32 tensor
        See `token_maps`.
    tokens : sequence of sequence of int
        Of each name.
    grid : (int, int)
        h and w.

    Returns
    -------
    (C, h, w) float32 tensor
        Of C names.
    """
    return torch.stack([maps[:, list(own)].mean(1) for own in tokens]).view(-1, *grid)
