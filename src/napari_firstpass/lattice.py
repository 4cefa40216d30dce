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
from napari_firstpass.progress import Progress, Span, relay

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from torch import Tensor

    from napari_firstpass.progress import Steps

_MOST_CELLS = 2**62
"""Corners are numbered with 64 bits."""

_VALUES = 2**19
"""Of a table, between two looks whether anybody still waits: some 10 ms of work."""

_PLACED = 2**15
"""Vectors that are placed at a time."""

_NUMBERED = 2**18
"""Corners that are numbered at a time."""

_APART = 64
"""Of so many numbers in order, one is looked at to divide them."""


@dataclass(frozen=True, slots=True)
class Lattice:
    """Where vectors lie on the lattice.

    Attributes
    ----------
    corners : (d + 1, n) int64 tensor
        The corners of each vector's simplex, 0 … m − 1.
    weights : (d + 1, n) float tensor
        How much the vector belongs to each; they sum to 1.
    beside : (d + 1, 2, m) int64 tensor
        The neighbours of each corner along each axis; m where there is none.
    """

    corners: Tensor
    weights: Tensor
    beside: Tensor

    @classmethod
    def of_steps(cls, vectors: Tensor) -> Steps[Lattice]:
        """Place vectors (n, d), scaled so that the Gaussian has a spread of 1 along each axis.

        Raises
        ------
        ComputeError
            If they are spread too far to number the corners between them.
        """
        placed, weights = yield from relay(_placed_steps(vectors), Span(0, 1, 4))
        codes = _Codes.of(placed)
        found = yield from relay(_numbered_steps(placed, codes), Span(1, 3, 4))
        beside = yield from relay(_beside_steps(found.codes, codes.ways), Span(3, 4, 4))
        return cls(found.numbers, weights, beside)

    def sums_steps(self, values: Tensor) -> Steps[Tensor]:
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
        table = yield from relay(self._spread_steps(values), Span(0, 1, 3))
        for axis, beside in enumerate(self.beside):
            span = Span(len(self.beside) + axis, len(self.beside) + axis + 1, 3 * len(self.beside))
            table = yield from relay(_blurred_steps(table, beside), span)
        return (yield from relay(self._read_steps(table, values), Span(2, 3, 3)))

    def _spread_steps(self, values: Tensor) -> Steps[Tensor]:
        """Return (m + 1, k): values (n, k) spread over the corners of their simplices."""
        # The last row stays 0: it stands for neighbours that there are not.
        table = values.new_zeros(self.beside.shape[2] + 1, values.shape[1])
        for corner, weight in zip(self.corners, self.weights, strict=True):
            for rows in pieces(len(values), values.shape[1]):
                yield Progress(rows.start, len(values))
                table.index_add_(0, corner[rows], values[rows] * weight[rows, None].to(values))
        return table

    def _read_steps(self, table: Tensor, values: Tensor) -> Steps[Tensor]:
        """Return what each vector reads off a table (m + 1, k), as ``values`` (n, k) are."""
        read = torch.zeros_like(values)
        for rows in pieces(len(read), read.shape[1]):
            yield Progress(rows.start, len(read))
            for corner, weight in zip(self.corners, self.weights, strict=True):
                read[rows] += table[corner[rows]] * weight[rows, None].to(values)
        return read


