"""Answers prompts on one image of any size, and keeps what it has looked at."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
import torch

from napari_firstpass.backbones import backbone_factory
from napari_firstpass.bands import picture_bands
from napari_firstpass.config import SegmentConfig
from napari_firstpass.describing import backbone_steps
from napari_firstpass.device import torch_device
from napari_firstpass.errors import PromptError
from napari_firstpass.grid import Window
from napari_firstpass.normalize import filled, usable
from napari_firstpass.progress import Progress, Span, Steps, relay
from napari_firstpass.prompt_windows import extent_of, view_of
from napari_firstpass.prompting import PROMPTERS
from napari_firstpass.protocols import KeepingPrompter, RecordedPrompter
from napari_firstpass.raster import Raster
from napari_firstpass.resampling import ResampledSource
from napari_firstpass.sampling import band_stats_steps

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable

    from napari_firstpass.config import PromptConfig
    from napari_firstpass.feature_cache import FeatureCache
    from napari_firstpass.normalize import BandStats
    from napari_firstpass.prompt_windows import Outlines, View
    from napari_firstpass.prompts import Prompt
    from napari_firstpass.protocols import PreparedImage, Prompter
    from napari_firstpass.raster import RasterSource
    from napari_firstpass.sampling import OpenSource

Stamp: TypeAlias = "Callable[[], Hashable]"
"""Returns something that changes when a file does."""

_KEPT = 4
"""Windows that are remembered."""

_STRIP = 256


@dataclass(frozen=True, slots=True)
class _Seen:
    """A window that a prompter has looked at.

    Attributes
    ----------
    view : View
        The window.
    content : hashable
        Stands for its pixels.
    prepared : PreparedImage
        Answers.
    """

    view: View
    content: Hashable
    prepared: PreparedImage


@dataclass(frozen=True, slots=True)
class _Ready:
    """A prompter for an image as it was, and the stretch of its bands."""

    stats: BandStats
    prompter: Prompter
    stamp: Hashable


class Prompting:
    """Answers prompts on one image.

    The first prompt measures the bands and looks at a window around it; later ones that lie well
    inside a window that is remembered are answered at once. Each time it is checked that the pixels
    are still the same.

    Parameters
    ----------
    opening : callable
        Opens the image; nothing stays open between prompts.
    config : PromptConfig
        How to answer.
    stamp : callable or None
        Returns what changes when the image does, such as the time at which a file was written. None
        to compare the pixels themselves.
    cache : FeatureCache or None
        Where features of networks, and what prompters keep, are kept; None for nowhere.

    Raises
    ------
    UnknownNameError, WeightsError
        If the method or the backbone is unknown, or weights are missing.
    """

    def __init__(
        self,
        opening: OpenSource,
        config: PromptConfig,
        *,
        stamp: Stamp | None = None,
        cache: FeatureCache | None = None,
    ) -> None:
        self._factory = PROMPTERS.load(config.method)
        backbone_factory(config.backbone)
        self._opening, self._stamp = opening, stamp
        self._config, self._cache = config, cache
        self._device = torch_device(config.device)
        self._ready: _Ready | None = None
        self._kept: tuple[_Seen, ...] = ()

    def answer_steps(self, prompt: Prompt) -> Steps[Outlines]:
        """Find the outline of what is pointed at; rows and columns are those of the image.

        Raises
        ------
        PromptError
            If the prompt lies outside the image or on no data, holds words that the prompter does
            not know, or the image is changed meanwhile.
        ImageContentError
            If the image holds no data, or one value everywhere.
        """
        yield Progress(0, 100, "reading the image")
        seen = self._remembered(prompt)
        if seen is None:
            with self._opening() as source:
                seen = yield from relay(self._look_steps(source, prompt), Span(0, 70, 100))
        inside = seen.view.inside(prompt)
        answer = yield from relay(seen.prepared.answer(inside), Span(70, 99, 100))
        if not self._is_same(seen):
            raise PromptError(
                expected="the image to stay as it is while it is looked at",
                found="other pixels than before",
                remedy="point at it again",
            )
        return seen.view.outside(answer)

    def record_steps(self) -> Steps[dict[str, Any]]:
        """Return what a `RecordedPrompter` tells of itself; nothing before it has answered."""
        if self._ready is None or not isinstance(self._ready.prompter, RecordedPrompter):
            return {}
        return (yield from self._ready.prompter.record())

    def _remembered(self, prompt: Prompt) -> _Seen | None:
        """Return a window around a prompt that was looked at, and has not changed since."""
        for seen in self._kept:
            if seen.view.holds(extent_of(prompt, seen.view.grid)) and self._is_same(seen):
                self._kept = (seen, *(other for other in self._kept if other is not seen))
                return seen
        return None

    def _is_same(self, seen: _Seen) -> bool:
        """Tell whether a window still holds the pixels that were looked at."""
        if self._stamp is not None:  # and the image is not even opened
            return self._stamp() == seen.content
        with self._opening() as source:
            if source.grid != seen.view.grid:
                return False
            now = usable(_at_scale(source, seen.view).read(seen.view.window))
            return _content_of(now) == seen.content

    def _look_steps(self, source: RasterSource, prompt: Prompt) -> Steps[_Seen]:
        """Look at a window around a prompt."""
        view = view_of(source.grid, extent_of(prompt, source.grid))
        stamp = None if self._stamp is None else self._stamp()
        raster = yield from relay(_read_steps(source, view), Span(0, 10, 100))
        ready = yield from relay(self._ready_steps(source, stamp), Span(10, 30, 100))
        whole = filled(raster)
        bands = picture_bands(whole.roles)
        stretched = ready.stats.select(bands).stretch(whole.bands[bands])
        picture = torch.from_numpy(stretched).to(self._device)
        looking = ready.prompter.prepare(whole, picture)
        prepared = yield from relay(looking, Span(30, 100, 100))
        content = _content_of(raster) if self._stamp is None else stamp
        seen = _Seen(view, content, prepared)
        self._kept = (seen, *(old for old in self._kept if old.view != view))[:_KEPT]
        return seen

    def _ready_steps(self, source: RasterSource, stamp: Hashable) -> Steps[_Ready]:
        """Measure the bands and make the prompter, once for a file as it is."""
        if self._ready is None or self._ready.stamp != stamp:
            config = self._config
            stats = yield from relay(band_stats_steps(source, config.seed), Span(0, 50, 100))
            named = SegmentConfig(backbone=config.backbone, seed=config.seed, device=config.device)
            making = backbone_steps(named, stats, source.roles, self._device, self._cache)
            backbone = yield from relay(making, Span(50, 99, 100))
            prompter = self._factory(
                preset=config.preset,
                model=config.model,
                backbone=backbone,
                seed=config.seed,
                device=self._device,
            )
            if isinstance(prompter, KeepingPrompter):
                prompter = prompter.keeping(self._cache)
            self._ready = _Ready(stats, prompter, stamp)
        return self._ready


def _content_of(raster: Raster) -> bytes:
    """Return what stands for pixels."""
    digest = hashlib.sha256(raster.bands.tobytes())
    digest.update(raster.valid.tobytes())
    return digest.digest()


def _at_scale(source: RasterSource, view: View) -> RasterSource:
    return ResampledSource(source, *view.shape) if view.is_reduced else source


def _read_steps(source: RasterSource, view: View) -> Steps[Raster]:
    """Read what is looked at, strip by strip: of a reduced copy, each stands for many pixels."""
    scaled, window = _at_scale(source, view), view.window
    strips = []
    for top in range(window.row, window.bottom, _STRIP):
        height = min(_STRIP, window.bottom - top)
        strips.append(usable(scaled.read(Window(top, window.col, height, window.width))))
        yield Progress(top + height - window.row, window.height, "reading the image")
    return Raster(
        np.concatenate([strip.bands for strip in strips], axis=1),
        np.concatenate([strip.valid for strip in strips]),
        scaled.grid.crop(window),
        scaled.names,
        scaled.roles,
    )
