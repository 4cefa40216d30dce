"""How alike the cells of an image are to a backbone: an affinity like that of self-attention."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch.nn import functional

from napari_firstpass.feature_scaling import FeatureScaler

if TYPE_CHECKING:
    from torch import Tensor

    from napari_firstpass.features import FeatureMap

SIDE = 64
"""Cells along the longer side of the image at most, as where iSeg looks at Stable Diffusion."""

_SIGMA = 0.35
"""How far apart vectors, of which the mean square is 1, may be and still be alike."""

_REACH = 0.35
"""How far apart cells may lie, in parts of the image's longer side, and still have to do with each
other. Attention looks at places too."""


def unit_looks(features: FeatureMap) -> Tensor:
    """Return decorrelated vectors (E, h, w) of mean square 1, or 0 if all are alike."""
    scaled = FeatureScaler.of([features]).apply(features.vectors)
    size = scaled.square().sum(0).mean().sqrt()
    # Rounding alone makes small differences, which must not be blown up.
    return scaled / size if float(size) > 1e-3 else torch.zeros_like(scaled)


def self_similarity(looks: Tensor) -> tuple[Tensor, tuple[int, int]]:
    """Return the affinity of each cell with each, and the grid that it is on.

    Parameters
    ----------
    looks : (E, h, w) float tensor
        As `unit_looks` returns them; averaged to `SIDE` cells along the longer side at most.

    Returns
    -------
    affinity : (N, N) float tensor
        Rows sum to 1.
    grid : (int, int)
        Rows and columns of the N cells.
    """
    longer = max(looks.shape[1:])
    scale = min(1.0, SIDE / longer)
    grid = (max(1, round(looks.shape[1] * scale)), max(1, round(looks.shape[2] * scale)))
    cells = functional.adaptive_avg_pool2d(looks[None], grid)[0].flatten(1).T
    rows, cols = torch.meshgrid(*map(torch.arange, grid), indexing="ij")
    places = torch.stack([rows.flatten(), cols.flatten()], 1).to(cells) / max(grid)
    vectors = torch.cat([cells / _SIGMA, places / _REACH], 1)
    apart = torch.cdist(vectors, vectors, compute_mode="use_mm_for_euclid_dist").square()
    return (apart / -2).softmax(1), grid
