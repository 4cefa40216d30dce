"""Masks of an image that get classes by what they show, out of those that their source may be.

DynAlign (arXiv 2501.16410) relabels what a network said that was trained on another list of
classes. Masks of everything, by Segment Anything, hold most of one class of the source; CLIP tells
which of its candidates each mask shows, else it keeps what that class stands for. The preset
``paper`` has the published settings; the others are ours.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import torch

from napari_firstpass.config import DEFAULT_PRESET
from napari_firstpass.device import torch_device
from napari_firstpass.errors import OptionError
from napari_firstpass.mask_decisions import MaskConfig
from napari_firstpass.networks.semantic import load_semantic_steps
from napari_firstpass.networks.semantic_source import semantic_folder
from napari_firstpass.networks.text_source import text_folder
from napari_firstpass.networks.viewing import picture_of
from napari_firstpass.progress import Span, Steps, relay, run
from napari_firstpass.refinement import preset_of
from napari_firstpass.region_vectors import CropConfig
from napari_firstpass.region_words import RuleConfig
from napari_firstpass.sam_models.automatic import AutomaticConfig
from napari_firstpass.sam_models.cropped import everything_steps
from napari_firstpass.sam_models.prepared import prepare_steps
from napari_firstpass.sam_models.source import sam_source
from napari_firstpass.sampling import band_stats_steps
from napari_firstpass.source_network import SourceNetwork
from napari_firstpass.word_alignment import (
    WordConfig,
    WordJudge,
    framed,
    own_masks_steps,
    painted_window,
    verdicts_steps,
    words_record,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

    import numpy as np
    from numpy.typing import NDArray
    from torch import Tensor

    from napari_firstpass.aligning import AlignConfig, AlignedWindow, AlignJob, AlignView
    from napari_firstpass.alignment import Decision
    from napari_firstpass.found_masks import FoundMask, FoundMasks
    from napari_firstpass.mask_decisions import Verdict
    from napari_firstpass.networks.folder import VisionFolder
    from napari_firstpass.networks.text_source import TextFolder
    from napari_firstpass.normalize import BandStats
    from napari_firstpass.sam_models.source import SamSource

_CPU = torch.device("cpu")


@dataclass(frozen=True, slots=True, kw_only=True)
class DynAlignConfig:
    """Settings.

    Attributes
    ----------
    words : WordConfig
        How masks are compared with words.
    automatic : AutomaticConfig
        Which masks of Segment Anything are kept.
    crop_layers : int
        Of enlarged parts that it looks at besides; see `sam_models.cropped`.
    frame : (int, int) or None
        Height and width that each window is brought to, whatever its shape; None for its own.
    """

    words: WordConfig = field(default_factory=WordConfig)
    automatic: AutomaticConfig = field(default_factory=AutomaticConfig)
    crop_layers: int = 0
    frame: tuple[int, int] | None = None


PRESETS = {
    DEFAULT_PRESET: DynAlignConfig(),
    "quick": DynAlignConfig(words=WordConfig(crops=CropConfig(context="one"))),
    "dense": DynAlignConfig(words=WordConfig(dense=True)),
    "paper": DynAlignConfig(
        words=WordConfig(
            crops=CropConfig(square=False),
            scale=100.0,
            rule=RuleConfig(rule="probability", threshold=0.6),
            masks=MaskConfig(veto=0, skip_decided=False, least_share=0),
        ),
        automatic=AutomaticConfig(points_per_side=64, score=0.86, stability=0.92, least_area=100),
        crop_layers=1,
        frame=(1440, 1920),
    ),
}
"""By name, the usual one first."""


@dataclass(frozen=True, slots=True, eq=False)
class DynAligner:
    """The way `dynalign`; a `RecordedAligner`.

    Attributes
    ----------
    config : AlignConfig
        What was asked for.
    settings : DynAlignConfig
        Those of its preset.
    folder : TextFolder
        The model that knows pictures and words.
    sam : SamSource or None
        The model that finds masks; None for regions of one colour each.
    network : VisionFolder or None
        The network that made the labels; None where it is not asked.
    """

    config: AlignConfig
    settings: DynAlignConfig
    folder: TextFolder
    sam: SamSource | None
    network: VisionFolder | None = None

    def prepared(self, job: AlignJob) -> Steps[PreparedDynAlign]:
        """Load the model, read the phrases, and measure the bands of the images.

        Raises
        ------
        OptionError
            If an image is missing.
        TaxonomyError
            If the candidates, or the classes of the network, do not fit those of the labels.
        WeightsError
            If the weights are damaged or of another kind.
        """
        reading = WordJudge.steps(job, self.config, self.settings.words, self.folder)
        judge = yield from relay(reading, Span(0, 1, 3))
        network = None
        if self.network is not None:
            model = yield from relay(load_semantic_steps(self.network), Span(1, 2, 3))
            network = SourceNetwork.of(model, job.source, torch_device(self.config.device))
        return (yield from relay(self.looked(judge, job, network), Span(2, 3, 3)))

    def looked(
        self, judge: WordJudge, job: AlignJob, network: SourceNetwork | None = None
    ) -> Steps[PreparedDynAlign]:
        """Do what is left of `prepared` with a model that has read the phrases."""
        stats: list[BandStats] = []
        for done, image in enumerate(job.images):
            span = Span(done, done + 1, len(job.images))
            with image.pixels() as source:
                stats.append((yield from relay(band_stats_steps(source, self.config.seed), span)))
        return PreparedDynAlign(job, judge, self.settings, self.sam, tuple(stats), network)

    def record(self) -> dict[str, Any]:
        """Return what decides the result, as plain values."""
        return {
            **words_record(self.config, self.folder),
            "masks": None if self.sam is None else self.sam.path.name,
            "masks_sha256": None if self.sam is None else run(self.sam.sha256()),
            "veto": self.settings.words.masks.veto,
            "source_model": self.network and self.network.path.resolve().name,
            "source_model_sha256": self.network and self.network.sha256(),
        }


@dataclass(frozen=True, slots=True, eq=False)
class PreparedDynAlign:
    """All that windows have in common; a `PreparedAligner`.

    Attributes
    ----------
    job : AlignJob
        The images.
    judge : WordJudge
        Compares masks with words.
    settings : DynAlignConfig
        Which masks.
    sam : SamSource or None
        Finds them; None for regions of one colour each.
    stats : tuple of BandStats
        The stretch of the bands of each image.
    network : SourceNetwork or None
        Tells how likely each class of the labels is; None where it is not asked.
    """

    job: AlignJob
    judge: WordJudge
    settings: DynAlignConfig
    sam: SamSource | None
    stats: tuple[BandStats, ...]
    network: SourceNetwork | None = None

    @property
    def proposals(self) -> tuple[Decision, ...]:
        """None: every mask is decided on by itself."""
        return ()

    @property
    def looks(self) -> bool:
        """True."""
        return True

    @property
    def outlines(self) -> bool:
        """True."""
        return True

    def align(self, view: AlignView) -> Steps[AlignedWindow]:
        """Find the masks of a window, decide on each, and paint them, the largest first."""
        raster, stats = view.pixels, self.stats[view.image]
        picture = picture_of(raster, stats, raster.roles, _CPU, 1)
        if self.network is not None:
            asking = self.judge.costs.timing(
                "asking the source", self.network.believe(raster, stats)
            )
            view = replace(view, belief=(yield from relay(asking, Span(0, 2, 10))))
        seen, valid = view, raster.valid
        if self.settings.frame is not None:
            seen, picture, valid = framed(view, picture, valid, self.settings.frame)
        finding = self.judge.costs.timing("finding masks", self._masks(picture, valid))
        found = yield from relay(finding, Span(2, 5, 10))
        defaults, classes = self.judge.choices.default_of, len(self.job.source)
        judging = verdicts_steps(self.judge, seen, picture, found.masks, defaults, classes)
        verdicts = yield from relay(judging, Span(5, 10, 10))
        masks, verdicts = _brought_back(found, verdicts, raster.valid.shape)
        with self.judge.costs.timed("painting"):
            highest = self.job.target.max_id
            return painted_window(view, masks, verdicts, defaults, highest, "clip")

    def report(self) -> Mapping[str, Any]:
        """Return what it has cost, and what places and lengths of runs are counted in."""
        return {
            "frame": "pixels of the whole image; runs go down its columns",
            "masks": "regions of one colour" if self.sam is None else self.sam.path.name,
            "paddings": {
                str(key): one.padding for key, one in self.judge.choices.by_source.items()
            },
            "cost": self.judge.costs.to_dict(),
        }

    def _masks(self, picture: Tensor, valid: NDArray[np.bool_]) -> Steps[FoundMasks]:
        if self.sam is None:
            return (yield from own_masks_steps(picture, valid, self.settings.words.regions))
        sam, device = self.sam, self.judge.model.device
        finding = everything_steps(
            lambda part, known: prepare_steps(sam, part, known, device, None),
            picture,
            torch.from_numpy(valid),
            self.settings.automatic,
            self.settings.crop_layers,
        )
        return (yield from finding)


def _brought_back(
    found: FoundMasks, verdicts: list[Verdict], shape: tuple[int, int]
) -> tuple[tuple[FoundMask, ...], list[Verdict]]:
    """Return masks, and verdicts on them, in the pixels of a window of this height and width."""
    frame = found.height, found.width
    if frame == shape:
        return found.masks, verdicts
    moved = [mask.resized(frame, shape) for mask in found.masks]
    left = [(m, verdict) for m, verdict in zip(moved, verdicts, strict=True) if m is not None]
    return tuple(mask for mask, _ in left), [verdict for _, verdict in left]


def dynalign_aligner(config: AlignConfig) -> DynAligner:
    """Return what aligns mask by mask; see `AlignConfig`.

    Raises
    ------
    OptionError
        If a network is to tell what is in doubt where nothing ever is.
    UnknownNameError
        If there is no such preset or model.
    WeightsError
        If weights are not there; the message says how to get them, and what needs none.
    """
    settings = preset_of("dynalign", PRESETS, config.preset)
    if config.veto is not None:
        masks = replace(settings.words.masks, veto=config.veto)
        settings = replace(settings, words=replace(settings.words, masks=masks))
    if config.source_model is not None and not settings.words.masks.veto:
        raise OptionError(
            expected="labels that may be doubted, for a network that made them (--source-model)",
            found=f"the preset {config.preset}, or a veto of 0, which never doubts",
            remedy="add --veto 0.5, or leave out the network",
        )
    sam = None if config.masks is None else sam_source(config.masks)
    network = None if config.source_model is None else semantic_folder(config.source_model)
    return DynAligner(config, settings, text_folder(config.model), sam, network)
