"""From an image to labels: fit classes on a sample, then label window by window.

Nothing here opens a file: pixels come from a `RasterSource`, labels go to a `LabelSink`.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, cast

import numpy as np
import torch

from napari_firstpass.bands import visible_bands
from napari_firstpass.class_count import suggest_steps
from napari_firstpass.code_heads import head_of
from napari_firstpass.describing import describe_steps, inner_features, require_known
from napari_firstpass.errors import ImageContentError
from napari_firstpass.fit_options import DEFAULT_FIT
from napari_firstpass.hints import SILENT, cell_classes
from napari_firstpass.normalize import BandStats, filled, usable
from napari_firstpass.pinning import Examples, pinned_steps
from napari_firstpass.progress import Progress, Span, Steps, relay
from napari_firstpass.protocols import (
    ProbeSegmenter,
    Reentrant,
    Resumable,
    TrainedRefiner,
)
from napari_firstpass.refiners.small_regions import merge_small_regions
from napari_firstpass.refining import (
    MOST_VIEWS,
    VALUES_PER_CLASS,
    VIEW_SIDE,
    WindowLabels,
    refine_window_steps,
    refiner_of,
    remembers,
    view_of,
)
from napari_firstpass.sampling import (
    hint_sample_steps,
    sample_area,
    sample_steps,
    set_sample_steps,
)
from napari_firstpass.segmentation import label_dtype
from napari_firstpass.segmenters import SEGMENTERS
from napari_firstpass.sharpening import GuidedFilterConfig, sharpen
from napari_firstpass.side_by_side import in_order_steps
from napari_firstpass.taxonomy import UNLABELLED
from napari_firstpass.tiling import Tile, affordable, at_once, spread_windows, tiles
from napari_firstpass.training_state import identity_steps

if TYPE_CHECKING:
    from collections.abc import Sequence

    from napari_firstpass.bands import Role
    from napari_firstpass.class_count import ClassCount
    from napari_firstpass.code_heads.head import HeadFile
    from napari_firstpass.config import SegmentConfig
    from napari_firstpass.describing import Described
    from napari_firstpass.feature_cache import FeatureCache
    from napari_firstpass.feature_scaling import FeatureScaler
    from napari_firstpass.features import FeatureMap
    from napari_firstpass.fit_options import FitOptions
    from napari_firstpass.grid import Window
    from napari_firstpass.hints import HintSet
    from napari_firstpass.protocols import (
        Backbone,
        ClassModel,
        Labeller,
        LabelSink,
        Refiner,
        Segmenter,
    )
    from napari_firstpass.raster import Raster, RasterSource
    from napari_firstpass.refinement import View
    from napari_firstpass.sampling import HintedSample, OpenSource
    from napari_firstpass.segmentation import Labels
    from napari_firstpass.training_state import StateStore

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
    suggested : ClassCount or None
        Why there are as many classes, if the sample decided it.
    head : HeadFile or None
        What makes codes of features, if anything does.
    """

    stats: BandStats
    backbone: Backbone
    scaler: FeatureScaler
    classes: ClassModel
    guide: tuple[int, ...]
    device: torch.device
    features: float = 0.0
    suggested: ClassCount | None = None
    head: HeadFile | None = None

    @property
    def count(self) -> int:
        """Number of classes."""
        return self.classes.count

    @property
    def reentrant(self) -> bool:
        """Whether windows can be labelled at the same time."""
        return isinstance(self.backbone, Reentrant) and self.device.type == "cpu"

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
    fitting, labelling = parts_of_run(source, config)
    model = yield from relay(fit_steps(source, config, cache=cache), fitting)
    yield from relay(label_steps(source, model, config, sink), labelling)


def parts_of_run(source: RasterSource, config: SegmentConfig) -> tuple[Span, Span]:
    """Return which part of a run finds classes, and which labels with them."""
    cuts = _cut(source, config, config.classes)
    area = sum(tile.padded.height * tile.padded.width for tile in cuts)
    fit = sample_area(source)
    return Span(0, fit, fit + area), Span(fit, fit + area, fit + area)


def fit_steps(
    source: RasterSource,
    config: SegmentConfig,
    *,
    cache: FeatureCache | None = None,
    auto_classes: bool = False,
) -> Steps[FittedModel]:
    """Find classes on a sample that is spread over the image.

    The sample depends on the size of the image and the seed only, so that the classes do not
    depend on how the image is cut into windows afterwards. With ``auto_classes``, the sample
    decides how many there are.
    """
    config, auto_classes = _decided(config, auto_classes)
    sample = yield from sample_steps(source, config.seed)
    fit = fit_sample_steps(sample, config, cache=cache, auto_classes=auto_classes)
    return (yield from fit)


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
    config, auto_classes = _decided(config, options.auto_classes and hints is None)
    sample = yield from relay(set_sample_steps(images, config.seed), Span(0, 10, 100))
    hinted = None
    if hints is not None:
        reading = hint_sample_steps(images, hints, config.seed)
        hinted = yield from relay(reading, Span(10, 10, 100))
    fit = fit_sample_steps(
        sample,
        config,
        cache=options.cache,
        state=options.state,
        hinted=hinted,
        auto_classes=auto_classes,
    )
    return (yield from relay(fit, Span(10, 100, 100)))


