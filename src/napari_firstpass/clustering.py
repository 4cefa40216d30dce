"""Grouping vectors around centres."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch

from napari_firstpass.errors import ImageContentError
from napari_firstpass.progress import Progress, Steps

if TYPE_CHECKING:
    from torch import Tensor

_TOLERANCE = 1e-4


@dataclass(frozen=True, slots=True)
class KMeansConfig:
    """How to look for centres.

    Attributes
    ----------
    restarts : int
        Number of seedings; the tightest result wins, because a single one may be unlucky.
    iterations : int
        Largest number of rounds after each seeding.
    limit : int
        Of more vectors than this, an evenly picked part decides.
    """

    restarts: int = 4
    iterations: int = 40
    limit: int = 32_000


DEFAULT_EFFORT = KMeansConfig()


def kmeans(
    vectors: Tensor,
    count: int,
    *,
    seed: int,
    weights: Tensor | None = None,
    config: KMeansConfig = DEFAULT_EFFORT,
) -> Steps[Tensor]:
    """Group vectors around ``count`` centres (Lloyd 1982; seeding by Arthur & Vassilvitskii 2007).

    Parameters
    ----------
    vectors : (n, D) float tensor
        What to group.
    count : int
        Number of groups.
    seed : int
        Drives the seeding.
    weights : (n,) float tensor, optional
        How much each vector counts; positive.
    config : KMeansConfig
        Effort.

    Returns
    -------
    (count, D) tensor
        The centres, the most populous group first.

    Raises
    ------
    ImageContentError
        If fewer than ``count`` vectors are distinct.
    """
    require_distinct(vectors, count)
    weights = torch.ones(len(vectors), device=vectors.device) if weights is None else weights
    step = -(-len(vectors) // config.limit)
    vectors, weights = vectors[::step], weights[::step]
    rng = np.random.default_rng(seed)
    best, best_spread = vectors[:count], float("inf")
    for restart in range(config.restarts):
        centres = _seeded(vectors, weights, count, rng)
        spread = float("inf")
        for _ in range(config.iterations):
            yield Progress(restart, config.restarts, "finding classes")
            previous = spread
            centres, spread = moved(vectors, weights, centres)
            if previous - spread <= _TOLERANCE * spread:
                break
        if spread < best_spread:
            best, best_spread = centres, spread
    _, nearest = squared_distances(vectors, best).min(1)
    size = torch.zeros(count, device=vectors.device).index_add_(0, nearest, weights)
    return best[torch.argsort(size, descending=True, stable=True)]


def require_distinct(vectors: Tensor, count: int) -> None:
    """Refuse fewer distinct vectors (n, D) than centres, looking at all of them only in doubt.

    Raises
    ------
    ImageContentError
        If there are fewer.
    """
    for part in (vectors[: 50 * count], vectors):
        found = len(torch.unique(part, dim=0))
        if found >= count:
            return
    raise ImageContentError(
        expected=f"at least {count} places that differ, one for each class",
        found=str(found),
        remedy="ask for fewer classes",
    )


def squared_distances(vectors: Tensor, centres: Tensor) -> Tensor:
    """Return (n, K) squared Euclidean distances of (n, D) vectors to (K, D) centres."""
    lengths = vectors.square().sum(1, keepdim=True) + centres.square().sum(1)
    return torch.addmm(lengths, vectors, centres.T, alpha=-2).clamp_min_(0)


def _seeded(vectors: Tensor, weights: Tensor, count: int, rng: np.random.Generator) -> Tensor:
    """Draw centres far from each other."""
    chosen = [_draw(weights, rng)]
    nearest = squared_distances(vectors, vectors[chosen[-1:]])[:, 0]
    while len(chosen) < count:
        chosen.append(_draw(nearest * weights, rng))
        nearest = torch.minimum(nearest, squared_distances(vectors, vectors[chosen[-1:]])[:, 0])
    return vectors[chosen]


def _draw(chances: Tensor, rng: np.random.Generator) -> int:
    ladder = chances.double().cumsum(0).cpu().numpy()
    at = np.searchsorted(ladder, rng.random() * ladder[-1], side="right")
    return min(int(at), len(ladder) - 1)


def moved(vectors: Tensor, weights: Tensor, centres: Tensor) -> tuple[Tensor, float]:
    """Return the means of the groups around ``centres``, and the mean squared distance before."""
    distances, nearest = squared_distances(vectors, centres).min(1)
    weighted = vectors * weights.unsqueeze(1)
    sums = torch.zeros_like(centres).index_add_(0, nearest, weighted)
    size = torch.zeros(len(centres), device=vectors.device).index_add_(0, nearest, weights)
    # A centre that lost everything moves to the vector that fits worst.
    moved = sums / size.clamp_min(1e-12).unsqueeze(1)
    if bool((size == 0).any()):
        worst = distances.argsort(descending=True)[: int((size == 0).sum())]
        moved[size == 0] = vectors[worst]
    return moved, float((distances * weights).sum() / weights.sum())
