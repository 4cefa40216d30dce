"""Regions compared with words: vectors fused, probabilities, and when they decide.

As DynAlign (arXiv 2501.16410) has it; the margin and the veto are ours.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import torch
from torch.nn import functional

from napari_firstpass.config import check_choice
from napari_firstpass.errors import OptionError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from torch import Tensor

Rule = Literal["margin", "probability"]

RULES: tuple[Rule, ...] = ("margin", "probability")


def class_vectors(words: Tensor, counts: Sequence[int]) -> Tensor:
    """Return (C, D): for each class the mean of its phrases' vectors, at length 1.

    Parameters
    ----------
    words : (P, D) float tensor
        Vectors of phrases as a model gives them, those of the first class first.
    counts : sequence of C int
        How many phrases each class has, at least one.
    """
    means = [part.mean(0) for part in torch.split(words, list(counts))]
    return functional.normalize(torch.stack(means), dim=1)


def fused(alone: Tensor, around: Sequence[Tensor]) -> Tensor:
    """Return (N, D): regions as they are seen alone and with what is around them.

    Of each ring, the mean of what its windows show counts the more, the more it is like the region
    alone; what is left is the region alone. The result is the mean over rings. Lengths below 1
    stay: they make what follows less sure.

    Parameters
    ----------
    alone : (N, D) float tensor
        Of length 1: what regions are without their surroundings.
    around : sequence of (N, W, D) float tensor
        Of length 1: what is seen through the windows of each ring; none for the regions alone.
    """
    if not around:
        return alone
    return torch.stack([_blended(ring.mean(1), alone) for ring in around]).mean(0)


def _blended(around: Tensor, alone: Tensor) -> Tensor:
    alike = functional.cosine_similarity(around, alone, dim=1)[:, None]
    return alike * around + (1 - alike) * alone


def probabilities(vector: Tensor, words: Tensor, scale: float) -> Tensor:
    """Return (C,): how likely each class is for a region, among these.

    Parameters
    ----------
    vector : (D,) float tensor
        Of the region.
    words : (C, D) float tensor
        Of the classes; see `class_vectors`.
    scale : float
        What likenesses are multiplied by: 100 in what is published.
    """
    return (scale * (words @ vector)).softmax(0)


@dataclass(frozen=True, slots=True, kw_only=True)
class RuleConfig:
    """When words decide.

    Attributes
    ----------
    rule : {"margin", "probability"}
        Whether the lead of the likeliest class over the next counts, or how likely it is. The
        chance of the best of n classes is 1 / n at least, so that a probability means another
        thing in each list; a lead of 0 is a tie in all.
    threshold : float
        It decides where that is higher than this, in [0, 1]; where it is equal, it does not.
    """

    rule: Rule = "margin"
    threshold: float = 0.1

    def __post_init__(self) -> None:
        check_choice("rule", self.rule, RULES)
        if not 0 <= self.threshold <= 1:
            raise OptionError(
                expected="a threshold in [0, 1]", found=f"{self.threshold:g}", remedy="change it"
            )

    def decides(self, likely: Sequence[float]) -> bool:
        """Tell whether the best of some probabilities, in descending order, is good enough."""
        if not likely:
            return False
        runner_up = likely[1] if len(likely) > 1 else 0.0
        reached = likely[0] - (runner_up if self.rule == "margin" else 0.0)
        return reached > self.threshold


def ranked(likely: Tensor, ids: Sequence[int]) -> tuple[tuple[int, float], ...]:
    """Return classes with their probabilities, the likeliest first; ties in the order given."""
    order = torch.argsort(likely, descending=True, stable=True).tolist()
    values = likely.tolist()
    return tuple((ids[i], values[i]) for i in order)
