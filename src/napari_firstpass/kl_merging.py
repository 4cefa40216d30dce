"""Distributions that say nearly the same become one: the merging of DiffSeg, free of any network.

Tian, Aggarwal, Colaco, Kira and Gonzalez-Franco, "Diffuse, Attend, and Segment: Unsupervised
Zero-Shot Segmentation using Stable Diffusion" (arXiv 2308.12469). Each place of an image has a
*map*: how much it has to do with each place, numbers that sum to 1. Anchors collect all maps near
them; then what is near each other is joined, in the order of the list. Near is told by the
Kullback-Leibler divergence, both ways, of which all pairs are two products of matrices.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch.nn import functional

from napari_firstpass.errors import GridMismatchError, ImageContentError, OptionError
from napari_firstpass.progress import Progress, Span, Steps, relay

if TYPE_CHECKING:
    from torch import Tensor

EPSILON = 1e-10
"""Shares below count as this much in logarithms: of 0 there is none."""

_ROWS = 256
"""Maps of which logarithms are taken at a time: beside the maps themselves, memory stays small."""
_FINE_MAPS = 8
_LLOYD_ROUNDS = 20
_EXACT = 1e-4
"""Nats below which two maps may be the same, but for rounding."""
_SAID = "joining what says the same"


@dataclass(frozen=True, slots=True, kw_only=True)
class MergeConfig:
    """How to merge.

    Attributes
    ----------
    threshold : float
        τ: maps closer than this, in nats, say the same.
    anchors : int
        Anchors along a side of the image, 1 or more; at most one for each cell.
    rounds : int
        How often to merge, 1 or more: the first round collects around anchors, others join.
    refine : bool
        Whether k-means over all maps follows, beginning from what is left.
    """

    threshold: float
    anchors: int = 16
    rounds: int = 3
    refine: bool = False

    def __post_init__(self) -> None:
        _require(self.threshold > 0, "a threshold above 0", self.threshold)
        _require(self.anchors >= 1, "at least 1 anchor along a side", self.anchors)
        _require(self.rounds >= 1, "at least 1 round", self.rounds)


def _require(holds: bool, expected: str, found: object) -> None:
    if not holds:
        raise OptionError(expected=expected, found=str(found), remedy="change it")


COCO = MergeConfig(threshold=1.1)
"""As published for COCO-Stuff-27."""
CITYSCAPES = MergeConfig(threshold=0.9)
"""As published for Cityscapes; the demonstration of the authors has it too, and refines."""


@dataclass(frozen=True, slots=True, eq=False)
class Merged:
    """What is left of n maps.

    Attributes
    ----------
    maps : (P, N) float32 tensor
        Proposals, each a mean of maps; rows sum to 1.
    shares : (P, n) float32 tensor
        How much of each proposal each map makes; rows sum to 1.
    """

    maps: Tensor
    shares: Tensor

    @property
    def count(self) -> int:
        """Number of proposals."""
        return len(self.maps)

    def averaged(self, picks: Tensor) -> Merged:
        """Return means of groups of proposals, told by which count how much, (G, P)."""
        weights = picks.to(self.maps)
        weights /= weights.sum(1, keepdim=True)
        return Merged(weights @ self.maps, weights @ self.shares)


@dataclass(frozen=True, slots=True, eq=False)
class Anchored:
    """Maps, and how far they are from some of them; ready to be merged at any threshold.

    Attributes
    ----------
    maps : (n, N) float32 tensor
        Distributions.
    anchors : (A,) int64 tensor
        Some of the maps.
    distances : (A, n) float32 tensor
        From these to all; see `symmetric_kl`.
    """

    maps: Tensor
    anchors: Tensor
    distances: Tensor

    def merged(self, threshold: float, rounds: int = 3) -> Merged:
        """Merge maps that are closer than a threshold.

        In round 0 each anchor becomes the mean of all maps near it. In each round that follows,
        the first map of the list that nobody has used is averaged with all maps of the list near
        it, used or not, and these are used then; and so on.

        Parameters
        ----------
        threshold : float
            τ, in nats. An anchor is near itself at any threshold.
        rounds : int
            How many, 1 or more.
        """
        near = self.distances < threshold
        near[torch.arange(len(near), device=near.device), self.anchors] = True
        shares = near.to(self.maps)
        shares /= shares.sum(1, keepdim=True)
        found = Merged(shares @ self.maps, shares)
        for _ in range(rounds - 1):
            found = _joined(found, threshold)
        return found


def anchor_cells(height: int, width: int, side: int = 16) -> Tensor:
    """Return cells of a regular grid of anchors.

    Parameters
    ----------
    height, width : int
        Size of the image in cells.
    side : int
        Anchors along each axis; one for each cell where there are fewer cells.

    Returns
    -------
    (M,) int64 tensor
        Numbers of cells, row by row: of 64 x 64 cells those in rows and columns 1, 5, … 61.
    """
    rows, cols = _spaced(height, side), _spaced(width, side)
    return (rows[:, None] * width + cols).flatten()


def _spaced(length: int, count: int) -> Tensor:
    count = min(length, count)
    step = (length - 1) // max(count - 1, 1)
    return torch.arange(count) * step + (length - 1 - step * (count - 1)) // 2


def symmetric_kl(one: Tensor, other: Tensor) -> Tensor:
    """Return ½ Σ x ln(x / y) + ½ Σ y ln(y / x) of all pairs; see `kl_steps`."""
    return torch.cat([_kl(one, _logs(one), part) for part in torch.split(other, _ROWS)], 1)


def kl_steps(one: Tensor, other: Tensor) -> Steps[Tensor]:
    """Compute the symmetric Kullback-Leibler divergence of all pairs of distributions.

    Parameters
    ----------
    one : (a, N) float32 tensor
        Distributions: at least 0, and rows sum to 1.
    other : (b, N) float32 tensor
        Others. Their logarithms are taken in parts, and never kept.

    Returns
    -------
    (a, b) float32 tensor
        In nats, at least 0; right to about 1e-5.
    """
    logs = _logs(one)
    parts: list[Tensor] = []
    for part in torch.split(other, _ROWS):
        yield Progress(_ROWS * len(parts), len(other), _SAID)
        parts.append(_kl(one, logs, part))
    return torch.cat(parts, 1)


def _logs(maps: Tensor) -> Tensor:
    return maps.clamp_min(EPSILON).log_()


def _kl(one: Tensor, ours: Tensor, other: Tensor) -> Tensor:
    theirs = _logs(other)
    own = (one * ours).sum(1, keepdim=True) + (other * theirs).sum(1)
    return (own - one @ theirs.T - ours @ other.T).div_(2).clamp_min_(0)


def _joined(found: Merged, threshold: float) -> Merged:
    near = symmetric_kl(found.maps, found.maps) < threshold
    near.fill_diagonal_(True)  # rounding may put a map a little way from itself
    told = near.cpu()
    free, chosen = torch.ones(len(told), dtype=torch.bool), []
    for row in range(len(told)):
        if free[row]:
            chosen.append(row)
            free &= ~told[row]
    return found.averaged(near[chosen])


def anchored_steps(maps: Tensor, anchors: Tensor) -> Steps[Anchored]:
    """Compare some maps with all.

    Parameters
    ----------
    maps : (n, N) float32 tensor
        Distributions: at least 0, and rows sum to 1.
    anchors : (A,) int64 tensor
        Some of them.

    Returns
    -------
    Anchored
        It holds the maps themselves and no copy; beside them, A · (n + N) numbers.
    """
    anchors = anchors.to(maps.device)
    distances = yield from kl_steps(maps[anchors], maps)
    return Anchored(maps, anchors, distances)


def merge_steps(maps: Tensor, grid: tuple[int, int], config: MergeConfig = COCO) -> Steps[Merged]:
    """Merge the maps of all cells of an image.

    Parameters
    ----------
    maps : (h · w, N) float32 tensor
        Of each cell, row by row: at least 0, and rows sum to 1.
    grid : (int, int)
        h and w.
    config : MergeConfig
        How.

    Returns
    -------
    Merged
        At most ``config.anchors`` squared proposals.

    Raises
    ------
    GridMismatchError
        If there are more maps or fewer than cells.
    """
    if len(maps) != grid[0] * grid[1]:
        raise GridMismatchError(
            expected=f"a map for each of {grid[0]} x {grid[1]} cells",
            found=f"{len(maps)}",
            remedy="give the grid that the maps belong to",
        )
    anchors = anchor_cells(*grid, config.anchors)
    anchored = yield from relay(anchored_steps(maps, anchors), Span(0, 60, 100))
    found = anchored.merged(config.threshold, config.rounds)
    if config.refine:
        found = yield from relay(refined_steps(found, maps), Span(60, 100, 100))
    return found


def count_steps(
    anchored: Anchored, count: int, *, proposals: int = 0, rounds: int = 3
) -> Steps[Merged]:
    """Merge until a number of proposals is left.

    A single threshold that leaves few lets odd places stay by themselves and joins all else. So it
    is chosen, by bisection among the distances of anchors, such that at least ``proposals`` are
    left, and as few more as can be. Of these, always the two are joined that differ least for
    their size (`informed_steps`).

    Parameters
    ----------
    anchored : Anchored
        What to merge; a number for each map, so n = N.
    count : int
        How many proposals to leave.
    proposals : int
        How many the threshold leaves, ``count`` at least; all there are where there are fewer.
    rounds : int
        As in `Anchored.merged`.

    Raises
    ------
    ImageContentError
        If fewer than ``count`` anchors differ.
    """
    among = anchored.distances[:, anchored.anchors]
    ladder = torch.unique(among[among > _EXACT]).tolist() or [1.0]
    best = anchored.merged(ladder[0], rounds)
    if best.count < count:
        raise ImageContentError(
            expected=f"at least {count} places that differ, one for each class",
            found=str(best.count),
            remedy="ask for fewer classes",
        )
    wanted = max(count, proposals)
    low, high, tried = 0, len(ladder), 0
    while high - low > 1 and best.count > wanted:
        yield Progress(tried, tried + len(ladder).bit_length(), _SAID)
        middle, tried = (low + high) // 2, tried + 1
        found = anchored.merged(ladder[middle], rounds)
        if found.count < wanted:
            high = middle
        else:
            low, best = middle, found
    return (yield from informed_steps(best, count))


def informed_steps(found: Merged, count: int) -> Steps[Merged]:
    """Join proposals two by two, always those by which least is lost, until ``count`` are left.

    What is lost is how much less a proposal tells of where its places look (Slonim and Tishby
    1999, "Agglomerative information bottleneck"): n + m times the Jensen-Shannon divergence of the
    two, weighted by the n and m places where each is strongest. What is strongest nowhere goes
    first.
    """
    sizes = torch.bincount(found.maps.argmax(0), minlength=found.count).to(found.maps)
    losses = found.maps.new_full((found.count, found.count), torch.inf)
    for row in range(1, found.count if found.count > count else 0):
        yield Progress(row, found.count, _SAID)
        losses[row, :row] = _losses(found.maps, sizes, row)[:row]
    while found.count > count:
        yield Progress(0, found.count - count, _SAID)
        other, one = divmod(int(losses.argmin()), found.count)  # one < other
        picks = torch.eye(found.count, device=sizes.device)
        picks[one, other] = 1
        picks[one] *= sizes.clamp_min(0.1)
        kept = torch.arange(found.count, device=sizes.device) != other
        found = found.averaged(picks[kept])
        sizes[one] += sizes[other]
        sizes, losses = sizes[kept], losses[kept][:, kept]
        lost = _losses(found.maps, sizes, one)
        losses[one, :one], losses[one + 1 :, one] = lost[:one], lost[one + 1 :]
    return found


def _losses(maps: Tensor, sizes: Tensor, row: int) -> Tensor:
    """Return (P,): what is lost by joining a proposal with each."""
    both = (sizes + sizes[row]).clamp_min(1)
    parts = sizes / both
    mixed = parts[:, None] * maps + (1 - parts)[:, None] * maps[row]
    told = [(rows * _logs(rows)).sum(1) for rows in (maps, mixed)]
    return parts * both * told[0] + (1 - parts) * both * told[0][row] - both * told[1]


def refined_steps(found: Merged, maps: Tensor) -> Steps[Merged]:
    """Move proposals to the means of the maps nearest to them, until they rest (k-means).

    Parameters
    ----------
    found : Merged
        Where to begin.
    maps : (n, N) float32 tensor
        All maps. Near is told by the Euclidean distance, here.
    """
    lengths = torch.cat([part.square().sum(1) for part in torch.split(maps, _ROWS)])
    before = torch.full((len(maps),), -1, device=maps.device)
    for done in range(_LLOYD_ROUNDS):
        yield Progress(done, _LLOYD_ROUNDS, "refining")
        away = torch.addmm(found.maps.square().sum(1), maps, found.maps.T, alpha=-2)
        nearest = (away + lengths[:, None]).argmin(1)
        if torch.equal(nearest, before):
            break
        before = nearest
        mine = functional.one_hot(nearest, found.count).T.to(maps)
        sizes = mine.sum(1, keepdim=True)
        shares = torch.where(sizes > 0, mine / sizes.clamp_min(1), found.shares)
        means = torch.where(sizes > 0, shares @ maps, found.maps)
        found = Merged(means, shares)
    return found


def strongest(
    proposals: Tensor, grid: tuple[int, int], shape: tuple[int, int]
) -> tuple[Tensor, Tensor]:
    """Return which proposal is strongest at each pixel, and by how much.

    Parameters
    ----------
    proposals : (P, h · w) float32 tensor
        Over the cells of a grid; interpolated between their centres.
    grid : (int, int)
        h and w.
    shape : (int, int)
        Rows and columns of the image that the grid covers.

    Returns
    -------
    (H, W) int64 tensor
        From 0; of proposals that are as strong, the first.
    (H, W) float32 tensor
        The lead over the second, as a share of all proposals together, in [0, 1].
    """
    values = proposals.new_zeros(2, *shape)
    winner = torch.zeros(shape, dtype=torch.int64, device=proposals.device)
    total = proposals.new_zeros(shape)
    for first in range(0, len(proposals), _FINE_MAPS):
        part = proposals[first : first + _FINE_MAPS].reshape(1, -1, *grid)
        fine = functional.interpolate(part, shape, mode="bilinear", align_corners=False)[0]
        total += fine.sum(0)
        most, at = fine.max(0)
        winner = torch.where(most > values[0], at + first, winner)
        values = torch.cat([values, fine]).topk(2, 0).values
    lead = (values[0] - values[1]) / total.clamp_min(torch.finfo(total.dtype).tiny)
    return winner, lead.clamp_(0, 1)
