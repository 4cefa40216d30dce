"""DynaGuide: a small network, trained on the picture itself, draws the borders of labels anew.

Methods.md, section 2, has the method, and what is known of its published code. The preset ``fast``
is ours: fewer channels, lower resolution first, a rate that falls to 0, and a guide that counts
less where it is unsure and near its borders.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, ClassVar

import torch

from napari_firstpass.errors import UnknownNameError
from napari_firstpass.guidance import GuideWeights, class_ids, picture_cells, prior
from napari_firstpass.guided_training import (
    Learned,
    Stage,
    TrainingConfig,
    shrink_for,
    train_steps,
)
from napari_firstpass.progress import Progress, Span, Steps, relay
from napari_firstpass.refinement import LabelGuide, Refinement, View
from napari_firstpass.region_joining import JoinConfig, join_regions
from napari_firstpass.response_network import KERNEL, by_given, by_own
from napari_firstpass.sharpening import GuidedFilterConfig, sharpen

if TYPE_CHECKING:
    from collections.abc import Sequence

    from torch import Tensor

    from napari_firstpass.protocols import Refiner

_LEAST = 1e-3
"""How likely a class is at least, whatever the guide says."""

_PAPER = TrainingConfig()


@dataclass(frozen=True, slots=True, kw_only=True)
class DynaGuideConfig:
    """How to train, and how labels are made of the responses.

    Attributes
    ----------
    training : TrainingConfig
        How to train.
    radius : int
        Reach in cells of the guided filter that brings responses to full resolution; 0 to compute
        them there by the network, from the picture's own statistics.
    smoothness : float
        ε of that filter: variance below which the image counts as flat.
    trust : float
        How much the guide counts beside the network when labels are made; 0 for the network alone.
    reach : int
        Cells around a cell in which it is asked: near its borders it leaves the choice to the
        network.
    join : JoinConfig or None
        Which regions have no edge between them and become one, of the class of most of their
        pixels; None to join none.
    """

    training: TrainingConfig = _PAPER
    radius: int = 0
    smoothness: float = 1e-3
    trust: float = 0.0
    reach: int = 2
    join: JoinConfig | None = None


PAPER = DynaGuideConfig()
"""106,400 parameters, as the paper counts them; 1000 steps at full resolution, all alike."""

PUBLISHED = DynaGuideConfig(training=TrainingConfig(depth=3, own_skip=False))
"""193,900 parameters: what the published code uses for each of its data sets."""

SHARED_SKIP = DynaGuideConfig(training=TrainingConfig(own_skip=False))
"""103,600 parameters: two layers, of which the first is the skip too."""

REPO = replace(PUBLISHED, training=replace(PUBLISHED.training, mapping="repo"))
"""The published code's mapping of classes to channels: it is arbitrary, and merges classes."""

FAST = DynaGuideConfig(
    training=TrainingConfig(
        width=16,
        channels=0,
        spare=4,
        stages=(Stage(2, 40), Stage(1, 10)),
        annealed=True,
        weights=GuideWeights(confidence=True, reach=2, least=0.1),
        settled=0.005,
        cells=2**16,
        spared=30,
    ),
    radius=2,
    trust=4.0,
)
"""Ours."""

PHOTOGRAPHS = replace(FAST, join=JoinConfig(edge=1.3, least=150))
"""Ours, for pictures of a few large things: regions with no edge between them are joined."""