def pieces(count: int, width: int) -> Iterator[slice]:
    """Yield rows of a table (``count``, ``width``), as many as are soon done."""
    size = max(1, _VALUES // width)
    for start in range(0, count, size):
        yield slice(start, min(start + size, count))


def _blurred_steps(table: Tensor, beside: Tensor) -> Steps[Tensor]:
    """Return a table (m + 1, k) blurred along an axis, of which (2, m) tells the neighbours."""
    count = beside.shape[1]
    blurred = torch.empty_like(table)
    blurred[count] = 0
    for rows in pieces(count, table.shape[1]):
        yield Progress(rows.start, count)
        left, right = beside[:, rows]
        torch.add(table[rows], (table[left] + table[right]) / 2, out=blurred[rows])
    return blurred


@dataclass(frozen=True, slots=True)
class _Placed:
    """Where some vectors lie.

    Attributes
    ----------
    rows : slice
        Which ones.
    origin, rank : (n, d + 1) int64 tensor
        The nearest point of the lattice's first kind, and the order of what remains.
    low, high : (d + 1,) int64 tensor
        Least and largest numbers of the origins.
    """

    rows: slice
    origin: Tensor
    rank: Tensor
    low: Tensor
    high: Tensor

    @property
    def corners(self) -> Tensor:
        """The corners (d + 1, n, d) of each kind, but for the last number: all sum to 0."""
        size = self.rank.shape[1]
        kinds = torch.arange(size, device=self.rank.device)[:, None, None]
        steps = kinds - size * (self.rank >= size - kinds).long()
        return (self.origin + steps)[:, :, :-1]


def _placed_steps(vectors: Tensor) -> Steps[tuple[list[_Placed], Tensor]]:
    """Return where vectors (n, d) lie, and how much they belong (d + 1, n) to their corners."""
    placed = []
    weights = vectors.new_empty(vectors.shape[1] + 1, len(vectors))
    for start in range(0, len(vectors), _PLACED):
        yield Progress(start, len(vectors))
        rows = slice(start, min(start + _PLACED, len(vectors)))
        lifted = _lifted(vectors[rows])
        nearest, rank = _origin(lifted)
        weights[:, rows] = _barycentric((lifted - nearest) / lifted.shape[1], rank).T
        origin = nearest.long()
        placed.append(_Placed(rows, origin, rank, *origin.aminmax(dim=0)))
    return placed, weights


@dataclass(frozen=True, slots=True)
class _Codes:
    """One number for each point of the lattice within a box: those that follow have larger ones.

    Attributes
    ----------
    low : (d,) int64 tensor
        The corner of the box.
    steps : (d,) int64 tensor
        By how much the number grows along each axis.
    """

    low: Tensor
    steps: Tensor

    @classmethod
    def of(cls, placed: Sequence[_Placed]) -> _Codes:
        """Choose a box that holds all corners, and the neighbours of these.

        Raises
        ------
        ComputeError
            If it holds too many points.
        """
        size = placed[0].origin.shape[1]
        # Corners are less than d + 1 away from the origin, and their neighbours up to d from them.
        low = torch.stack([some.low for some in placed]).amin(0)[:-1] - 2 * size
        high = torch.stack([some.high for some in placed]).amax(0)[:-1] + 2 * size
        spans = (high - low).tolist()
        if prod(spans) > _MOST_CELLS:
            raise ComputeError(
                expected="positions and colours within a lattice of 64-bit numbers",
                found=f"{' x '.join(map(str, spans))} places",
                remedy="use larger spreads",
            )
        return cls(low, low.new_tensor([prod(spans[axis + 1 :]) for axis in range(size - 1)]))

    def at(self, corners: Tensor) -> Tensor:
        """Return the numbers (…) of corners (…, d)."""
        return (corners - self.low) @ self.steps

    @property
    def ways(self) -> list[int]:
        """How far it is to the next corner along each axis, d + 1 of them."""
        # One step along an axis is −1 in all numbers but one, which grows by d.
        last = [*self.steps.tolist(), 0]
        return [len(last) * step - sum(last) for step in last]


@dataclass(frozen=True, slots=True)
class _Numbered:
    """Corners with numbers from 0.

    Attributes
    ----------
    numbers : (d + 1, n) int64 tensor
        The corners of each vector.
    codes : (m,) int64 tensor
        All corners, ascending.
    """

    numbers: Tensor
    codes: Tensor


def _numbered_steps(placed: Sequence[_Placed], codes: _Codes) -> Steps[_Numbered]:
    """Return the corners of all, numbered: of some vectors first, then some of all of them."""
    size = placed[0].rank.shape[1]
    places = placed[0].rank.new_empty(size, placed[-1].rows.stop)
    own = []
    for done, some in enumerate(placed):
        yield Progress(done, 3 * len(placed))
        found, places[:, some.rows] = torch.unique(codes.at(some.corners), return_inverse=True)
        own.append(found)
    together, numbers = yield from relay(_merged_steps(own), Span(1, 2, 3))
    for done, (some, number) in enumerate(zip(placed, numbers, strict=True)):
        yield Progress(2 * len(placed) + done, 3 * len(placed))
        places[:, some.rows] = number[places[:, some.rows]]
    return _Numbered(places, together)


def _merged_steps(own: Sequence[Tensor]) -> Steps[tuple[Tensor, list[Tensor]]]:
    """Return all that occurs in some ascending tensors, and where there each of theirs is."""
    numbers = [torch.empty_like(some) for some in own]
    cuts = _cuts(own)
    merged: list[Tensor] = []
    begun = 0
    for done in range(cuts.shape[1] - 1):
        yield Progress(done, cuts.shape[1] - 1)
        parts = [slice(*pair) for pair in cuts[:, done : done + 2].tolist()]
        some = torch.cat([codes[part] for codes, part in zip(own, parts, strict=True)])
        found, places = torch.unique(some, return_inverse=True)
        sizes = [part.stop - part.start for part in parts]
        for number, part, place in zip(numbers, parts, places.split(sizes), strict=True):
            number[part] = place + begun
        merged.append(found)
        begun += len(found)
    return torch.cat(merged), numbers


def _cuts(own: Sequence[Tensor]) -> Tensor:
    """Return where (p, c) to cut p ascending tensors so that c − 1 ranges are of like size."""
    some = torch.cat([codes[::_APART] for codes in own]).sort().values
    edges = some[:: max(1, _NUMBERED // _APART)][1:].contiguous()
    ends = [[0, *torch.searchsorted(codes, edges).tolist(), len(codes)] for codes in own]
    return torch.tensor(ends)


def _beside_steps(codes: Tensor, ways: Sequence[int]) -> Steps[Tensor]:
    """Return the neighbours (d + 1, 2, m) of corners (m,), ascending; m where there is none."""
    count = len(codes)
    beside = codes.new_empty((len(ways), 2, count))
    for axis, way in enumerate(ways):
        # Whoever is ahead of one has that one behind; what is written at m is for nobody.
        behind = codes.new_full((count + 1,), count)
        for start in range(0, count, _NUMBERED):
            yield Progress(axis * count + start, len(ways) * count)
            rows = slice(start, min(start + _NUMBERED, count))
            ahead = _found(codes, codes[rows] + way)
            beside[axis, 0, rows] = ahead
            behind[ahead] = torch.arange(rows.start, rows.stop, device=codes.device)
        beside[axis, 1] = behind[:-1]
    return beside


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


def _found(codes: Tensor, wanted: Tensor) -> Tensor:
    """Return where ``codes`` (m,), ascending, has what is wanted; m where it does not."""
    at = torch.searchsorted(codes, wanted).clamp_max(len(codes) - 1)
    return torch.where(codes[at] == wanted, at, len(codes))
