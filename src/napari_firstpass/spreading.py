"""Maps spread to places that belong together: iSeg's refinement on the attention of a network.

iSeg is arXiv 2409.03209. Self-attention gives small shares to places of other things; taken again
and again, these leak. So each share is first compared with the largest that its place receives, and
shares well below that are reduced, most of them to nothing: one step down the entropy. What is left
tells where a map goes in each round.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import log
from typing import TYPE_CHECKING, Literal

import torch

from napari_firstpass.config import check_choice, check_number
from napari_firstpass.errors import OptionError
from napari_firstpass.progress import Progress, Steps

if TYPE_CHECKING:
    from torch import Tensor

_ROUNDS_AT_ONCE = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class SpreadConfig:
    """How maps are spread.

    Attributes
    ----------
    rounds : int
        T, at most so many rounds; 1 to 1000.
    strength : float
        λ, how much small shares are reduced, above 0 and at most 1: what is below 0.07 of the
        largest becomes nothing for 0.1.
    capped : bool
        Whether reduced shares are at most 1: else those near the largest are a little more.
    peak : {"column", "row"}
        What a share is compared with: the largest that the place receives, as published, or the
        largest that is given away where it comes from.
    restart : float
        Share of the first map in each round, in [0, 1); 0 as published.
    settled : float
        Rounds end when a map, which sums to 1, changes by less; 0 as published.

    Raises
    ------
    OptionError
        If one is out of its range.
    """

    rounds: int
    strength: float
    capped: bool = False
    peak: Literal["column", "row"] = "column"
    restart: float = 0.0
    settled: float = 0.0

    def __post_init__(self) -> None:
        check_number("rounds", self.rounds, 1, 1000)
        check_choice("peak", self.peak, ("column", "row"))
        if not (0 < self.strength <= 1 and 0 <= self.restart < 1 and self.settled >= 0):
            raise OptionError(
                expected="a strength in (0, 1], a restart in [0, 1), settled of 0 or more",
                found=f"{self.strength:g}, {self.restart:g} and {self.settled:g}",
                remedy="change them",
            )


def links_of(attention: Tensor, config: SpreadConfig) -> Tensor:
    """Return where maps go: shares of attention with less entropy.

    Parameters
    ----------
    attention : (n, n) float32 tensor
        Shares that cells give to cells; rows sum to 1. Overwritten.
    config : SpreadConfig
        How.

    Returns
    -------
    (n, n) float32 tensor
        At least 0, and rows sum to 1. A cell that has nothing left keeps to itself.
    """
    axis = 0 if config.peak == "column" else 1
    tiny = torch.finfo(attention.dtype).tiny
    shares = attention.div_(attention.amax(axis, keepdim=True).clamp_min_(tiny))
    # λ · log10(e · share), which is minus infinity for 0.
    shares.add_(shares.log().add_(1).mul_(config.strength / log(10))).clamp_min_(0)
    if config.capped:
        shares.clamp_max_(1)
    total = shares.sum(1)
    alone = total <= 0
    shares.diagonal()[alone] = 1
    return shares.div_(torch.where(alone, 1.0, total)[:, None])


def spread_steps(
    links: Tensor, maps: Tensor, config: SpreadConfig, inside: Tensor | None = None
) -> Steps[Tensor]:
    """Spread maps along links, round by round; what is least is taken off each time.

    Parameters
    ----------
    links : (n, n) float32 tensor
        See `links_of`.
    maps : (C, n) float tensor
        At least 0.
    config : SpreadConfig
        How.
    inside : (n,) bool tensor or None
        Cells that maps are kept to; None for all.

    Returns
    -------
    (C, n) float32 tensor
        At least 0; each sums to 1, or is 0 everywhere if it was constant.
    """
    out = None if inside is None else ~inside.to(links.device)
    start = _kept(maps.to(links), out, 0.0)
    # A map that is the same everywhere inside says nothing else than where that is.
    first = now = _shares(start - start.amin(1, keepdim=True))
    for done in range(config.rounds):
        if done % _ROUNDS_AT_ONCE == 0:
            yield Progress(done, config.rounds, "spreading")
        then = (links @ now.T).T
        if config.restart:
            then = (1 - config.restart) * then + config.restart * first
        least = _kept(then, out, torch.inf).amin(1, keepdim=True)
        then = _shares(_kept(then - least, out, 0.0))
        change = float((then - now).abs().sum(1).max())
        now = then
        if change < config.settled:
            break
    return now


def _kept(maps: Tensor, out: Tensor | None, value: float) -> Tensor:
    return maps if out is None else maps.masked_fill(out, value)


def _shares(maps: Tensor) -> Tensor:
    total = maps.sum(1, keepdim=True)
    return maps / torch.where(total > 0, total, torch.ones_like(total))
