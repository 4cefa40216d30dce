"""Classes as directions in feature space, with a gain and an offset each."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch.nn import functional

if TYPE_CHECKING:
    from torch import Tensor

    from napari_firstpass.prototypes import PrototypeModel


@dataclass(frozen=True, slots=True)
class LinearModel:
    """Classes as directions in feature space: the logit of class k is g⟨v/‖v‖, f⟩ + b.

    Attributes
    ----------
    directions : (K, D) tensor
        v; their lengths do not matter.
    gains : (K,) tensor
        g.
    offsets : (K,) tensor
        b.
    """

    directions: Tensor
    gains: Tensor
    offsets: Tensor

    @classmethod
    def of_prototypes(cls, model: PrototypeModel) -> LinearModel:
        """Return the linear model with the same scores as points in feature space.

        −‖f − c‖²/T is 2⟨c, f⟩/T − ‖c‖²/T and a term that all classes share.
        """
        lengths = model.centres.norm(dim=1)
        directions = model.centres / lengths.clamp_min(1e-12).unsqueeze(1)
        heat = model.temperature
        return cls(directions, 2 * lengths / heat, -lengths.square() / heat)

    @property
    def count(self) -> int:
        """Number of classes."""
        return len(self.directions)

    def to(self, device: torch.device) -> LinearModel:
        """Return the same classes on a device."""
        return LinearModel(
            self.directions.to(device), self.gains.to(device), self.offsets.to(device)
        )

    def select(self, order: Tensor) -> LinearModel:
        """Return the classes in an order, (K,) int64."""
        return LinearModel(self.directions[order], self.gains[order], self.offsets[order])

    def blend(self, other: LinearModel, keep: float) -> LinearModel:
        """Return ``keep`` of these numbers and the rest of those of ``other``."""
        return LinearModel(
            *(
                torch.lerp(new, old, keep)
                for old, new in (
                    (self.directions, other.directions),
                    (self.gains, other.gains),
                    (self.offsets, other.offsets),
                )
            )
        )

    def logits(self, vectors: Tensor) -> Tensor:
        """Return the logits (K, n) of vectors (D, n)."""
        weights = functional.normalize(self.directions, dim=1) * self.gains.unsqueeze(1)
        return torch.addmm(self.offsets.unsqueeze(1), weights, vectors)

    def nearest(self, vectors: Tensor) -> Tensor:
        """Return the class of vectors (D, n), (n,) int64."""
        # Several times as fast as argmax over the first axis.
        return self.logits(vectors).max(0).indices

    def scores(self, vectors: Tensor) -> Tensor:
        """Return class probabilities (K, h, w) of vectors (D, h, w)."""
        memberships = torch.softmax(self.logits(vectors.flatten(1)), dim=0)
        return memberships.reshape(-1, *vectors.shape[1:])
