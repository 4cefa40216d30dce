"""From descriptions to words."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from napari_firstpass.clustering import KMeansConfig, kmeans, squared_distances
from napari_firstpass.feature_scaling import FeatureScaler
from napari_firstpass.features import FeatureMap
from napari_firstpass.grid import Grid
from napari_firstpass.vocabulary import Vocabulary

if TYPE_CHECKING:
    from torch import Tensor

    from napari_firstpass.progress import Steps
    from training.config import Config


def learn(vectors: Tensor, config: Config) -> Steps[Vocabulary]:
    """Find the words of descriptions (n, D); yields progress.

    K-means of the centres of k-means, after Vo et al. (2024), "Automatic data curation for
    self-supervised learning: a clustering-based approach", section 3: the centres of very many
    groups lie evenly where there are data, however dense.
    """
    draw = torch.Generator().manual_seed(config.seed)
    some = vectors[torch.randperm(len(vectors), generator=draw)[: config.vectors]]
    scaler = FeatureScaler.of([_as_map(some)], keep=config.keep, power=config.power)
    scaled = (some - scaler.mean) @ scaler.projection.T
    once = KMeansConfig(restarts=1, iterations=8, limit=config.vectors)
    kinds = yield from kmeans(scaled, config.kinds, seed=config.seed, config=once)
    often = KMeansConfig(config.restarts, config.iterations)
    words = yield from kmeans(kinds, config.words, seed=config.seed, config=often)
    return Vocabulary(scaler.mean, scaler.projection, words)


def explained(vocabulary: Vocabulary, vectors: Tensor) -> float:
    """Return the share of the variance of descriptions (n, D) that the nearest words explain."""
    scaled = (vectors - vocabulary.mean) @ vocabulary.projection.T
    left = squared_distances(scaled, vocabulary.words).min(1).values.mean()
    return 1 - float(left / scaled.var(0, correction=0).sum())


def _as_map(vectors: Tensor) -> FeatureMap:
    grid = Grid(1, len(vectors))
    return FeatureMap(vectors.T[:, None], torch.ones(grid.shape, dtype=torch.bool), grid, 1)
