"""Entropy-reduced affinity, and maps that are refined by it: iSeg.

Sun et al., "iSeg: An iterative refinement-based framework for training-free segmentation" (arXiv
2409.03209). An affinity says how much each cell has to do with each other one, as self-attention
does. One step that lowers its entropy makes all weak ties 0; a map that is multiplied by what is
left, again and again, spreads over what it covers and leaves the rest.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, get_args

import numpy as np
import torch
from scipy import sparse

from napari_firstpass.errors import GridMismatchError, OptionError
from napari_firstpass.progress import Progress, Steps

if TYPE_CHECKING:
    from torch import Tensor

Norm = Literal["column", "row", "sym"]

_SPARSE = 0.15
"""Share of ties that are left, from which on a sparse product is no faster than a dense one."""

_EVERY = 8
"""Rounds between two reports."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EntSelfConfig:
    """How affinities are reduced and maps refined.

    Attributes
    ----------
    rounds : int
        T of the paper, at least 1.
    strength : float
        λ of the paper, at least 0; 0 leaves the affinity as it is.
    norm : {"column", "row", "sym"}
        What a tie is compared with: the strongest that ends in its cell, as in the paper; the
        strongest that starts in its cell, which keeps small things from being swallowed by large
        ones; or the geometric mean of both.
    restart : float
        Share of the first map that is put back in each round, in [0, 1); 0 in the paper.
    threshold : float
        Where a map that is divided by its maximum counts as foreground.
    tolerance : float
        Change of a map, which sums to 1, below which it has settled; 0 never stops.
    growth : float
        Growth in a round, of what is above the threshold, from which on a map that had settled
        leaks; the map before is kept. Infinity never stops.
    capped : bool
        Whether ties that the step makes stronger are 1 at most, as in the authors' program.
    """

    rounds: int = 50
    strength: float = 0.1
    norm: Norm = "column"
    restart: float = 0.0
    threshold: float = 0.5
    tolerance: float = 1e-3
    growth: float = 0.2
    capped: bool = False

    def __post_init__(self) -> None:
        sound = self.rounds >= 1 and self.strength >= 0 and 0 <= self.restart < 1
        if not sound or self.norm not in get_args(Norm):
            raise OptionError(
                expected="at least 1 round, a strength of at least 0, a restart in [0, 1) and a "
                f"norm out of {', '.join(get_args(Norm))}",
                found=f"{self.rounds}, {self.strength:g}, {self.restart:g} and {self.norm}",
                remedy="correct them",
            )


PAPER = EntSelfConfig(tolerance=0.0, growth=math.inf)
"""The published settings for points, lines and boxes."""


def kept_from(strength: float) -> float:
    """Return the share of the strongest tie below which a step of a strength makes ties 0.

    It solves t + λ log₁₀(e t) = 0.
    """
    low, high = 0.0, 1.0
    for _ in range(60):
        middle = (low + high) / 2
        below = middle + strength * math.log10(math.e * middle) < 0
        low, high = (middle, high) if below else (low, middle)
    return high


@dataclass(frozen=True, slots=True)
class Reduced:
    """An affinity of N cells after Ent-Self; its rows sum to 1.

    Attributes
    ----------
    ties : (N, N) float tensor or sparse array
        Sparse where few ties are left.
    """

    ties: Tensor | sparse.csr_array

    @classmethod
    def of(cls, affinity: Tensor, config: EntSelfConfig) -> Reduced:
        """Reduce the entropy of an affinity.

        Parameters
        ----------
        affinity : (N, N) float tensor
            Row q says how much cell q has to do with each cell, such as the softmax of
            self-attention. At least 0; rows need not sum to 1.
        config : EntSelfConfig
            How.

        Raises
        ------
        GridMismatchError
            If it is not square.
        """
        if affinity.ndim != 2 or affinity.shape[0] != affinity.shape[1]:
            raise GridMismatchError(
                expected="an affinity of each cell with each, (N, N)",
                found=str(tuple(affinity.shape)),
                remedy="hand over one for each pair",
            )
        left = _reduced(_compared(affinity.float().nan_to_num(0.0), config.norm), config.strength)
        left = left.clamp_max_(1.0) if config.capped else left
        total = left.sum(1, keepdim=True)
        # A cell that nothing is tied to keeps what it has.
        left.diagonal().add_((total[:, 0] <= 0).to(left))
        left /= torch.where(total > 0, total, 1.0)
        few = left.device.type == "cpu" and int(left.count_nonzero()) < _SPARSE * left.numel()
        return cls(sparse.csr_array(left.numpy()) if few else left)

    @property
    def cells(self) -> int:
        """Number of cells."""
        return int(self.ties.shape[0])

    @property
    def device(self) -> torch.device:
        """Where it is."""
        return self.ties.device if isinstance(self.ties, torch.Tensor) else torch.device("cpu")

    def spread(self, maps: Tensor) -> Tensor:
        """Return R · C for maps (N, C)."""
        if isinstance(self.ties, torch.Tensor):
            return self.ties @ maps
        return torch.from_numpy(np.asarray(self.ties @ maps.numpy()))


