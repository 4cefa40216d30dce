"""Classes as places in feature space, each with some weight: a cell belongs to what lies around."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch

from napari_firstpass.clustering import squared_distances

if TYPE_CHECKING:
    from torch import Tensor

_CELLS = 2048
"""Cells compared with all keys at a time, so that memory stays small: 32 MB for 4096 keys."""
_FAR = -40.0
"""Exponents below count as this: e⁻⁴⁰ is next to nothing."""


@dataclass(frozen=True, slots=True)
class KernelModel:
    """Classes as weighted sums of Gaussians around keys: Σ_q w_kq exp(−‖f − key_q‖² / T).

    Attributes
    ----------
    keys : (M, D) tensor
        Points in feature space.
    weights : (K, M) tensor
        How much each counts for each class, at least 0; the most frequent class first. Each key
        counts for some class.
    temperature : float
        Squared distance over which a key's influence fades.
    """

    keys: Tensor
    weights: Tensor
    temperature: float

    @classmethod
    def of(cls, keys: Tensor, weights: Tensor, temperature: float) -> KernelModel:
        """Order classes by how many of ``keys`` (N, D) they win; drop keys that count for none."""
        used = weights.sum(0) > 0
        model = cls(keys[used], weights[:, used], temperature)
        winner = model.scores(keys.T.unsqueeze(2)).argmax(0).flatten()
        size = torch.bincount(winner, minlength=len(weights))
        order = torch.argsort(size, descending=True, stable=True)
        return cls(model.keys, model.weights[order], temperature)

    @property
    def count(self) -> int:
        """Number of classes."""
        return len(self.weights)

    def to(self, device: torch.device) -> KernelModel:
        """Return the same classes on a device."""
        return KernelModel(self.keys.to(device), self.weights.to(device), self.temperature)

    def scores(self, vectors: Tensor) -> Tensor:
        """Return class probabilities (K, h, w) of vectors (D, h, w)."""
        parts = [self._scores(part) for part in torch.split(vectors.flatten(1).T, _CELLS)]
        return torch.cat(parts).T.reshape(-1, *vectors.shape[1:])

    def _scores(self, cells: Tensor) -> Tensor:
        distances = squared_distances(cells, self.keys)
        # A common factor changes no share; far from all keys, every term would become 0.
        distances -= distances.amin(1, keepdim=True)
        # Numbers near the smallest there are make products of matrices a hundred times as slow.
        sums = distances.div_(-self.temperature).clamp_min_(_FAR).exp_() @ self.weights.T
        return sums / sums.sum(1, keepdim=True)