PRESETS = {
    "fast": FAST,
    "photographs": PHOTOGRAPHS,
    "paper": PAPER,
    "bsd500": PUBLISHED,
    "pascal_voc": PUBLISHED,
    "coco": PUBLISHED,
    "shared-skip": SHARED_SKIP,
    "repo": REPO,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class DynaGuideRefiner:
    """Trains a network for each window.

    Attributes
    ----------
    preset : str
        How, by name; see `PRESETS`.
    seed : int
        Draws the network.
    device : torch.device
        Where to compute.
    config : DynaGuideConfig or None
        Instead of the preset.
    start : Learned or None
        A network of another window to go on from; see `warmed`.
    """

    preset: str = "fast"
    seed: int = 0
    device: torch.device = field(default_factory=lambda: torch.device("cpu"))
    config: DynaGuideConfig | None = None
    start: Learned | None = None

    def __post_init__(self) -> None:
        if self.preset not in PRESETS:
            raise UnknownNameError.of("preset", self.preset, PRESETS)

    @property
    def used(self) -> DynaGuideConfig:
        """How, whether given or by name."""
        return self.config or PRESETS[self.preset]

    def warmed(self, learned: Learned | None) -> DynaGuideRefiner:
        """Return a refiner that goes on from a network, and needs fewer steps."""
        return replace(self, start=learned)

    def trained(self, views: Sequence[View]) -> Steps[Refiner]:
        """Return one network for all windows; see `fit_windows`.

        Presets that are trained at full resolution without a limit are trained on each window by
        itself, as published: on all at once they would not fit into memory.
        """
        if not self.used.training.cells or self.start is not None:
            return self
        found = yield from fit_windows(views, seed=self.seed, device=self.device, config=self.used)
        return found or self

    def refine(self, picture: Tensor, valid: Tensor, guide: LabelGuide) -> Steps[Refinement]:
        """Return labels whose borders follow the image; see `protocols.Refiner`.

        A guide of fewer than two classes, and a picture of fewer than 3 rows or columns, come back
        as they are: there is nothing to learn. Pixels that the guide leaves unlabelled get a class.

        Raises
        ------
        DivergedError
            If the loss is not finite any more.
        """
        refined, _ = yield from self.refine_and_learn(picture, valid, guide)
        return refined

    def refine_and_learn(
        self, picture: Tensor, valid: Tensor, guide: LabelGuide
    ) -> Steps[tuple[Refinement, Learned | None]]:
        """Return what `refine` does, and the network; None where there was nothing to learn."""
        view = _moved(View(picture, valid, guide), self.device)
        ids = class_ids([view])
        if len(ids) < 2 or min(picture.shape[1:]) < KERNEL:
            return _untouched(view), self.start
        config = self.used
        training = train_steps(
            [view], ids, config.training, seed=self.seed, device=self.device, start=self.start
        )
        learned = yield from relay(training, Span(0, 9, 10))
        refined = yield from relay(_labelled(view, learned, config), Span(9, 10, 10))
        return refined, learned


@dataclass(frozen=True, slots=True, kw_only=True)
class Amortised:
    """One network for all windows, trained once: `fit_windows` makes it.

    Attributes
    ----------
    learned : Learned
        The network.
    config : DynaGuideConfig
        How labels are made.
    device : torch.device
        Where to compute.
    """

    learned: Learned
    config: DynaGuideConfig
    device: torch.device
    reentrant: ClassVar[bool] = True

    def refine(self, picture: Tensor, valid: Tensor, guide: LabelGuide) -> Steps[Refinement]:
        """Return labels whose borders follow the image, by one pass of the network.

        As `DynaGuideRefiner.refine`. Classes that the guide does not hold here are not found; those
        that the network was not trained with stay where they are.
        """
        view = _moved(View(picture, valid, guide), self.device)
        known = set(class_ids([view])) & set(self.learned.owners)
        if len(known) < 2 or min(picture.shape[1:]) < KERNEL:
            return _untouched(view)
        refined = yield from _labelled(view, self.learned, self.config, own=False)
        return _kept(refined, view, known)


def fit_windows(
    views: Sequence[View],
    *,
    seed: int = 0,
    device: torch.device,
    config: DynaGuideConfig = FAST,
) -> Steps[Amortised | None]:
    """Train one network on sampled windows, for one pass over each window of a large raster.

    Parameters
    ----------
    views : sequence of View
        Windows spread over the raster, with their labels; seen all at once, so a dozen at most.
    seed : int
        Draws the network.
    device : torch.device
        Where to compute.
    config : DynaGuideConfig
        How. The mapping must be ``identity``.

    Returns
    -------
    Amortised or None
        None where the guides hold fewer than two classes, or no window has 3 rows and columns.
    """
    large = [_moved(view, device) for view in views if min(view.picture.shape[1:]) >= KERNEL]
    ids = class_ids(large) if large else ()
    if len(ids) < 2:
        return None
    learned = yield from train_steps(large, ids, config.training, seed=seed, device=device)
    return Amortised(learned=learned, config=config, device=device)


def _moved(view: View, device: torch.device) -> View:
    guide = view.guide
    labels, confidence = guide.labels.to(device), guide.confidence.to(device)
    moved = LabelGuide(labels, confidence, guide.classes)
    return View(view.picture.to(device), view.valid.to(device), moved)


def _untouched(view: View) -> Refinement:
    return Refinement(view.said, view.guide.confidence * (view.said > 0))


def _kept(refined: Refinement, view: View, known: set[int]) -> Refinement:
    """Put classes back that a network has never seen."""
    seen = torch.zeros(view.guide.classes + 1, dtype=torch.bool, device=view.said.device)
    seen[[0, *known]] = True
    strange = ~seen[view.said]
    return replace(
        refined,
        labels=torch.where(strange, view.said, refined.labels),
        confidence=torch.where(strange, view.guide.confidence, refined.confidence),
    )


def _labelled(
    view: View, learned: Learned, config: DynaGuideConfig, *, own: bool = True
) -> Steps[Refinement]:
    """Make labels of a network's responses to a picture.

    At full resolution they are normalised by the statistics of the picture if it is the one that
    the network was trained on (``own``), else by those that it has learned.
    """
    yield Progress(0, 2, "drawing borders")
    shrink = shrink_for(min(view.valid.shape), learned.shrink) if config.radius else 1
    scoring = _Scores.of_steps(view, learned, shrink, config, own=own)
    scores = yield from relay(scoring, Span(0, 1, 2), "drawing borders")
    found, margin = yield from relay(scores.fine(view, config), Span(1, 2, 2))
    labels, margin = found * view.valid, margin * view.valid
    if config.join:
        plain = labels.cpu().numpy(), view.picture.cpu().numpy()
        labels = torch.from_numpy(join_regions(*plain, config.join)).to(labels)
    return Refinement(labels, margin)


@dataclass(frozen=True, slots=True)
class _Scores:
    """What a network and a guide say of the cells of a picture.

    Attributes
    ----------
    names : tuple of int
        Class ids, in rising order.
    chances : (G, h, w) tensor
        How likely these are.
    mask : (h, w) tensor
        1 where there are data.
    shrink : int
        Pixels of a cell.
    """

    names: tuple[int, ...]
    chances: Tensor
    mask: Tensor
    shrink: int

    @classmethod
    @torch.no_grad()
    def of_steps(
        cls, view: View, learned: Learned, shrink: int, config: DynaGuideConfig, *, own: bool
    ) -> Steps[_Scores]:
        cells, mask = picture_cells(view, shrink)
        counting = None if bool(mask.all()) else mask[None, None]
        normalise = by_own(counting) if own else by_given(learned.statistics)
        looking = learned.network.responses_steps(cells[None], normalise)
        found = (yield from relay(looking, Span(0, 9, 10)))[0]
        yield Progress(9, 10)
        held = [name for name in class_ids([view]) if name in learned.owners]
        named = found[[learned.owners.index(name) for name in held]]
        if config.trust:
            said = prior(view, held, shrink, config.reach, _LEAST)
            yield Progress(9, 10)
            named = named + config.trust * said.log()
        return cls(tuple(held), named.softmax(0).contiguous(), mask, shrink)

    def fine(self, view: View, config: DynaGuideConfig) -> Steps[tuple[Tensor, Tensor]]:
        """Return the best class of a pixel, of those that win in a cell, and its lead: (H, W)."""
        living = torch.unique(self.chances.argmax(0)[self.mask > 0])
        chances = self.chances[living]
        if config.radius:
            how = GuidedFilterConfig(radius=config.radius, smoothness=config.smoothness)
            sharp = yield from sharpen(chances, view.picture, self.shrink, how)
            winner, margin = sharp.winner, sharp.margin
        else:
            best, winner = chances.max(0)
            margin = best - chances.scatter(0, winner[None], 0.0).amax(0)
        names = torch.tensor(self.names, device=living.device)[living]
        return names[winner], margin
