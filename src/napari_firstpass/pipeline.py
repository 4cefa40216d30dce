"""From an image to labels: fit classes on a sample, then label window by window.

Nothing here opens a file: pixels come from a `RasterSource`, labels go to a `LabelSink`.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, cast

import numpy as np
import torch

from napari_firstpass.backbones import backbone_factory
from napari_firstpass.bands import visible_bands
from napari_firstpass.cached_backbone import CachedBackbone
from napari_firstpass.code_heads import head_of
from napari_firstpass.code_heads.projected import ProjectedBackbone
from napari_firstpass.device import torch_device
from napari_firstpass.errors import ImageContentError
from napari_firstpass.fit_options import DEFAULT_FIT
from napari_firstpass.grid import Window
from napari_firstpass.hints import SILENT, cell_classes
from napari_firstpass.normalize import BandStats, FeatureScaler, filled, usable
from napari_firstpass.pinning import Examples, pinned_steps
from napari_firstpass.progress import Progress, Span, Steps, relay
from napari_firstpass.protocols import ProbeSegmenter, Resumable
from napari_firstpass.refiners.guided_filter import GuidedFilterConfig, sharpen
from napari_firstpass.refiners.small_regions import merge_small_regions
from napari_firstpass.sampling import (
    hint_sample_steps,
    sample_area,
    sample_steps,
    set_sample_steps,
)
from napari_firstpass.segmentation import label_dtype
from napari_firstpass.segmenters import SEGMENTERS
from napari_firstpass.taxonomy import UNLABELLED
from napari_firstpass.tiling import Tile, affordable, tiles
from napari_firstpass.training_state import identity_steps
from napari_firstpass.upsampling import upsampler_of
from napari_firstpass.upsampling.upsampled import UpsampledBackbone

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from napari_firstpass.bands import Role
    from napari_firstpass.code_heads.head import HeadFile
    from napari_firstpass.config import SegmentConfig
    from napari_firstpass.feature_cache import FeatureCache
    from napari_firstpass.features import FeatureMap
    from napari_firstpass.fit_options import FitOptions
    from napari_firstpass.hints import HintSet
    from napari_firstpass.protocols import Backbone, ClassModel, Labeller, LabelSink, Segmenter
    from napari_firstpass.raster import Raster, RasterSource
    from napari_firstpass.sampling import HintedSample, OpenSource
    from napari_firstpass.segmentation import Labels
    from napari_firstpass.training_state import StateStore

_FEATURE_BYTES = 400 * 2**20
"""Of the sample: 1024 numbers for 4 x 4 pixels of 32 windows would be 512 MiB."""
_GUIDE_BANDS = 3


@dataclass(frozen=True, slots=True)
class FittedModel:
    """Everything that labelling a window needs; the same for all windows of an image.

    Attributes
    ----------
    stats : BandStats
        The stretch of the bands.
    backbone : Backbone
        Makes features.
    scaler : FeatureScaler
        Brings them to a common scale.
    classes : ClassModel
        Tells what they are.
    guide : tuple of int
        Bands whose edges the labels follow.
    device : torch.device
        Where to compute.
    features : float
        Numbers in a vector, divided by the pixels of its cell: how much memory windows need.
    """

    stats: BandStats
    backbone: Backbone
    scaler: FeatureScaler
    classes: ClassModel
    guide: tuple[int, ...]
    device: torch.device
    features: float = 0.0

    @property
    def count(self) -> int:
        """Number of classes."""
        return self.classes.count

    def scores(self, raster: Raster) -> Steps[FeatureMap]:
        """Return class probabilities of cells; see `Labeller`."""
        features = yield from self.backbone.extract(raster)
        scores = self.classes.scores(self.scaler.apply(features.vectors))
        return replace(features, vectors=scores, groups=())


def segment_steps(
    source: RasterSource,
    config: SegmentConfig,
    sink: LabelSink,
    *,
    cache: FeatureCache | None = None,
) -> Steps[None]:
    """Fit classes on ``source`` and write labels for all of it to ``sink``.

    Features that are expensive are looked up and kept in ``cache``; the labels are the same.

    Raises
    ------
    ImageContentError
        If there is nothing to segment: no valid pixels, one value everywhere, or fewer different
        places than classes.
    """
    cuts = _cut(source, config, config.classes)
    area = sum(tile.padded.height * tile.padded.width for tile in cuts)
    fit = sample_area(source)
    model = yield from relay(fit_steps(source, config, cache=cache), Span(0, fit, fit + area))
    yield from relay(label_steps(source, model, config, sink), Span(fit, fit + area, fit + area))


def fit_steps(
    source: RasterSource, config: SegmentConfig, *, cache: FeatureCache | None = None
) -> Steps[FittedModel]:
    """Find classes on a sample that is spread over the image.

    The sample depends on the size of the image and the seed only, so that the classes do not
    depend on how the image is cut into windows afterwards.
    """
    _require_known(config)
    sample = yield from sample_steps(source, config.seed)
    return (yield from fit_sample_steps(sample, config, cache=cache))


def fit_set_steps(
    images: Sequence[OpenSource],
    config: SegmentConfig,
    options: FitOptions = DEFAULT_FIT,
    hints: HintSet | None = None,
) -> Steps[FittedModel]:
    """Find classes that many images share, on windows spread over all of them.

    Parameters
    ----------
    images : sequence of callable
        Each opens one; all must have the same bands.
    config : SegmentConfig
        The options.
    options : FitOptions
        What else there is to say.
    hints : HintSet, optional
        What somebody says of some places of them.

    Raises
    ------
    ImageContentError
        As `segment_steps`.
    """
    _require_known(config)
    sample = yield from relay(set_sample_steps(images, config.seed), Span(0, 10, 100))
    hinted = None
    if hints is not None:
        reading = hint_sample_steps(images, hints, config.seed)
        hinted = yield from relay(reading, Span(10, 10, 100))
    fit = fit_sample_steps(sample, config, cache=options.cache, state=options.state, hinted=hinted)
    return (yield from relay(fit, Span(10, 100, 100)))


def _require_known(config: SegmentConfig) -> None:
    """Refuse what is unknown before anything is read."""
    device_of(config)
    backbone_factory(config.backbone, config.runtime)
    upsampler_of(config.upsample)
    _segmenter(config)


def _segmenter(config: SegmentConfig) -> tuple[Segmenter, HeadFile | None]:
    """Return what finds classes, and the head that makes codes for it, if there is one."""
    segmenter = SEGMENTERS.load(config.method)(classes=config.classes, seed=config.seed)
    head = head_of(config.projection)
    if head is not None and isinstance(segmenter, ProbeSegmenter):
        head.require_classes(config.classes)
    return segmenter, head


def fit_sample_steps(
    sample: Sequence[tuple[Raster, Window]],
    config: SegmentConfig,
    *,
    cache: FeatureCache | None = None,
    state: StateStore | None = None,
    hinted: HintedSample | None = None,
) -> Steps[FittedModel]:
    """Find classes on windows of one image, or of several that are to share them.

    Parameters
    ----------
    sample : sequence of (Raster, Window)
        Windows with context, all of the same bands and without gaps (`normalize.filled`), and the
        place in each of the part that counts.
    config : SegmentConfig
        The options.
    cache : FeatureCache, optional
        Where features that are expensive are kept, now and when the model labels.
    state : StateStore, optional
        Where it is kept how far the fit has come.
    hinted : HintedSample, optional
        Places of which somebody says what is there; these classes come first.

    Raises
    ------
    ImageContentError
        As `segment_steps`; and if hints say nothing, or the same of two classes.
    OptionError
        If features are to be made finer that are fine already, or a cluster probe has another
        number of classes.
    WeightsError
        If a head was trained on other features.
    """
    device = device_of(config)
    segmenter, head = _segmenter(config)
    stats = BandStats.of([raster.crop(inner) for raster, inner in sample])
    roles = sample[0][0].roles
    making = backbone_steps(config, stats, roles, device, cache)
    backbone = yield from relay(making, Span(0, 0, 14))
    maps = yield from relay(_sample_features(backbone, sample, head), Span(0, 10, 14))
    features = len(maps[0].vectors) / maps[0].stride ** 2
    scaler = FeatureScaler.of(maps)
    scaled = _scaled(maps, scaler)
    if head is not None:
        backbone = ProjectedBackbone(backbone, head.head.to(device))
        coded = _on_codes(maps, scaled, segmenter, head)
        scaler, scaled, segmenter = yield from relay(coded, Span(10, 10, 14))
    del maps
    fit = _classes_of(segmenter, scaled, state)
    if hinted is not None:
        examples = yield from relay(_examples(backbone, scaler, hinted), Span(10, 10, 14))
        fit = pinned_steps(scaled, examples, segmenter, config.classes)
    classes = yield from relay(fit, Span(10, 14, 14))
    return FittedModel(stats, backbone, scaler, classes, guide_bands(roles), device, features)


def _scaled(maps: Sequence[FeatureMap], scaler: FeatureScaler) -> list[FeatureMap]:
    return [replace(window, vectors=scaler.apply(window.vectors), groups=()) for window in maps]


def _on_codes(
    maps: list[FeatureMap], scaled: list[FeatureMap], segmenter: Segmenter, file: HeadFile
) -> Steps[tuple[FeatureScaler, list[FeatureMap], Segmenter]]:
    """Return the codes of a sample, how they are scaled, and what finds classes among them."""
    head = file.head.to(maps[0].vectors.device)
    codes = []
    for done, window in enumerate(maps):
        codes.append((yield from relay(head.project(window), Span(done, done + 1, len(maps)))))
    if isinstance(segmenter, ProbeSegmenter) and file.centres is not None:
        # A probe says what it means by cosines of codes as they are: nothing may be shifted.
        as_they_are = FeatureScaler.identity(head.width, head.direct.device)
        return as_they_are, codes, segmenter.with_probe(file.centres, scaled)
    scaler = FeatureScaler.of(codes)
    return scaler, _scaled(codes, scaler), segmenter


def _classes_of(
    segmenter: Segmenter, sample: Sequence[FeatureMap], state: StateStore | None
) -> Steps[ClassModel]:
    """Fit classes, from where an earlier run stood if the method can."""
    if state is None or not isinstance(segmenter, Resumable):
        return (yield from segmenter.fit(sample))
    identity = yield from relay(identity_steps(segmenter, sample), Span(0, 0, 1))
    return (yield from segmenter.fit(sample, keeper=state.begin(identity)))


def _sample_features(
    backbone: Backbone,
    sample: Sequence[tuple[Raster, Window]],
    head: HeadFile | None = None,
) -> Steps[list[FeatureMap]]:
    """Return the features of the windows of a sample; of every n-th if memory asks for it."""
    maps: list[FeatureMap] = []
    every = 1
    for done, (raster, inner) in enumerate(sample):
        if done % every:
            continue
        span = Span(done, done + 1, len(sample))
        found = yield from relay(_inner_features(backbone, raster, inner), span)
        if head is not None:
            head.require_features(len(found.vectors))
        maps.append(found)
        every = max(every, -(-len(sample) * found.vectors.nbytes // _FEATURE_BYTES))
    return maps


def _examples(backbone: Backbone, scaler: FeatureScaler, hinted: HintedSample) -> Steps[Examples]:
    """Return the cells in which somebody says what is there."""
    vectors, classes = [], []
    for done, window in enumerate(hinted.windows):
        span = Span(done, done + 1, len(hinted.windows))
        inner = _inner_features(backbone, window.raster, window.inner)
        found = yield from relay(inner, span, "looking at the hints")
        said = torch.from_numpy(cell_classes(window.classes, found.stride)).to(found.valid.device)
        kept = found.valid & (said != SILENT)
        vectors.append(scaler.apply(found.vectors)[:, kept].T)
        classes.append(said[kept])
    if not vectors:
        raise ImageContentError(
            expected="hints on places with data",
            found="none",
            remedy="paint where the images hold data",
        )
    return Examples(torch.cat(vectors), torch.cat(classes), hinted.names)


def band_stats_steps(source: RasterSource, seed: int) -> Steps[BandStats]:
    """Measure the bands on the sample that `fit_steps` takes.

    Raises
    ------
    ImageContentError
        If the image holds no data, or one value everywhere.
    """
    sample = yield from sample_steps(source, seed)
    return BandStats.of([raster.crop(inner) for raster, inner in sample])


def device_of(config: SegmentConfig) -> torch.device:
    """Return where to compute; OpenVINO does on the CPU."""
    return torch_device("cpu" if config.runtime == "openvino" else config.device)


def backbone_steps(
    config: SegmentConfig,
    stats: BandStats,
    roles: tuple[Role | None, ...],
    device: torch.device,
    cache: FeatureCache | None,
) -> Steps[Backbone]:
    """Load the backbone that ``config`` names, for bands with these value ranges and roles."""
    factory = backbone_factory(config.backbone, config.runtime)
    # Seconds each, for a network.
    yield Progress(0, 2, "checking the weights")
    identity = factory.identity()
    yield Progress(1, 2, "loading the weights")
    backbone = factory(stats, roles, device)
    if cache is not None and identity is not None:
        backbone = CachedBackbone(backbone, cache, identity, stats, roles, device)
    # Above the cache, which keeps what the network says: finer features cost little.
    upsampler = upsampler_of(config.upsample)
    if upsampler is None:
        return backbone
    return UpsampledBackbone(backbone, upsampler, stats, roles, device)


def label_steps(
    source: RasterSource, model: Labeller, config: SegmentConfig, sink: LabelSink
) -> Steps[None]:
    """Label every window of ``source`` with the classes of a model, in row-major order.

    Of ``config``, the window, the overlap and the smallest region count. Windows are smaller where
    the model has many features.
    """
    cuts = _cut(source, config, model.count, model.features)
    for done, tile in enumerate(cuts):
        place = f"window {done + 1} of {len(cuts)}"
        yield Progress(100 * done, 100 * len(cuts), place)
        inner = _label_tile(usable(source.read(tile.padded)), model, config)
        span = Span(100 * done, 100 * (done + 1), 100 * len(cuts))
        labels, confidence = yield from relay(inner, span, place)
        rows, cols = tile.core.relative_to(tile.padded).slices
        sink.write(tile.core, labels[rows, cols], confidence[rows, cols])
    yield Progress(100 * len(cuts), 100 * len(cuts), "labelled")


def _label_tile(
    raster: Raster, model: Labeller, config: SegmentConfig
) -> Steps[tuple[Labels, NDArray[np.uint8]]]:
    """Return labels and confidence of one window, both (H, W)."""
    dtype = label_dtype(model.count)
    if not raster.valid.any():
        shape = raster.grid.shape
        return cast("Labels", np.full(shape, UNLABELLED, dtype)), np.zeros(shape, np.uint8)
    whole = filled(raster)
    scores = yield from relay(model.scores(whole), Span(0, 60, 100))
    guide = model.stats.select(model.guide).stretch(whole.bands[list(model.guide)])
    fine = sharpen(
        scores.vectors,
        torch.from_numpy(guide).to(model.device),
        scores.stride,
        GuidedFilterConfig(),
    )
    sharp = yield from relay(fine, Span(60, 90, 100))
    labels = cast("Labels", (sharp.winner + 1).cpu().numpy().astype(dtype))
    labels[~raster.valid] = UNLABELLED
    confidence: NDArray[np.uint8] = (sharp.margin * 255).round().byte().cpu().numpy()
    confidence[~raster.valid] = 0
    yield Progress(90, 100, "merging small regions")
    return merge_small_regions(labels, config.min_region), confidence


def _cut(
    source: RasterSource, config: SegmentConfig, classes: int, features: float = 0.0
) -> tuple[Tile, ...]:
    bands = len(source.names)
    window, overlap = affordable(
        config.window, config.overlap, bands=bands, classes=classes, features=features
    )
    return tiles(source.grid, window=window, overlap=overlap)


def _inner_features(backbone: Backbone, raster: Raster, inner: Window) -> Steps[FeatureMap]:
    """Return the features of a window computed with its context."""
    whole = yield from backbone.extract(raster)
    stride = whole.stride
    cells = Window(
        inner.row // stride,
        inner.col // stride,
        -(-inner.height // stride),
        -(-inner.width // stride),
    )
    rows, cols = cells.slices
    return replace(
        whole,
        vectors=whole.vectors[:, rows, cols],
        valid=whole.valid[rows, cols],
        grid=whole.grid.crop(cells),
    )


def guide_bands(roles: tuple[Role | None, ...]) -> tuple[int, ...]:
    """Return the bands whose edges count: the visible ones where known, else the first."""
    visible = sorted(visible_bands(roles))
    return tuple(visible or range(min(_GUIDE_BANDS, len(roles))))