def suggest_set_steps(
    images: Sequence[OpenSource], config: SegmentConfig, options: FitOptions = DEFAULT_FIT
) -> Steps[ClassCount]:
    """Suggest how many classes many images share, or one holds; see `fit_set_steps`."""
    require_known(config)
    sample = yield from relay(set_sample_steps(images, config.seed), Span(0, 10, 100))
    described = yield from relay(describe_steps(sample, config, options.cache), Span(10, 80, 100))
    return (yield from relay(suggest_steps(described.maps, config.seed), Span(80, 100, 100)))


def _decided(config: SegmentConfig, auto_classes: bool) -> tuple[SegmentConfig, bool]:
    """Return the options, and whether the sample is to decide how many classes there are.

    What is unknown or missing is refused before anything is read. A cluster probe to start from has
    decided the number of classes already.
    """
    require_known(config)
    head, segmenter = head_of(config.projection), _segmenter(config)
    if head is None or not isinstance(segmenter, ProbeSegmenter):
        return config, auto_classes
    if auto_classes and head.centres is not None:
        config = replace(config, classes=len(head.centres))
    head.require_classes(config.classes)
    return config, False


def _segmenter(config: SegmentConfig) -> Segmenter:
    """Return what finds classes."""
    return SEGMENTERS.load(config.method)(classes=config.classes, seed=config.seed)