@dataclass(frozen=True, slots=True)
class RefinedMaps:
    """Maps after their refinement.

    Attributes
    ----------
    maps : (N, C) float tensor
        Each sums to 1 over the cells, or is 0 everywhere.
    rounds : int
        Rounds that were made.
    stopped : {"", "settled", "leaking"}
        Why it stopped before the last one.
    """

    maps: Tensor
    rounds: int
    stopped: Literal["", "settled", "leaking"]


def refine_maps(
    reduced: Reduced, start: Tensor, config: EntSelfConfig, inside: Tensor | None = None
) -> Steps[RefinedMaps]:
    """Refine maps by an affinity; see section 3.3 of the paper.

    Parameters
    ----------
    reduced : Reduced
        The affinity.
    start : (N, C) float tensor
        A map for each class or mark. A map of one value says nothing, and stays as it is.
    config : EntSelfConfig
        How often, and when to stop.
    inside : (N,) bool tensor or None
        Where maps may be above 0; everywhere by default.
    """
    if len(start) != reduced.cells:
        raise GridMismatchError(
            expected=f"maps of {reduced.cells} cells",
            found=str(len(start)),
            remedy="make them on the grid of the affinity",
        )
    start = start.to(reduced.device, torch.float32)
    inside = None if inside is None else inside.to(reduced.device)
    first = _normalised(_bounded(start, inside), start)
    maps, area, calm = first, _area(first, config), False
    for done in range(config.rounds):
        if done % _EVERY == 0:
            yield Progress(done, config.rounds, "refining")
        spread = torch.lerp(reduced.spread(maps), first, config.restart)
        new = _normalised(_bounded(spread, inside), maps)
        grown = _area(new, config)
        if calm and grown > (1 + config.growth) * area:
            return RefinedMaps(maps, done, "leaking")
        calm = calm or grown <= (1 + min(config.growth, 1.0)) * area
        change = float((new - maps).abs().sum(0).amax())
        maps, area = new, grown
        if change < config.tolerance:
            return RefinedMaps(maps, done + 1, "settled")
    return RefinedMaps(maps, config.rounds, "")


def mean_map(maps: Tensor) -> Tensor:
    """Return the mean (N,) of maps (N, C), each divided by its maximum, in [0, 1]."""
    peaks = maps.amax(0)
    mean = (maps / torch.where(peaks > 0, peaks, 1.0)).mean(1)
    top = float(mean.max())
    return mean / top if top > 0 else mean


def _compared(affinity: Tensor, norm: Norm) -> Tensor:
    """Return ties as shares (N, N) of the strongest ones, in [0, 1]."""
    by_column = affinity.amax(0, keepdim=True).clamp_min(1e-30)
    by_row = affinity.amax(1, keepdim=True).clamp_min(1e-30)
    if norm == "column":
        return affinity / by_column
    if norm == "row":
        return affinity / by_row
    return (affinity / by_column.sqrt() / by_row.sqrt()).clamp_max(1.0)


def _reduced(shares: Tensor, strength: float) -> Tensor:
    """Take one step (N, N) that lowers the entropy."""
    if strength == 0:
        return shares
    step = shares.clamp_min(1e-30).log_().add_(1).mul_(strength / math.log(10))
    return step.add_(shares).clamp_min_(0).mul_(shares > 0)


def _bounded(maps: Tensor, inside: Tensor | None) -> Tensor:
    return maps if inside is None else maps * inside[:, None]


def _normalised(maps: Tensor, before: Tensor) -> Tensor:
    """Subtract the minimum and divide by the sum; a map of one value becomes what it was before."""
    raised = maps - maps.amin(0)
    total = raised.sum(0)
    return torch.where(total > 0, raised / torch.where(total > 0, total, 1.0), before)


def _area(maps: Tensor, config: EntSelfConfig) -> int:
    return int((maps > config.threshold * maps.amax(0)).sum())
