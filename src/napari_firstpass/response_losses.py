"""What a network that responds to pixels is trained on, and which of its channels stand for what.

Methods.md, section 2.3 of DynaGuide: responses should be certain, even among neighbours, and agree
with a guide.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import torch
from scipy.optimize import linear_sum_assignment
from torch.nn import functional

from napari_firstpass.config import check_choice

if TYPE_CHECKING:
    from torch import Tensor
    from torch.autograd.function import BackwardCFunction, FunctionCtx

Rule = Literal["identity", "hungarian", "repo"]
RULES: tuple[Rule, ...] = ("identity", "hungarian", "repo")

_TOGETHER = 2**16
"""Responses that neighbours are compared in at once."""


@dataclass(frozen=True, slots=True)
class Terms:
    """The terms of the loss, () float tensors, and what they rest on.

    Attributes
    ----------
    similarity : tensor
        Cross entropy of the responses and their own labels.
    continuity : tensor
        Huber's measure of differences between neighbours, in four directions.
    guidance : tensor
        Cross entropy of the responses and the guide, weighted.
    """

    similarity: Tensor
    continuity: Tensor
    guidance: Tensor

    @classmethod
    def of(
        cls, responses: Tensor, targets: Tensor, weight: Tensor, mask: Tensor | None = None
    ) -> Terms:
        """Measure responses.

        Parameters
        ----------
        responses : (N, C, h, w) float tensor
            Of a network.
        targets : (N, h, w) int64 tensor
            The channel that the guide wants; -1 where it wants none.
        weight : (N, h, w) float tensor
            How much the guide counts there, in [0, 1].
        mask : (N, 1, h, w) float tensor or None
            1 where pixels count, 0 where they do not; None if all count.
        """
        chances = functional.log_softmax(responses, 1)
        best = chances.amax(1)
        similarity = best.mean() if mask is None else (best * mask[:, 0]).sum() / mask.sum()
        wanted = targets >= 0
        found = chances.gather(1, targets.clamp_min(0)[:, None])[:, 0]
        guided = (found * weight * wanted).sum() / wanted.sum().clamp_min(1)
        return cls(-similarity, continuity(responses, mask), -guided)

    def total(self, clusters: int, beta: float) -> Tensor:
        """Return the loss: the more labels there are, the more evenness counts."""
        return self.similarity + clusters / beta * self.continuity + self.guidance


def continuity(responses: Tensor, mask: Tensor | None = None) -> Tensor:
    """Return the mean of Huber's measure over neighbours, summed over four directions.

    Parameters
    ----------
    responses : (N, C, h, w) float tensor
        At least 2 rows and 2 columns.
    mask : (N, 1, h, w) float tensor or None
        A pair counts where both pixels do.
    """
    # torch declares `apply` without types.
    found: Tensor = _Continuity.apply(responses, mask)  # type: ignore[no-untyped-call]
    return found


class _Continuity(torch.autograd.Function):
    """`continuity` with its slope, worked out on the way: torch would copy every slice anew."""

    @staticmethod
    def forward(ctx: FunctionCtx, responses: Tensor, mask: Tensor | None) -> Tensor:
        slope = torch.zeros_like(responses)
        total = responses.new_zeros(())
        masks = [None] * 4 if mask is None else [a * b for a, b in _beside(mask)]
        channels = responses.shape[1]
        step = max(1, _TOGETHER * channels // responses.numel())
        # Some channels at a time, which stay in the processor's cache: half the time.
        for first in range(0, channels, step):
            part = slice(first, first + step)
            pairs = zip(_beside(responses[:, part]), _beside(slope[:, part]), masks, strict=True)
            for (there, here), (slope_there, slope_here), both in pairs:
                apart = there - here
                pull = apart.clamp(-1, 1)
                if both is not None:
                    pull *= both
                pixels = apart[:, 0].numel() if both is None else both.sum().clamp_min(1)
                # Huber: d² / 2 up to 1, |d| − ½ beyond: p · (d − p / 2) for p = d, cut off.
                total += (pull * (apart - pull / 2)).sum() / (pixels * channels)
                pull /= pixels * channels
                slope_there += pull
                slope_here -= pull
        ctx.save_for_backward(slope)
        return total

    @staticmethod
    def backward(ctx: BackwardCFunction, above: Tensor) -> tuple[Tensor, None]:
        (slope,) = ctx.saved_tensors
        return above * slope, None


def _beside(maps: Tensor) -> tuple[tuple[Tensor, Tensor], ...]:
    """Return what lies below, right, below right and below left, each with what it lies at."""
    return (
        (maps[:, :, 1:], maps[:, :, :-1]),
        (maps[:, :, :, 1:], maps[:, :, :, :-1]),
        (maps[:, :, 1:, 1:], maps[:, :, :-1, :-1]),
        (maps[:, :, 1:, :-1], maps[:, :, :-1, 1:]),
    )


def present(labels: Tensor, channels: int) -> Tensor:
    """Return which channels (K,) int64 occur among labels from 0, in rising order; -1 is none."""
    counts = torch.bincount(labels.flatten() + 1, minlength=channels + 1)[1:]
    return counts.nonzero()[:, 0]


def channels_of(rule: Rule, targets: Tensor, labels: Tensor, classes: int, channels: int) -> Tensor:
    """Return the channel that stands for each class of a guide.

    Parameters
    ----------
    rule : str
        ``identity``: class q has channel q, for ever. ``hungarian``: the one-to-one choice that
        overlaps most with the labels as they are. ``repo``: the q-th of the channels that occur,
        counted in a circle, as the published code has it: arbitrary, and it may merge classes.
    targets : (N, h, w) int64 tensor
        Index of the guide's class, from 0; -1 where it says nothing.
    labels : (N, h, w) int64 tensor
        The strongest channel now; -1 where there are no data.
    classes, channels : int
        How many there are; at least as many channels as classes.

    Returns
    -------
    (classes,) int64 tensor
        On the device of ``targets``.
    """
    check_choice("mapping", rule, RULES)
    if rule == "identity":
        return torch.arange(classes, device=targets.device)
    if rule == "repo":
        living = present(labels, channels)
        order = torch.arange(classes, device=living.device) % max(len(living), 1)
        return living[order] if len(living) else order
    shared = overlaps(targets, labels, classes, channels)
    chosen = linear_sum_assignment(shared.cpu().numpy(), maximize=True)[1]
    return torch.from_numpy(chosen).to(targets.device)


def overlaps(targets: Tensor, labels: Tensor, classes: int, channels: int) -> Tensor:
    """Count the pixels (classes, channels) that a class and a channel share."""
    both = (targets >= 0) & (labels >= 0)
    keys = targets[both] * channels + labels[both]
    return torch.bincount(keys, minlength=classes * channels).reshape(classes, channels)
