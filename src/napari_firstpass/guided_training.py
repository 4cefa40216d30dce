"""Training a small network on one picture, or several, under the eyes of a guide.

"DynaGuide" (methods.md, section 2): the network has no other task than to become certain, even
among neighbours, and to agree with the guide. Its labels then are the guide's, with borders where
the image has them.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import accumulate
from typing import TYPE_CHECKING

import torch

from napari_firstpass.descent import DivergedError, Momentum
from napari_firstpass.guidance import EVEN, Batch, GuideWeights, sampled
from napari_firstpass.progress import Progress, Steps
from napari_firstpass.response_losses import Rule, Terms, channels_of, overlaps, present
from napari_firstpass.response_network import (
    NetworkShape,
    ResponseNetwork,
    Statistics,
    by_given,
    by_own,
    measuring,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from torch import Tensor

    from napari_firstpass.refinement import View

METHOD = "dynaguide"

_CELLS = 32
"""Along the shorter side of an image; of fewer nothing is learned."""


@dataclass(frozen=True, slots=True)
class Stage:
    """A stretch of training at one resolution.

    Attributes
    ----------
    shrink : int
        Pixels of the image for each of the network, along each axis; less for small images.
    steps : int
        Largest number of steps.
    """

    shrink: int
    steps: int


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainingConfig:
    """How to train.

    Attributes
    ----------
    width, depth, own_skip
        See `NetworkShape`.
    channels : int
        Responses at least.
    spare : int
        Responses beyond one for each class of the guide, at least: what finds parts of classes.
    mapping : str
        Which channel stands for which class; see `response_losses.channels_of`.
    stages : tuple of Stage
        Resolutions, in order.
    rate, momentum : float
        Of gradient descent.
    annealed : bool
        Whether the rate falls to 0, along a cosine over all steps; else it stays.
    beta : float
        β: the weight of evenness is the number of labels over it.
    weights : GuideWeights
        Where the guide counts how much.
    check : int
        Steps after which labels are looked at.
    settled : float
        End a stage when less than this share of labels has changed since the last look, once the
        rate is a tenth of what it was, or from the first step on if it never falls. A negative
        share never ends one.
    cells : int
        Of more than these, about so many are seen, in pieces spread over the pictures; 0 for all.
    spared : int
        Steps at the beginning that are left out when a network goes on from another.
    """

    width: int = 100
    depth: int = 2
    own_skip: bool = True
    channels: int = 100
    spare: int = 0
    mapping: Rule = "identity"
    stages: tuple[Stage, ...] = (Stage(1, 1000),)
    rate: float = 0.1
    momentum: float = 0.9
    annealed: bool = False
    beta: float = 15.0
    weights: GuideWeights = EVEN
    check: int = 5
    settled: float = -1.0
    cells: int = 0
    spared: int = 0

    def shape(self, classes: int) -> NetworkShape:
        """Return how large a network is for a guide of so many classes."""
        return NetworkShape(
            width=self.width,
            channels=max(self.channels, classes + self.spare),
            depth=self.depth,
            own_skip=self.own_skip,
        )

    @property
    def steps(self) -> int:
        """Steps of all stages."""
        return sum(stage.steps for stage in self.stages)

    def rate_at(self, done: int) -> float:
        """Return the rate after ``done`` steps."""
        if not self.annealed:
            return self.rate
        return self.rate * (1 + math.cos(math.pi * done / max(self.steps, 1))) / 2


@dataclass(frozen=True, slots=True)
class Learned:
    """A trained network, and what its channels stand for.

    Attributes
    ----------
    network : ResponseNetwork
        Takes no gradients.
    owners : tuple of int
        Class id that each channel stands for; 0 for one that found something by itself.
    statistics : tuple of Statistics
        Of the pixels it was trained on, one for each of its normalisations.
    shrink : int
        Pixels of the image for each of the network, along each axis.
    steps : int
        How many steps were made.
    """

    network: ResponseNetwork
    owners: tuple[int, ...]
    statistics: tuple[Statistics, ...]
    shrink: int
    steps: int

    @torch.no_grad()
    def responses(self, pictures: Tensor) -> Tensor:
        """Return responses (1, C, h, w) to a picture (1, 3, h, w) of cells, as it is."""
        return self.network.responses(pictures, by_given(self.statistics))

    def start_for(self, ids: Sequence[int], drawn: ResponseNetwork) -> ResponseNetwork:
        """Return this network with channels in another order: those of ``ids`` first.

        Classes that it does not know take those of a drawn one, of the same width. Further channels
        are the ones that found something by themselves.
        """
        known = {owner: channel for channel, owner in enumerate(self.owners) if owner}
        spare = (channel for channel, owner in enumerate(self.owners) if not owner)
        order = [known.get(name) for name in ids]
        order += [next(spare, None) for _ in range(drawn.channels - len(ids))]
        return self.network.rearranged(order, drawn)

    def fits(self, drawn: ResponseNetwork) -> bool:
        """Return whether the layers before the last have the same shapes as those of another."""
        mine, others = self.network.tensors[:-4], drawn.tensors[:-4]
        return [part.shape for part in mine] == [part.shape for part in others]


def shrink_for(side: int, shrink: int) -> int:
    """Return the pixels of a cell, fewer where the shorter ``side`` would have too few cells."""
    return max(1, min(shrink, side // _CELLS))


def train_steps(
    views: Sequence[View],
    ids: Sequence[int],
    config: TrainingConfig,
    *,
    seed: int,
    device: torch.device,
    start: Learned | None = None,
) -> Steps[Learned]:
    """Train a network.

    Parameters
    ----------
    views : sequence of View
        Pictures of at least 3 × 3 pixels, seen all at once.
    ids : sequence of int
        Classes that the guides hold, in rising order; see `class_ids`.
    config : TrainingConfig
        How.
    seed : int
        Draws the network.
    device : torch.device
        Where to compute.
    start : Learned, optional
        A network to go on from, of the same width and depth. By default, it is drawn.

    Raises
    ------
    DivergedError
        If the loss is not finite; nothing was changed.
    """
    rng = torch.Generator().manual_seed(seed)
    network = ResponseNetwork.drawn(config.shape(len(ids)), rng).to(device)
    going_on = start is not None and start.fits(network)
    if start is not None and going_on:
        network = start.start_for(ids, network).to(device)
    training = _Training.of(network, config, len(ids))
    training.done = config.spared if going_on else 0
    side = min(min(view.picture.shape[1:]) for view in views)
    for stage, end in zip(
        config.stages, accumulate(one.steps for one in config.stages), strict=True
    ):
        shrink = shrink_for(side, stage.shrink)
        some = sampled(views, config.cells * shrink**2) if config.cells else views
        batch = Batch.of(some, ids, shrink, config.weights)
        yield from training.until(end, batch)
    return training.learned(batch, ids, shrink)


@dataclass(slots=True)
class _Training:
    """A training under way."""

    config: TrainingConfig
    classes: int
    network: ResponseNetwork
    descent: Momentum
    done: int = 0

    @classmethod
    def of(cls, network: ResponseNetwork, config: TrainingConfig, classes: int) -> _Training:
        descent = Momentum(network.tensors, config.rate, config.momentum)
        return cls(config, classes, network, descent)

    @property
    def steps(self) -> int:
        return self.descent.steps

    def until(self, end: int, batch: Batch) -> Steps[None]:
        """Train on a batch until ``end`` steps are done, or labels have settled."""
        looked: Tensor | None = None
        while self.done < end:
            yield Progress(self.done, self.config.steps, "following the image")
            labels = self.step(batch)
            self.done += 1
            if self.done % self.config.check == 0:
                if looked is not None and self.settled(looked, labels):
                    self.done = end
                looked = labels

    def settled(self, before: Tensor, now: Tensor) -> bool:
        """Return whether few labels have changed, and the rate is low."""
        low = not self.config.annealed or self.descent.rate <= self.config.rate / 10
        return low and float((before != now).float().mean()) < self.config.settled

    def step(self, batch: Batch) -> Tensor:
        """Take one step and return the labels (N, h, w) before it."""
        self.descent.rate = self.config.rate_at(self.done)
        with torch.enable_grad():
            responses = self.network.responses(batch.pictures, by_own(batch.mask))
            labels = batch.labels(responses)
            targets = self.targets(batch, labels)
            terms = Terms.of(responses, targets, batch.weight, batch.mask)
            living = len(present(labels, self.network.channels))
            loss = terms.total(living, self.config.beta)
            self.require_finite(loss)
            self.descent.descend(loss)
        return labels

    def require_finite(self, loss: Tensor) -> None:
        if bool(loss.isfinite()):
            return
        raise DivergedError(
            METHOD,
            self.done + 1,
            str(float(loss.detach())),
            "the labels that were to be refined are as they were: try another seed, the preset "
            "fast, or a refiner that trains nothing, such as guided",
        )

    def targets(self, batch: Batch, labels: Tensor) -> Tensor:
        """Return the channel that the guide wants (N, h, w), -1 where it wants none."""
        rule, channels = self.config.mapping, self.network.channels
        if rule == "identity":
            return batch.targets
        chosen = channels_of(rule, batch.targets, labels, self.classes, channels)
        return chosen[batch.targets.clamp_min(0)].where(batch.targets >= 0, batch.targets)

    @torch.no_grad()
    def learned(self, batch: Batch, ids: Sequence[int], shrink: int) -> Learned:
        """Return what was learned, with the statistics of a batch."""
        statistics: list[Statistics] = []
        network = self.network.frozen()
        responses = network.responses(batch.pictures, measuring(batch.mask, statistics))
        owners = self.owners(batch, batch.labels(responses), ids)
        return Learned(network, owners, tuple(statistics), shrink, self.steps)

    def owners(self, batch: Batch, labels: Tensor, ids: Sequence[int]) -> tuple[int, ...]:
        """Return the class id of each channel, 0 where it stands for none."""
        channels = self.network.channels
        chosen = channels_of(self.config.mapping, batch.targets, labels, self.classes, channels)
        shared = overlaps(batch.targets, labels, self.classes, channels)
        owners = [0] * channels
        # Where a rule merges classes, the channel is of the one that it shares most pixels with.
        for index in shared.gather(1, chosen[:, None])[:, 0].argsort(stable=True).tolist():
            owners[int(chosen[index])] = ids[index]
        return tuple(owners)
