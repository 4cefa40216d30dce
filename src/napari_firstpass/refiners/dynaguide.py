"""DynaGuide: a small network, trained on the picture itself, draws the borders of labels anew.

Methods.md, section 2, has the method, and what is known of its published code. The preset ``fast``
is ours: fewer channels, lower resolution first, a rate that falls to 0, and a guide that counts
less where it is unsure and near its borders.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import numpy as np
import torch
from skimage.measure import label
from torch.nn import functional

from napari_firstpass.errors import UnknownNameError
from napari_firstpass.guidance import GuideWeights, View, class_ids, picture_cells
from napari_firstpass.guided_training import (
    Learned,
    Stage,
    TrainingConfig,
    shrink_for,
    train_steps,
)
from napari_firstpass.local_linear import LocalLinear
from napari_firstpass.progress import Progress, Span, Steps, relay
from napari_firstpass.refinement import LabelGuide, Refinement
from napari_firstpass.response_network import KERNEL, by_given, by_own

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray
    from torch import Tensor

_AT_ONCE = 2
"""Channels at full resolution in memory at a time."""


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
    part : float
        Regions inside classes are suggested from this share of the window on.
    """

    training: TrainingConfig = TrainingConfig()
    radius: int = 0
    smoothness: float = 1e-3
    part: float = 0.002


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
        width=24,
        channels=0,
        spare=8,
        stages=(Stage(4, 60), Stage(2, 15)),
        annealed=True,
        weights=GuideWeights(confidence=True, reach=2, least=0.1),
        settled=0.005,
        spared=40,
    ),
    radius=2,
)
"""Ours."""

