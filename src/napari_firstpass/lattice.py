"""Gaussian sums over vectors of a few numbers, without comparing each with each.

Adams, Baek and Davis, "Fast high-dimensional filtering using the permutohedral lattice",
Eurographics 2010. Vectors are spread over the corners of the simplices that they lie in, the values
at these corners are blurred along the axes of the lattice, and read off again. The effort grows
with the number of vectors, and the sums are approximate.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import prod
from typing import TYPE_CHECKING

import torch

from napari_firstpass.errors import ComputeError

if TYPE_CHECKING:
    from torch import Tensor

_MOST_CELLS = 2**62
"""Corners are numbered with 64 bits."""


@dataclass(frozen=True, slots=True)
class Lattice:
    """Where vectors lie on the lattice.

    Attributes
    ----------
    corners : (n, d + 1) int64 tensor
        The corners of each vector's simplex, 0 … m − 1.
    weights : (n, d + 1) float tensor
        How much the vector belongs to each; they sum to 1.
    beside : (d + 1, 2, m) int64 tensor
        The neighbours of each corner along each axis; m where there is none.
    """

    corners: Tensor
    weights: Tensor
    beside: Tensor

    @classmethod
    def of(cls, vectors: Tensor) -> Lattice:
        """Place vectors (n, d), scaled so that the Gaussian has a spread of 1 along each axis.

        Raises
        ------
        ComputeError
            If they are spread too far to number the corners between them.
        """
        lifted = _lifted(vectors)
        origin, rank = _origin(lifted)
        weights = _barycentric((lifted - origin) / lifted.shape[1], rank)
        corners, beside = _numbered(_corners(origin.long(), rank))
        return cls(corners, weights, beside)

    def sums(self, values: Tensor) -> Tensor:
        """Return Σ_j exp(−‖x_i − x_j‖² / 2) v_j, up to a constant factor, for each vector i.

        Parameters
        ----------
        values : (n, k) float tensor
            What to add up.

        Returns
        -------
        (n, k) float tensor
            The sums; those of the vector itself are included.
        """
        count, width = self.beside.shape[2], values.shape[1]
        weights = self.weights.to(values).T
        # The last row stays 0: it stands for neighbours that there are not.
        table = values.new_zeros(count + 1, width)
        for corner, weight in zip(self.corners.T, weights, strict=True):
            table.index_add_(0, corner, values * weight[:, None])
        for left, right in self.beside:
            table[:-1] += (table[left] + table[right]) / 2
        read = torch.zeros_like(values)
        for corner, weight in zip(self.corners.T, weights, strict=True):
            read += table[corner] * weight[:, None]
        return read


def _lifted(vectors: Tensor) -> Tensor:
    """Return (n, d + 1): the vectors in the plane of the lattice, whose numbers sum to 0."""
    size = vectors.shape[1]
    axis = torch.arange(1, size + 1, dtype=vectors.dtype, device=vectors.device)
    # Splatting, blurring and slicing together have this spread, in units of the lattice.
    scale = (size + 1) * (2 / 3) ** 0.5 / (axis * (axis + 1)).sqrt()
    scaled = vectors * scale
    after = scaled.flip(1).cumsum(1).flip(1)  # of an axis and all that follow
    first = after[:, :1]
    rest = torch.cat([after[:, 1:], torch.zeros_like(first)], 1) - axis * scaled
    return torch.cat([first, rest], 1)


def _origin(lifted: Tensor) -> tuple[Tensor, Tensor]:
    """Return the nearest point of the lattice's first kind, and the order of what remains.

    Both are (n, d + 1); the point is of whole numbers, the order counts larger remainders.
    """
    size = lifted.shape[1]
    nearest = (lifted / size).round()
    excess = nearest.sum(1, keepdim=True)
    order = torch.argsort(lifted - nearest * size, dim=1, descending=True, stable=True)
    places = torch.arange(size, device=lifted.device).expand_as(order)
    rank = torch.empty_like(order).scatter_(1, order, places) + excess.long()
    low, high = rank < 0, rank >= size
    origin = nearest * size + size * (low.to(lifted) - high.to(lifted))
    return origin, rank + size * (low.long() - high.long())


def _barycentric(remainder: Tensor, rank: Tensor) -> Tensor:
    """Return the weights (n, d + 1) of the corners of a simplex, by the kind of corner."""
    size = remainder.shape[1]
    weights = remainder.new_zeros(len(remainder), size + 1)
    weights.scatter_add_(1, size - 1 - rank, remainder)
    weights.scatter_add_(1, size - rank, -remainder)
    weights[:, 0] += 1 + weights[:, size]
    return weights[:, :size]


def _corners(origin: Tensor, rank: Tensor) -> Tensor:
    """Return (n, d + 1, d): the corners of each kind, but for the last number: they sum to 0."""
    size = rank.shape[1]
    kind = torch.arange(size, device=rank.device)[:, None]
    step = kind - size * (rank[:, None] >= size - kind).long()
    return (origin[:, None] + step)[:, :, :-1]


def _numbered(corners: Tensor) -> tuple[Tensor, Tensor]:
    """Return the corners of each vector, numbered from 0, and the neighbours of each corner."""
    count, size, axes = corners.shape
    flat = corners.reshape(-1, axes)
    low = flat.amin(0) - size  # neighbours are up to d away
    spans = (flat.amax(0) + size + 1 - low).tolist()
    if prod(spans) > _MOST_CELLS:
        raise ComputeError(
            expected="positions and colours within a lattice of 64-bit numbers",
            found=f"{' x '.join(map(str, spans))} places",
            remedy="use larger spreads",
        )
    steps = flat.new_tensor([prod(spans[axis + 1 :]) for axis in range(axes)])
    codes, places = torch.unique((flat - low) @ steps, return_inverse=True)
    # One step along an axis is −1 in all numbers but one, which grows by d.
    ahead = size * torch.cat([steps, steps.new_zeros(1)]) - steps.sum()
    ways = torch.stack([ahead, -ahead], 1).flatten()
    beside = torch.stack([_found(codes, codes + way) for way in ways])
    return places.reshape(count, size), beside.reshape(size, 2, -1)


def _found(codes: Tensor, wanted: Tensor) -> Tensor:
    """Return where ``codes`` (m,), ascending, has what is wanted; m where it does not."""
    at = torch.searchsorted(codes, wanted).clamp_max(len(codes) - 1)
    return torch.where(codes[at] == wanted, at, len(codes))
