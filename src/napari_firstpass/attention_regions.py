"""DiffSeg on the attention of Stable Diffusion: a picture taken apart into regions.

Tian, Aggarwal, Colaco, Kira and Gonzalez-Franco, "Diffuse, Attend, and Segment" (arXiv 2308.12469).
The network is shown a square without noise and without words, though told of noise (t = 300). What
its places attend to is made one map for each place (`diffusion.aggregation`), the maps are merged
(`kl_merging`), and each pixel goes to the proposal that is strongest there.

The paper cuts the middle out of an image. Here squares slide over it. A region of a square is the
same as one found before if, where both were looked at, more than half of what either covers is
covered by both: at most one is. Elsewhere it is new. Where squares overlap, the nearer one decides.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import pairwise
from typing import TYPE_CHECKING

import torch
from torch.nn import functional

from napari_firstpass.config import check_number
from napari_firstpass.diffusion.aggregation import aggregated_attention
from napari_firstpass.diffusion.provider import AttentionConfig
from napari_firstpass.grid import Window
from napari_firstpass.kl_merging import COCO, MergeConfig, merge_steps, strongest
from napari_firstpass.networks.sliding import views
from napari_firstpass.progress import Span, Steps, relay

if TYPE_CHECKING:
    from collections.abc import Callable

    from torch import Tensor

    from napari_firstpass.diffusion.provider import AttentionProvider

LOOK = AttentionConfig(timestep=300, noise=False)
"""How the network is asked: all resolutions, no words, and no noise, so that nothing is drawn."""

_SLIM = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class RegionConfig:
    """How to take pictures apart.

    Attributes
    ----------
    merging : MergeConfig
        How maps become regions.
    side : int
        Side of squares in pixels, a multiple of 64 from 64 to 1024; what is smaller is enlarged to
        it. These networks were trained on 512.
    overlap : int
        Pixels that squares share at least, up to half of ``side``.
    """

    merging: MergeConfig = COCO
    side: int = 512
    overlap: int = 128

    def __post_init__(self) -> None:
        check_number("side", self.side, 64, 1024, step=64)
        check_number("overlap", self.overlap, 0, self.side // 2)


DEFAULT_REGIONS = RegionConfig()


@dataclass(frozen=True, slots=True, eq=False)
class Regions:
    """A picture taken apart.

    Attributes
    ----------
    labels : (H, W) int64 tensor
        Regions from 1 on, the largest first; 0 where there was nothing to see.
    confidence : (H, W) float32 tensor
        In [0, 1]: the lead of the strongest proposal over the second, as a share of all.
    """

    labels: Tensor
    confidence: Tensor

    @property
    def count(self) -> int:
        """Number of regions."""
        return int(self.labels.max())


def diffseg_attention_steps(
    picture: Tensor, provider: AttentionProvider, config: RegionConfig = DEFAULT_REGIONS
) -> Steps[Regions]:
    """Take a picture apart by what Stable Diffusion attends to.

    Parameters
    ----------
    picture : (3, H, W) float32 tensor
        Red, green and blue in [0, 1], of any size.
    provider : AttentionProvider
        A loaded network; of its settings, ``memory`` counts, all else is as DiffSeg has it.
    config : RegionConfig
        Squares and threshold.

    Returns
    -------
    Regions
        On the CPU. The same picture, settings and versions give the same bytes.

    Raises
    ------
    ImageContentError
        If the picture has another shape, or values that are not finite.
    ComputeError
        If memory is too short for one square.
    """

    def read(window: Window) -> Tensor:
        rows, cols = window.slices
        return picture[:, rows, cols]

    shape = (int(picture.shape[1]), int(picture.shape[2]))
    return (yield from regions_steps(shape, read, provider, config))


def regions_steps(
    shape: tuple[int, int],
    read: Callable[[Window], Tensor | None],
    provider: AttentionProvider,
    config: RegionConfig = DEFAULT_REGIONS,
) -> Steps[Regions]:
    """Take an image apart that is read square by square; see `diffseg_attention_steps`.

    Labels and confidence of the whole are held, 12 bytes for each pixel; of the maps, one square's.

    Parameters
    ----------
    shape : (int, int)
        Rows and columns of the image.
    read : callable
        Returns the picture under a window, None where there is nothing to see.
    provider, config
        As in `diffseg_attention_steps`.
    """
    asked = replace(LOOK, memory=provider.config.memory)
    provider = replace(provider, config=asked)
    labels = torch.zeros(shape, dtype=torch.int64)
    confidence = torch.zeros(shape)
    cuts, known = _cuts(shape, config), 0
    for done, cut in enumerate(cuts):
        picture = read(cut.seen)
        if picture is None:
            continue
        looking = _look(picture, provider, config)
        place = f"square {done + 1} of {len(cuts)}"
        found, lead = yield from relay(looking, Span(done, done + 1, len(cuts)), place)
        named, known = _named(found, labels[cut.seen.slices], known)
        part = cut.decided.relative_to(cut.seen).slices
        labels[cut.decided.slices], confidence[cut.decided.slices] = named[part], lead[part]
    return Regions(by_size(labels), confidence)


def _look(
    picture: Tensor, provider: AttentionProvider, config: RegionConfig
) -> Steps[tuple[Tensor, Tensor]]:
    """Return regions from 0 and confidence, both (h, w), of one square."""
    shape, side = (int(picture.shape[1]), int(picture.shape[2])), config.side
    if shape != (side, side):
        picture = functional.interpolate(
            picture[None], (side, side), mode="bilinear", antialias=True
        )[0].clamp_(0, 1)  # fmt: skip
    attended = yield from relay(provider.attend(picture), Span(0, 90, 100))
    grid, maps = attended.latent, aggregated_attention(attended)
    del attended
    merging = merge_steps(maps, grid, config.merging)
    merged = yield from relay(merging, Span(90, 100, 100))
    found, lead = strongest(merged.maps, grid, shape)
    return found.cpu(), lead.cpu()


@dataclass(frozen=True, slots=True)
class _Cut:
    """A square, and the part of it in which it decides, unless one that comes later does."""

    seen: Window
    decided: Window


def _cuts(shape: tuple[int, int], config: RegionConfig) -> list[_Cut]:
    """Lay squares over an image; one that is slimmer than a quarter of a square is not cut up."""
    height, width = shape
    side = min(config.side, max(min(shape), config.side // _SLIM))
    overlap = side * config.overlap // config.side
    windows = [view.window for view in views(height, width, side=side, overlap=overlap)]
    top = _begins({(window.row, window.height) for window in windows})
    left = _begins({(window.col, window.width) for window in windows})
    return [
        _Cut(w, Window(row, col, w.bottom - row, w.right - col))
        for w in windows
        for row, col in ((top[w.row], left[w.col]),)
    ]


def _begins(spans: set[tuple[int, int]]) -> dict[int, int]:
    """Return where each span (start, length) decides from: the middle of what it shares."""
    ordered = sorted(spans)
    begins = {ordered[0][0]: ordered[0][0]}
    for (before, length), (start, _) in pairwise(ordered):
        begins[start] = (before + length + start) // 2
    return begins


def _named(found: Tensor, before: Tensor, known: int) -> tuple[Tensor, int]:
    """Give regions from 0 the numbers of those that they continue, or new ones after ``known``."""
    count = int(found.max()) + 1
    names = torch.zeros(count, dtype=torch.int64)
    seen = before > 0
    if bool(seen.any()):
        ids, theirs = torch.unique(before[seen], return_inverse=True)
        pairs = torch.bincount(found[seen] * len(ids) + theirs, minlength=count * len(ids))
        both = pairs.view(count, len(ids))
        either = both.sum(1, keepdim=True) + both.sum(0) - both
        same = 2 * both > either
        names = torch.where(same.any(1), ids[same.int().argmax(1)], names)
    new = (names == 0) & (torch.bincount(found.flatten(), minlength=count) > 0)
    names[new] = known + 1 + torch.arange(int(new.sum()))
    return names[found], known + int(new.sum())


def by_size(labels: Tensor) -> Tensor:
    """Count the ids of (H, W) int64 anew from 1, those of most pixels first; 0 stays 0."""
    sizes = torch.bincount(labels.flatten())
    sizes[0] = 0
    order = torch.argsort(sizes, descending=True, stable=True)[: int((sizes > 0).sum())]
    ranks = torch.zeros_like(sizes)
    ranks[order] = torch.arange(1, len(order) + 1)
    return ranks[labels]
