"""Classes as directions in a projected feature space."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch.nn import functional

if TYPE_CHECKING:
    from torch import Tensor

_CELLS = 2**15
"""Cells that are scored at a time, so that memory stays small in large windows."""


@dataclass(frozen=True, slots=True)
class Projector:
    """z = A f + a + C SiLU(B f + b) + c, each place by itself.

    Attributes
    ----------
    direct, direct_bias : (W, D), (W,) tensor
        A and a.
    inner, inner_bias : (D, D), (D,) tensor
        B and b.
    outer, outer_bias : (W, D), (W,) tensor
        C and c.
    """

    direct: Tensor
    direct_bias: Tensor
    inner: Tensor
    inner_bias: Tensor
    outer: Tensor
    outer_bias: Tensor

    @classmethod
    def drawn(cls, features: int, width: int, rng: torch.Generator) -> Projector:
        """Return one from D = ``features`` to ``width`` numbers, drawn as PyTorch draws layers."""
        bound = features**-0.5
        sizes = (width, features, width)
        shapes = [shape for size in sizes for shape in ((size, features), (size,))]
        return cls(*((torch.rand(shape, generator=rng) * 2 - 1) * bound for shape in shapes))

    @classmethod
    def lifted(cls, features: int, width: int, height: float, rng: torch.Generator) -> Projector:
        """Return one that leaves vectors as they are, beside a constant.

        Without the constant, vectors that differ only in length would become one direction. With
        it, near directions are near vectors. What bends (C) is 0 before training. Of features that
        do not fit, the last are left out: after `FeatureScaler`, those that vary least.

        Parameters
        ----------
        features, width : int
            D and W.
        height : float
            The constant: of about the length of the vectors.
        rng : torch.Generator
            Draws B and b.
        """
        start = cls.drawn(features, width, rng)
        height_alone = torch.zeros(width)
        height_alone[-1] = height
        kept = torch.eye(width, features)
        kept[-1] = 0
        return cls(
            kept,
            height_alone,
            start.inner,
            start.inner_bias,
            torch.zeros_like(start.outer),
            torch.zeros_like(start.outer_bias),
        )

    @property
    def tensors(self) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor, Tensor]:
        """All six."""
        straight = self.direct, self.direct_bias
        return (*straight, self.inner, self.inner_bias, self.outer, self.outer_bias)

    def detached(self) -> Projector:
        """Return a copy that training does not change."""
        return Projector(*(tensor.detach().clone() for tensor in self.tensors))

    def codes(self, vectors: Tensor, bent: Tensor | None = None) -> Tensor:
        """Return z / ‖z‖ (…, W, n) of vectors (…, D, n); ``bent`` as in `project`."""
        return functional.normalize(self.project(vectors, bent), dim=-2, eps=1e-6)

    def project(self, vectors: Tensor, bent: Tensor | None = None) -> Tensor:
        """Return z (…, W, n) of vectors (…, D, n).

        Parameters
        ----------
        vectors : tensor
            f.
        bent : tensor, optional
            What stands for f in the part with SiLU; by default the same.
        """
        hidden = self.inner @ (vectors if bent is None else bent) + self.inner_bias[:, None]
        straight = self.direct @ vectors + self.direct_bias[:, None]
        return straight + self.outer @ functional.silu(hidden) + self.outer_bias[:, None]


@dataclass(frozen=True, slots=True)
class ProjectedModel:
    """A projector and directions: a cell belongs to the class with the nearest ones.

    Attributes
    ----------
    direct, direct_bias, inner, inner_bias, outer, outer_bias : tensor
        The projector.
    prototypes : (M, W) tensor
        Directions of length 1.
    members : (K, M) tensor
        1 where a direction belongs to a class, else 0; the most frequent class first. Each
        direction belongs to one.
    temperature : float
        Difference of cosines over which membership fades.
    """

    direct: Tensor
    direct_bias: Tensor
    inner: Tensor
    inner_bias: Tensor
    outer: Tensor
    outer_bias: Tensor
    prototypes: Tensor
    members: Tensor
    temperature: float

    @classmethod
    def of(
        cls, projector: Projector, prototypes: Tensor, members: Tensor, temperature: float
    ) -> ProjectedModel:
        """Join a projector with directions and their classes."""
        return cls(*projector.tensors, prototypes, members, temperature)

    @property
    def projector(self) -> Projector:
        """The projector alone."""
        straight = self.direct, self.direct_bias
        return Projector(*straight, self.inner, self.inner_bias, self.outer, self.outer_bias)

    @property
    def count(self) -> int:
        """Number of classes."""
        return len(self.members)

    def to(self, device: torch.device) -> ProjectedModel:
        """Return the same classes on a device."""
        moved = Projector(*(tensor.to(device) for tensor in self.projector.tensors))
        own = self.prototypes.to(device), self.members.to(device)
        return ProjectedModel.of(moved, *own, self.temperature)

    def scores(self, vectors: Tensor) -> Tensor:
        """Return class probabilities (K, h, w) of vectors (D, h, w)."""
        parts = torch.split(vectors.flatten(1), _CELLS, dim=1)
        return torch.cat([self._scores(part) for part in parts], 1).reshape(-1, *vectors.shape[1:])

    def _scores(self, cells: Tensor) -> Tensor:
        cosines = self.prototypes @ self.projector.codes(cells)
        return self.members @ torch.softmax(cosines / self.temperature, dim=0)