PRESETS = {
    "fast": FAST,
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

    def refine(self, picture: Tensor, valid: Tensor, guide: LabelGuide) -> Steps[Refinement]:
        """Return labels whose borders follow the image, by one pass of the network.

        As `DynaGuideRefiner.refine`; classes that the guide does not hold here, or that the network
        was not trained with, are not found.
        """
        view = _moved(View(picture, valid, guide), self.device)
        known = set(class_ids([view])) & set(self.learned.owners)
        if len(known) < 2 or min(picture.shape[1:]) < KERNEL:
            return _untouched(view)
        return (yield from _labelled(view, self.learned, self.config, own=False))


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
    return Refinement(view.said, view.guide.confidence * (view.said > 0), None)


def _labelled(
    view: View, learned: Learned, config: DynaGuideConfig, *, own: bool = True
) -> Steps[Refinement]:
    """Make labels of a network's responses to a picture.

    At full resolution they are normalised by the statistics of the picture if it is the one that
    the network was trained on (``own``), else by those that it has learned.
    """
    allowed = {0, *class_ids([view])}
    closed = torch.tensor([owner not in allowed for owner in learned.owners])
    yield Progress(0, 2, "drawing borders")
    if config.radius:
        fine = _followed(view, learned, closed, config)
    else:
        fine = iter([_computed(view, learned, closed, own=own)])
    best = torch.full(view.valid.shape, -torch.inf, device=view.valid.device)
    second, winner = best.clone(), torch.zeros_like(best, dtype=torch.int64)
    for channels, chances in fine:
        for channel, chance in zip(channels, chances, strict=True):
            ahead = chance > best
            second = torch.where(ahead, best, torch.maximum(second, chance))
            best = torch.where(ahead, chance, best)
            winner.masked_fill_(ahead, channel)
        yield Progress(1, 2, "drawing borders")
    margin = (best.clamp(0, 1) - second.clamp(0, 1)) * view.valid
    labels, parts = _named(winner, view, learned.owners, config.part)
    return Refinement(labels, margin, parts)


Fine = tuple[list[int], "Tensor"]
"""Some channels, and how likely (k, H, W) each is."""


@torch.no_grad()
def _computed(view: View, learned: Learned, closed: Tensor, *, own: bool) -> Fine:
    """Compute chances at full resolution."""
    picture, mask = picture_cells(view, 1)
    counting = None if bool(view.valid.all()) else mask[None, None]
    normalise = by_own(counting) if own else by_given(learned.statistics)
    chances = _chances(learned.network.responses(picture[None], normalise), closed)
    return list(range(len(chances))), chances


def _followed(
    view: View, learned: Learned, closed: Tensor, config: DynaGuideConfig
) -> Iterator[Fine]:
    """Compute chances by cells and let them follow the picture, a few channels at a time."""
    shrink = shrink_for(min(view.valid.shape), learned.shrink)
    cells, mask = picture_cells(view, shrink)
    chances = _chances(learned.responses(cells[None]), closed)
    living = chances.argmax(0)[mask > 0].unique().tolist()
    height, width = view.valid.shape
    pad = (0, -width % shrink, 0, -height % shrink)
    padded = functional.pad(view.picture[None], pad, mode="replicate")[0]
    model = LocalLinear.of(padded, shrink, radius=config.radius, smoothness=config.smoothness)
    for first in range(0, len(living), _AT_ONCE):
        some = living[first : first + _AT_ONCE]
        yield some, model.follow(chances[some], padded)[:, :height, :width]


def _chances(responses: Tensor, closed: Tensor) -> Tensor:
    """Return how likely (C, h, w) channels are, of responses (1, C, h, w)."""
    shut = closed.to(responses.device)[:, None, None]
    return responses[0].masked_fill(shut, -torch.inf).softmax(0).contiguous()


def _named(
    winner: Tensor, view: View, owners: Sequence[int], least: float
) -> tuple[Tensor, Tensor | None]:
    """Return class ids (H, W) of winning channels, and the parts of classes (H, W) or None.

    A connected region of a channel that stands for no class takes the class that the guide gives
    most of its pixels; where it gives none, that of the channel elsewhere, or the most frequent.
    """
    names = torch.tensor(owners, device=winner.device)
    labels = names[winner] * view.valid
    free = (labels == 0) & view.valid
    if not bool(free.any()):
        return labels, None
    channels = torch.where(free, winner + 1, 0).cpu().numpy()
    found = _Free.of(channels, view.said.cpu().numpy())
    named = torch.from_numpy(found.labels).to(labels)
    labels = torch.where(free, named, labels)
    parts = found.parts(labels.cpu().numpy(), least * float(view.valid.sum()))
    return labels, None if parts is None else torch.from_numpy(parts).to(labels)


@dataclass(frozen=True, slots=True)
class _Free:
    """Regions of channels that stand for no class; 0 is outside of them.

    Attributes
    ----------
    channels : (H, W) int64 array
        Channel of each pixel, from 1.
    labels : (H, W) int64 array
        Class id that the guide gives its region.
    """

    channels: NDArray[np.int64]
    labels: NDArray[np.int64]

    @classmethod
    def of(cls, channels: NDArray[np.int64], said: NDArray[np.int64]) -> _Free:
        regions = label(channels, background=0, connectivity=1)
        ids = np.unique(said[said > 0])
        heard = (regions > 0) & (said > 0)
        keys = regions[heard] * len(ids) + np.searchsorted(ids, said[heard])
        count = int(regions.max()) + 1
        votes = np.bincount(keys, minlength=count * len(ids)).reshape(count, len(ids))
        channel_of = np.zeros(count, dtype=np.int64)
        channel_of[regions.ravel()] = channels.ravel()
        elsewhere = np.zeros((int(channels.max()) + 1, len(ids)), dtype=np.int64)
        np.add.at(elsewhere, channel_of, votes)
        overall = np.array([np.count_nonzero(said == name) for name in ids])
        votes = np.where(votes.any(1, keepdims=True), votes, elsewhere[channel_of])
        votes = np.where(votes.any(1, keepdims=True), votes, overall)
        name_of = ids[votes.argmax(1)]
        name_of[0] = 0
        return cls(channels, name_of[regions])

    def parts(self, labels: NDArray[np.int64], least: float) -> NDArray[np.int64] | None:
        """Give numbers to parts that are large enough, and not a whole class."""
        keys = np.where(self.channels > 0, labels * (self.channels.max() + 1) + self.channels, 0)
        found, index, sizes = np.unique(keys, return_inverse=True, return_counts=True)
        whole = np.bincount(labels.ravel())[found // (self.channels.max() + 1)]
        kept = (found > 0) & (sizes >= least) & (sizes < whole)
        if not kept.any():
            return None
        numbers = np.where(kept, np.cumsum(kept), 0).astype(np.int64)
        parts: NDArray[np.int64] = numbers[index].reshape(labels.shape)
        return parts