def fit_sample_steps(
    sample: Sequence[tuple[Raster, Window]],
    config: SegmentConfig,
    *,
    cache: FeatureCache | None = None,
    state: StateStore | None = None,
    hinted: HintedSample | None = None,
    auto_classes: bool = False,
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
    auto_classes : bool
        Whether the sample decides how many classes there are.

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
    config, auto_classes = _decided(config, auto_classes)
    probing = isinstance(_segmenter(config), ProbeSegmenter)
    it = yield from relay(describe_steps(sample, config, cache, probing=probing), Span(0, 10, 14))
    suggested = None
    if auto_classes:
        suggested = yield from relay(suggest_steps(it.maps, config.seed), Span(10, 11, 14))
        config = replace(config, classes=suggested.classes)
    segmenter = _segmenter(config)
    if it.probe is not None and isinstance(segmenter, ProbeSegmenter):
        segmenter = segmenter.with_probe(it.probe.centres, it.probe.outlines)
    fit = _classes_of(segmenter, it.maps, state)
    if hinted is not None:
        examples = yield from relay(examples_steps(it, hinted), Span(10, 11, 14))
        fit = pinned_steps(it.maps, examples, segmenter, config.classes)
    classes = yield from relay(fit, Span(11, 14, 14))
    guide = guide_bands(sample[0][0].roles)
    return FittedModel(
        it.stats, it.backbone, it.scaler, classes, guide, it.device, it.features, suggested, it.head
    )


def _classes_of(
    segmenter: Segmenter, sample: Sequence[FeatureMap], state: StateStore | None
) -> Steps[ClassModel]:
    """Fit classes, from where an earlier run stood if the method can."""
    if state is None or not isinstance(segmenter, Resumable):
        return (yield from segmenter.fit(sample))
    identity = yield from relay(identity_steps(segmenter, sample), Span(0, 0, 1))
    return (yield from segmenter.fit(sample, keeper=state.begin(identity)))


def examples_steps(it: Described, hinted: HintedSample) -> Steps[Examples]:
    """Return the cells in which somebody says what is there."""
    vectors, classes = [], []
    for done, window in enumerate(hinted.windows):
        span = Span(done, done + 1, len(hinted.windows))
        inner = inner_features(it.backbone, window.raster, window.inner)
        found = yield from relay(inner, span, "looking at the hints")
        said = torch.from_numpy(cell_classes(window.classes, found.stride)).to(found.valid.device)
        kept = found.valid & (said != SILENT)
        vectors.append(it.scaler.apply(found.vectors)[:, kept].T)
        classes.append(said[kept])
    if not vectors:
        raise ImageContentError(
            expected="hints on places with data",
            found="none",
            remedy="paint where the images hold data",
        )
    return Examples(torch.cat(vectors), torch.cat(classes), hinted.names)


def label_steps(
    source: RasterSource, model: Labeller, config: SegmentConfig, sink: LabelSink
) -> Steps[None]:
    """Label every window of ``source`` with the classes of a model, in row-major order.

    Of ``config``, the window, the overlap, the smallest region, and the refiner with its seed
    count. Windows are smaller where the model has many features. A refiner that is trained is
    trained once, if there are several.
    """
    refiner = refiner_of(config.refine, seed=config.seed, device=model.device)
    cuts = _cut(source, config, model.count, model.features)
    begin = 0
    if isinstance(refiner, TrainedRefiner) and len(cuts) > 1:
        views = yield from relay(_views(source, model, config), Span(0, 10, 100))
        refiner = yield from relay(refiner.trained(views), Span(10, 20, 100), "training")
        begin = 20

    def write(done: tuple[Tile, WindowLabels]) -> None:
        tile, found = done
        rows, cols = tile.core.relative_to(tile.padded).slices
        sink.write(tile.core, found.labels[rows, cols], found.confidence[rows, cols])

    labelling = in_order_steps(
        (
            _label_tile(usable(source.read(tile.padded)), tile, model, config, refiner)
            for tile in cuts
        ),
        write,
        workers=_workers(cuts, model, len(source.names), refiner),
        count=len(cuts),
        name="window",
    )
    yield from relay(labelling, Span(begin, 100, 100))
    yield Progress(1, 1, "labelled")


def _workers(cuts: Sequence[Tile], model: Labeller, bands: int, refiner: Refiner | None) -> int:
    """Return how many windows to label at the same time."""
    if not model.reentrant or (refiner is not None and remembers(refiner)):
        return 1
    values = model.count * (1 if refiner is None else VALUES_PER_CLASS)
    affordable = at_once(cuts, bands=bands, classes=values, features=model.features)
    return min(torch.get_num_threads(), affordable)


def _views(source: RasterSource, model: Labeller, config: SegmentConfig) -> Steps[list[View]]:
    """Label windows spread over the image, to train a refiner on."""
    places = spread_windows(source.grid, side=VIEW_SIDE, limit=MOST_VIEWS, seed=config.seed)
    views = []
    for done, place in enumerate(places):
        raster = usable(source.read(place))
        if not raster.valid.any():
            continue
        whole = filled(raster)
        span = Span(done, done + 1, len(places))
        labels = yield from relay(_sharp_labels(whole, model, config), span, "looking around")
        views.append(view_of(whole, model.stats, labels, model.count, model.device))
    return views


def _label_tile(
    raster: Raster, tile: Tile, model: Labeller, config: SegmentConfig, refiner: Refiner | None
) -> Steps[tuple[Tile, WindowLabels]]:
    """Return labels and confidence of the padded window of a tile."""
    if not raster.valid.any():
        shape, dtype = raster.grid.shape, label_dtype(model.count)
        empty = cast("Labels", np.full(shape, UNLABELLED, dtype))
        return tile, WindowLabels(empty, np.zeros(shape, np.uint8))
    whole = filled(raster)
    share = 100 if refiner is None else 50
    labelled = yield from relay(_sharp_labels(whole, model, config), Span(0, share, 100))
    if refiner is None:
        return tile, labelled
    steps = refine_window_steps(refiner, whole, model.stats, labelled, model.count, model.device)
    refined = yield from relay(steps, Span(share, 100, 100))
    merged = merge_small_regions(refined.labels, config.min_region)
    return tile, replace(refined, labels=merged)


def _sharp_labels(raster: Raster, model: Labeller, config: SegmentConfig) -> Steps[WindowLabels]:
    """Return what the model says of a window without gaps, at the edges of the image."""
    scores = yield from relay(model.scores(raster), Span(0, 60, 100))
    guide = model.stats.select(model.guide).stretch(raster.bands[list(model.guide)])
    fine = sharpen(
        scores.vectors,
        torch.from_numpy(guide).to(model.device),
        scores.stride,
        GuidedFilterConfig(),
    )
    sharp = yield from relay(fine, Span(60, 90, 100))
    labels = cast("Labels", (sharp.winner + 1).cpu().numpy().astype(label_dtype(model.count)))
    labels[~raster.valid] = UNLABELLED
    confidence = (sharp.margin * 255).round().byte().cpu().numpy()
    confidence[~raster.valid] = 0
    yield Progress(90, 100, "merging small regions")
    return WindowLabels(merge_small_regions(labels, config.min_region), confidence)


def _cut(
    source: RasterSource, config: SegmentConfig, classes: int, features: float = 0.0
) -> tuple[Tile, ...]:
    bands = len(source.names)
    window, overlap = affordable(
        config.window, config.overlap, bands=bands, classes=classes, features=features
    )
    return tiles(source.grid, window=window, overlap=overlap)


def guide_bands(roles: tuple[Role | None, ...]) -> tuple[int, ...]:
    """Return the bands whose edges count: the visible ones where known, else the first."""
    visible = sorted(visible_bands(roles))
    return tuple(visible or range(min(_GUIDE_BANDS, len(roles))))
