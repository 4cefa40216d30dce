"""Classes as one or several equally wide Gaussians each."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True, slots=True)
class MixtureModel:
    """Classes as parts of a mixture: part m has the logit ⟨w, f⟩ + b, and belongs to one class.

    Attributes
    ----------
    weights : (M, D) tensor
        w.
    offsets : (M,) tensor
        b.
    members : (K, M) tensor
        1 where a part belongs to a class, else 0.
    """

    weights: Tensor
    offsets: Tensor
    members: Tensor

    @property
    def count(self) -> int:
        """Number of classes."""
        return len(self.members)

    def to(self, device: torch.device) -> MixtureModel:
        """Return the same classes on a device."""
        own = self.weights, self.offsets, self.members
        return MixtureModel(*(tensor.to(device) for tensor in own))

    def scores(self, vectors: Tensor) -> Tensor:
        """Return class probabilities (K, h, w) of vectors (D, h, w)."""
        logits = torch.addmm(self.offsets[:, None], self.weights, vectors.flatten(1))
        shares = self.members @ torch.softmax(logits, dim=0)
        return shares.reshape(-1, *vectors.shape[1:])
