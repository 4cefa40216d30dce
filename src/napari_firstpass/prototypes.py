"""Classes as points in feature space."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch

from napari_firstpass.clustering import squared_distances

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True, slots=True)
class PrototypeModel:
    """Classes as points in feature space: a cell belongs to the nearest.

    Attributes
    ----------
    centres : (K, D) tensor
        One point for each class, the most frequent class first.
    temperature : float
        Squared distance over which membership fades.
    """

    centres: Tensor
    temperature: float

    @classmethod
    def of(cls, centres: Tensor, vectors: Tensor) -> PrototypeModel:
        """Order ``centres`` (K, D) by how many of ``vectors`` (n, D) they win; set the scale."""
        nearest, winner = squared_distances(vectors, centres).min(1)
        size = torch.bincount(winner, minlength=len(centres))
        order = torch.argsort(size, descending=True, stable=True)
        # With spread σ² per dimension the posterior of two equal Gaussians is a softmax of
        # −d²/2σ²; the mean nearest distance is D σ².
        temperature = 2 * float(nearest.mean()) / vectors.shape[1]
        return cls(centres[order], max(temperature, 1e-6))

    @property
    def count(self) -> int:
        """Number of classes."""
        return len(self.centres)

    def to(self, device: torch.device) -> PrototypeModel:
        """Return the same classes on a device."""
        return PrototypeModel(self.centres.to(device), self.temperature)

    def scores(self, vectors: Tensor) -> Tensor:
        """Return class probabilities (K, h, w) of vectors (D, h, w)."""
        distances = squared_distances(vectors.flatten(1).T, self.centres)
        memberships = torch.softmax(-distances / self.temperature, dim=1)
        return memberships.T.reshape(-1, *vectors.shape[1:])
