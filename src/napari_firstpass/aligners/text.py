"""Classes, or regions, that get the name whose words fit best what they show.

A class of the source gets the mean of what its regions say in windows spread over the images. Where
regions are decided on, each is compared by itself, and keeps what its class got where words do not
decide.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch

from napari_firstpass.aligning import AlignView
from napari_firstpass.alignment import Decision
from napari_firstpass.class_lookup import ClassLookup
from napari_firstpass.config import DEFAULT_PRESET
from napari_firstpass.mask_decisions import Held, MaskConfig, Verdict
from napari_firstpass.networks.text_source import text_folder
from napari_firstpass.networks.viewing import picture_of
from napari_firstpass.normalize import filled, usable
from napari_firstpass.progress import Span, Steps, relay
from napari_firstpass.refinement import preset_of
from napari_firstpass.region_vectors import CropConfig
from napari_firstpass.region_words import RuleConfig
from napari_firstpass.sampling import band_stats_steps
from napari_firstpass.taxonomy import UNLABELLED
from napari_firstpass.tiling import spread_windows
from napari_firstpass.word_alignment import (
    WordConfig,
    WordJudge,
    own_masks_steps,
    painted_window,
    verdicts_steps,
    words_record,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from napari_firstpass.aligning import AlignConfig, AlignedWindow, AlignImage, AlignJob
    from napari_firstpass.alignment import Reason
    from napari_firstpass.found_masks import FoundMask
    from napari_firstpass.networks.text_source import TextFolder
    from napari_firstpass.normalize import BandStats

_CPU = torch.device("cpu")
_SIDE = 512
_WINDOWS = 12
"""Windows over all images that whole classes are decided on."""

_EVERY = MaskConfig(veto=0, skip_decided=False)
_RULE = RuleConfig(threshold=0.05)
_PRESETS = {
    DEFAULT_PRESET: WordConfig(dense=True, masks=_EVERY, rule=_RULE),
    "crops": WordConfig(crops=CropConfig(context="one"), masks=_EVERY, rule=_RULE),
}


@dataclass(frozen=True, slots=True, eq=False)
class TextAligner:
    """The way `text`; a `RecordedAligner`.

    Attributes
    ----------
    config : AlignConfig
        What was asked for.
    settings : WordConfig
        Those of its preset.
    folder : TextFolder
        The model that knows pictures and words.
    """

    config: AlignConfig
    settings: WordConfig
    folder: TextFolder

    def prepared(self, job: AlignJob) -> Steps[ClassLookup | PreparedText]:
        """Read the phrases, and look at windows of the images for what classes show.

        Raises
        ------
        OptionError
            If an image is missing.
        TaxonomyError
            If the candidates do not fit the classes.
        WeightsError
            If the weights are damaged or of another kind.
        """
        reading = WordJudge.steps(job, self.config, self.settings, self.folder)
        judge = yield from relay(reading, Span(0, 2, 10))
        return (yield from relay(self.looked(judge, job), Span(2, 10, 10)))

    def looked(self, judge: WordJudge, job: AlignJob) -> Steps[ClassLookup | PreparedText]:
        """Do what is left of `prepared` with a model that has read the phrases."""
        said, stats = _Said(judge, job), []
        for done, image in enumerate(job.images):
            span = Span(done, done + 1, len(job.images))
            stats.append((yield from relay(self._look(said, image), span)))
        proposals = tuple(said.decision(*pair) for pair in enumerate(job.held, start=1))
        if self.config.level != "regions":
            told = {"cost": judge.costs.to_dict()}
            return ClassLookup(proposals, job.target.max_id, told)
        return PreparedText(job, judge, proposals, tuple(stats))

    def _look(self, said: _Said, image: AlignImage) -> Steps[BandStats]:
        """Note what regions of an image say of its classes; return the stretch of its bands."""
        with image.pixels() as source, image.open_labels() as labels:
            stats = yield from relay(band_stats_steps(source, self.config.seed), Span(0, 1, 10))
            limit = max(_WINDOWS // len(said.job.images), 1)
            cuts = spread_windows(source.grid, side=_SIDE, limit=limit, seed=self.config.seed)
            for done, window in enumerate(cuts):
                raster = filled(usable(source.read(window)))
                view = AlignView(0, window, labels.read(window), None, raster)
                judging = _regions(said.judge, view, stats, _nothing)
                span = Span(len(cuts) + 9 * done, len(cuts) + 9 * done + 9, 10 * len(cuts))
                said.note(*(yield from relay(judging, span)))
        return stats

    def record(self) -> dict[str, Any]:
        """Return what decides the result, as plain values."""
        return words_record(self.config, self.folder)


class _Said:
    """What regions say of the classes that they belong to; each counts by its pixels."""

    def __init__(self, judge: WordJudge, job: AlignJob) -> None:
        self.judge, self.job = judge, job
        self._pixels: dict[int, int] = {}
        self._likely: dict[int, dict[int, float]] = {}

    def note(self, masks: Sequence[FoundMask], verdicts: Sequence[Verdict]) -> None:
        """Add regions of a window."""
        for mask, verdict in zip(masks, verdicts, strict=True):
            source = verdict.held.source
            self._pixels[source] = self._pixels.get(source, 0) + mask.area
            likely = self._likely.setdefault(source, {})
            for target, share in verdict.scores:
                likely[target] = likely.get(target, 0.0) + share * mask.area

    def decision(self, number: int, source: int) -> Decision:
        """Decide on a class."""
        seen, choices = self._pixels.get(source, 0), self.judge.choices
        shares = {key: total / seen for key, total in self._likely.get(source, {}).items()}
        scores = tuple(sorted(shares.items(), key=lambda pair: -pair[1]))
        held = Held(source, 1.0 if seen else 0.0, None)
        rule = self.judge.config.rule
        verdict = Verdict.of(held, scores, choices.default_of(source), rule)
        reason: Reason = "text" if verdict.reason == "clip" else verdict.reason
        pixels = self.job.counts[source]
        return Decision(number, source, verdict.target, pixels, verdict.confidence, reason, scores)


@dataclass(frozen=True, slots=True, eq=False)
class PreparedText:
    """What classes are, for regions to be decided on; a `PreparedAligner`.

    Attributes
    ----------
    job : AlignJob
        The images.
    judge : WordJudge
        Compares regions with words.
    proposals : tuple of Decision
        What each class of the source is.
    stats : tuple of BandStats
        The stretch of the bands of each image.
    """

    job: AlignJob
    judge: WordJudge
    proposals: tuple[Decision, ...]
    stats: tuple[BandStats, ...]

    @property
    def looks(self) -> bool:
        """True."""
        return True

    @property
    def outlines(self) -> bool:
        """True."""
        return True

    def align(self, view: AlignView) -> Steps[AlignedWindow]:
        """Decide on each region; what words do not decide is what its class is."""
        known = {entry.source: entry.target for entry in self.proposals}

        def default(source: int) -> int:
            return known.get(source, UNLABELLED)

        deciding = _regions(self.judge, view, self.stats[view.image], default)
        masks, verdicts = yield from deciding
        return painted_window(view, masks, verdicts, default, self.job.target.max_id, "text")

    def report(self) -> Mapping[str, Any]:
        """Return what it has cost."""
        return {"cost": self.judge.costs.to_dict()}


def text_aligner(config: AlignConfig) -> TextAligner:
    """Return what aligns by words; see `AlignConfig`.

    Raises
    ------
    UnknownNameError
        If there is no such preset or model.
    WeightsError
        If weights are not there; the message says how to get them, and what needs none.
    """
    return TextAligner(
        config, preset_of("text", _PRESETS, config.preset), text_folder(config.model)
    )


def _regions(
    judge: WordJudge, view: AlignView, stats: BandStats, defaults: Callable[[int], int]
) -> Steps[tuple[Sequence[FoundMask], list[Verdict]]]:
    """Return regions of a window, and what each is by itself."""
    raster = view.pixels
    picture = picture_of(raster, stats, raster.roles, _CPU, 1)
    finding = own_masks_steps(picture, raster.valid, judge.config.regions, view.labels)
    found = yield from relay(judge.costs.timing("finding regions", finding), Span(0, 3, 10))
    judging = verdicts_steps(judge, view, picture, found.masks, defaults, 1)
    return found.masks, (yield from relay(judging, Span(3, 10, 10)))


def _nothing(_: int) -> int:
    return UNLABELLED
